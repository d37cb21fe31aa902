"""Mean and standard deviation of every feature at every layer, over the real tokens of many texts, in one stream."""

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
from textiba.model.view import Model
from textiba.store import write_whole
from textiba.types import LayerFeatures

ADVISED_TEXTS = 1000
STATISTICS = "statistics.safetensors"  # in a checkpoint's folder: the statistics that come with it


@dataclass(frozen=True, eq=False)
class FeatureStatistics:
    """What is known of a model's features; a plain value that can be merged with another.

    Attributes:
        mean: [layers, features] over the tokens, float64.
        squares: [layers, features], sum of squared deviations from the mean, float64.
        tokens: how many tokens were pooled: real ones, special ones included, padding not.
        texts: how many texts they came from.
        fingerprint: of the model's weights.
        source: what the texts were, in words.
    """

    mean: LayerFeatures
    squares: LayerFeatures
    tokens: int
    texts: int
    fingerprint: str
    source: str = ""

    @property
    def std(self) -> LayerFeatures:
        """[layers, features], of the population (divided by n)."""
        return (self.squares / self.tokens).sqrt()

    @property
    def identity(self) -> str:
        """A short hash of the numbers."""
        content = torch.cat([self.mean, self.squares]).cpu().contiguous().numpy().tobytes()
        return hashlib.sha256(content).hexdigest()[:16]

    def at(self, layer: int, like: Tensor) -> tuple[Float[Tensor, " features"], Float[Tensor, " features"]]:
        """Mean and standard deviation at a layer, in the type and on the device of `like`."""
        return self.mean[layer].to(like), self.std[layer].to(like)

    def merge(self, other: "FeatureStatistics") -> "FeatureStatistics":
        """Both samples pooled (Chan, Golub, LeVeque, 1979).

        Raises:
            StatisticsMismatchError: the other's model is another one.
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
        """Raises `StatisticsMismatchError` unless these belong to the model's model."""
        if self.fingerprint != model.fingerprint:
            raise StatisticsMismatchError(
                f"these statistics belong to a model with fingerprint {self.fingerprint}, {model.name} has "
                f"{model.fingerprint}; estimate them anew: textiba estimate --checkpoint {model.name}"
            )

    def save(self, path: str | Path) -> None:
        """Writes a safetensors file, whole or not at all, with what it was made from in its header.

        Raises:
            StorageError: the file cannot be written.
        """
        facts = {"tokens": self.tokens, "texts": self.texts, "fingerprint": self.fingerprint, "source": self.source}
        tensors = {"mean": self.mean.contiguous(), "squares": self.squares.contiguous()}
        metadata = {"textiba_statistics": json.dumps(facts)}
        write_whole(Path(path), lambda target: save_file(tensors, str(target), metadata=metadata))

    @classmethod
    def load(cls, path: str | Path) -> "FeatureStatistics":
        """Reads what `save` wrote.

        Raises:
            InputError: no such file.
            CorruptFileError: the file is no statistics file, or damaged.
        """
        if not Path(path).is_file():
            raise InputError(f"{path}: no such statistics; make them with: textiba estimate --output {path}")
        try:
            with safe_open(str(path), framework="pt") as file:
                facts = json.loads((file.metadata() or {})["textiba_statistics"])
                mean, squares = file.get_tensor("mean"), file.get_tensor("squares")
            if mean.shape != squares.shape:
                raise ValueError(f"mean is {tuple(mean.shape)}, squares are {tuple(squares.shape)}")
            return cls(mean=mean, squares=squares, **facts)
        except (SafetensorError, KeyError, TypeError, ValueError) as error:
            raise CorruptFileError(
                f"{path}: not a statistics file, or damaged ({error}); make it anew with textiba estimate"
            ) from None


def estimate_statistics(model: Model, passes: Iterable[ForwardPass], source: str = "") -> FeatureStatistics:
    """Pools every real token of every pass, for all layers at once.

    Args:
        model: whose features these are.
        passes: `model.forward(batch)` of every batch; a generator keeps memory flat.
        source: what the texts are, kept with the result.

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
            stacklevel=2,
        )
    return whole


def load_statistics(source: str | Path) -> FeatureStatistics:
    """Feature statistics: a built-in checkpoint's, those of a folder that `textiba finetune` wrote, or a file's.

    Args:
        source: "fine-tuned", "general-probe", "general-fresh"; such a folder; or what `textiba estimate` wrote.

    Raises:
        InputError: there are none.
        CorruptFileError: the file is damaged.
    """
    path = checkpoint_folder(source)
    return FeatureStatistics.load(path / STATISTICS if path.is_dir() else path)


def own_statistics(source: str | Path) -> FeatureStatistics | None:
    """The statistics that come with a checkpoint, or None where none do."""
    file = own_file(source, STATISTICS)
    return None if file is None else FeatureStatistics.load(file)
