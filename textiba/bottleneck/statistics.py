"""Mean and standard deviation of every feature at every layer, over the tokens of many texts, in one pass."""

import hashlib
import json
import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from textiba.checkpoints.find import checkpoint_folder, own_file
from textiba.errors import CorruptFileError, FewTextsWarning, InputError, StatisticsMismatchError
from textiba.model.forward import ForwardPass
from textiba.model.torch_state import own_torch_state
from textiba.model.view import Model
from textiba.store import write_whole
from textiba.types import LayerFeatures

ADVISED_TEXTS = 1000
STATISTICS = "statistics.safetensors"  # in a checkpoint's folder: the statistics that come with it


@dataclass(frozen=True, eq=False)
class FeatureStatistics:
    """Mean and spread of a model's features; a plain value that can be merged with another.

    Attributes:
        mean: [layers, features] over the tokens, float64.
        squares: [layers, features], sum of squared deviations from the mean, float64.
        tokens: number of tokens that were pooled, special tokens included, padding excluded.
        texts: number of texts that the tokens came from.
        fingerprint: fingerprint of the model's weights.
        source: description of the texts.
    """

    mean: LayerFeatures
    squares: LayerFeatures
    tokens: int
    texts: int
    fingerprint: str
    source: str = ""

    @property
    def std(self) -> LayerFeatures:
        """Standard deviation [layers, features] of the population (divided by n)."""
        return (self.squares / self.tokens).sqrt()

    @property
    def identity(self) -> str:
        """A short hash of the numbers."""
        content = torch.cat([self.mean, self.squares]).cpu().contiguous().numpy().tobytes()
        return hashlib.sha256(content).hexdigest()[:16]

    def at(self, layer: int, like: Tensor) -> tuple[Float[Tensor, " features"], Float[Tensor, " features"]]:
        """Mean and standard deviation at a layer, in the dtype and on the device of `like`.

        Args:
            layer: index into hidden_states.
            like: any tensor.
        """
        return self.mean[layer].to(like), self.std[layer].to(like)

    def merge(self, other: "FeatureStatistics") -> "FeatureStatistics":
        """Returns the statistics of both samples together (Chan, Golub, LeVeque, 1979).

        Raises:
            StatisticsMismatchError: the other statistics belong to another model.
        """
        if self.fingerprint != other.fingerprint:
            raise StatisticsMismatchError(
                f"statistics of two models cannot be merged: {self.fingerprint} and {other.fingerprint}"
            )
        n = self.tokens + other.tokens
        delta = other.mean - self.mean
        return FeatureStatistics(
            mean=self.mean + delta * (other.tokens / n),
            squares=self.squares + other.squares + delta.square() * (self.tokens * other.tokens / n),
            tokens=n,
            texts=self.texts + other.texts,
            fingerprint=self.fingerprint,
            source=self.source if self.source == other.source else f"{self.source} + {other.source}",
        )

    def check(self, model: Model) -> None:
        """Raises `StatisticsMismatchError` unless these statistics belong to the model."""
        if self.fingerprint != model.fingerprint:
            raise StatisticsMismatchError(
                f"these statistics belong to a model with fingerprint {self.fingerprint}, {model.name} has "
                f"{model.fingerprint}; estimate them anew: textiba estimate --checkpoint {model.name}"
            )
        if len(self.mean) != model.n_layers + 1:
            raise StatisticsMismatchError(
                f"statistics of {model.name} are of its {model.n_layers + 1} hidden states; these are of "
                f"{len(self.mean)}; estimate them anew: textiba estimate --checkpoint {model.name}"
            )

    def save(self, path: str | Path) -> None:
        """Writes a safetensors file, whole or not at all, with counts, fingerprint and source in its header.

        Raises:
            StorageError: the file cannot be written.
        """
        facts = {"tokens": self.tokens, "texts": self.texts, "fingerprint": self.fingerprint, "source": self.source}
        tensors = {"mean": self.mean.contiguous(), "squares": self.squares.contiguous()}
        metadata = {"textiba_statistics": json.dumps(facts)}
        write_whole(Path(path), lambda target: save_file(tensors, str(target), metadata=metadata))

    @classmethod
    def load(cls, path: str | Path) -> "FeatureStatistics":
        """Reads a file that `save` wrote.

        Raises:
            InputError: no such file, or it cannot be read.
            CorruptFileError: the file holds no statistics, or is damaged (it has other shapes or counts than `save`
                writes, NaN, infinity, or a negative sum of squares).
        """
        if not Path(path).is_file():
            raise InputError(f"{path}: no such statistics; make them with: textiba estimate --output {path}")
        try:
            with safe_open(str(path), framework="pt") as file:
                facts = json.loads((file.metadata() or {})["textiba_statistics"])
                mean, squares = file.get_tensor("mean"), file.get_tensor("squares")
            _check_facts(**facts)
            _check_numbers(mean, squares)
            return cls(mean=mean.double(), squares=squares.double(), **facts)
        except OSError as error:
            raise InputError(f"{path}: cannot be read: {error.strerror or error}") from None
        except (SafetensorError, KeyError, TypeError, ValueError, RecursionError) as error:
            raise CorruptFileError(
                f"{path}: not a statistics file, or damaged ({error}); make it again with: "
                f"textiba estimate --output {path}"
            ) from None


def _check_facts(tokens: object, texts: object, fingerprint: object, source: object) -> None:
    """Raises `ValueError` unless the counts are numbers from 1 on, and the rest is text."""
    for name, count in (("tokens", tokens), ("texts", texts)):
        if not isinstance(count, int) or isinstance(count, bool) or count < 1:
            raise ValueError(f"{name} is a whole number from 1 on; got {count!r}")
    for name, words in (("fingerprint", fingerprint), ("source", source)):
        if not isinstance(words, str):
            raise ValueError(f"{name} is a string; got {words!r}")


def _check_numbers(mean: Tensor, squares: Tensor) -> None:
    """Raises `ValueError` unless both are finite numbers [layers, features], and no square is negative."""
    if mean.ndim != 2 or mean.shape != squares.shape or not mean.numel():
        raise ValueError(f"mean and squares are [layers, features]; got {tuple(mean.shape)} and {tuple(squares.shape)}")
    for name, values in (("mean", mean), ("squares", squares)):
        if not values.is_floating_point():
            raise ValueError(f"{name} has floating-point numbers; got {str(values.dtype).removeprefix('torch.')}")
        wrong = ~values.isfinite() if name == "mean" else ~(values.isfinite() & (values >= 0))
        if wrong.any():
            layer, feature = wrong.nonzero()[0].tolist()
            rule = "is finite" if name == "mean" else "is finite and not negative"
            raise ValueError(
                f"{name} {rule}; got {values[layer, feature].item()} at layer {layer}, feature {feature}, and "
                f"{int(wrong.sum())} such values in all"
            )


@own_torch_state(gradients=False)
def estimate_statistics(model: Model, passes: Iterable[ForwardPass], source: str = "") -> FeatureStatistics:
    """Pools the tokens of all passes, padding excluded, for all layers at once.

    Args:
        model: the model that made the passes.
        passes: `model.forward(batch)` of every batch; a generator keeps memory use constant.
        source: description of the texts, stored in the result.

    Raises:
        InputError: there is no text.

    Warns:
        FewTextsWarning: fewer than 1,000 texts.
    """
    whole: FeatureStatistics | None = None
    for forward in passes:
        tokens = forward.batch.attention_mask
        states = torch.stack([state[tokens] for state in forward.hidden_states]).double().cpu()
        mean = states.mean(dim=1)
        part = FeatureStatistics(
            mean=mean,
            squares=(states - mean[:, None]).square().sum(dim=1),
            tokens=states.shape[1],
            texts=len(forward.batch.texts),
            fingerprint=model.fingerprint,
            source=source,
        )
        whole = part if whole is None else whole.merge(part)
    if whole is None:
        raise InputError("statistics need at least one text; got none")
    if whole.texts < ADVISED_TEXTS:
        warnings.warn(
            f"statistics rest on {whole.texts} texts; at least {ADVISED_TEXTS} are advised",
            FewTextsWarning,
            stacklevel=3,
        )
    return whole


def load_statistics(source: str | Path) -> FeatureStatistics:
    """The feature statistics of a built-in checkpoint, of a folder that `textiba finetune` wrote, or of a file.

    Args:
        source: "fine-tuned", "general-probe", "general-fresh"; such a folder; or a file that `textiba estimate` wrote.

    Raises:
        InputError: there is no such file, or it cannot be read.
        CorruptFileError: the file holds no statistics, or is damaged.
    """
    path = checkpoint_folder(source)
    return FeatureStatistics.load(path / STATISTICS if path.is_dir() else path)


def own_statistics(source: str | Path) -> FeatureStatistics | None:
    """Returns the statistics that come with a checkpoint, or None if the checkpoint has none."""
    file = own_file(source, STATISTICS)
    return None if file is None else FeatureStatistics.load(file)
