"""Feature statistics: mean and standard deviation of every feature at every layer, over the tokens of many texts."""

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

from textiba.checkpoints.load import checkpoint_folder, own_file
from textiba.errors import CorruptFileError, FewTextsWarning, InputError, StatisticsMismatchError
from textiba.model.forward import ForwardPass
from textiba.model.view import Model
from textiba.types import LayerFeatures

ADVISED_TEXTS = 1000
STATISTICS = "statistics.safetensors"  # in a checkpoint's folder: the statistics that come with the checkpoint


@dataclass(frozen=True, eq=False)
class FeatureStatistics:
    """Mean and standard deviation of a model's features. Statistics of two samples can be merged.

    Attributes:
        mean: mean over the tokens [layers, features], float64.
        squares: sum over the tokens of squared deviations from the mean [layers, features], float64.
        tokens: number of tokens, special tokens included and padding excluded.
        texts: number of texts.
        fingerprint: fingerprint of the model's weights.
        source: description of the texts, in words.
    """

    mean: LayerFeatures
    squares: LayerFeatures
    tokens: int
    texts: int
    fingerprint: str
    source: str = ""

    @property
    def std(self) -> LayerFeatures:
        """Standard deviation of the population (divided by n) [layers, features]."""
        return (self.squares / self.tokens).sqrt()

    @property
    def identity(self) -> str:
        """A short hash of mean and squares."""
        content = torch.cat([self.mean, self.squares]).cpu().contiguous().numpy().tobytes()
        return hashlib.sha256(content).hexdigest()[:16]

    def at(self, layer: int, like: Tensor) -> tuple[Float[Tensor, " features"], Float[Tensor, " features"]]:
        """Returns mean and standard deviation at a layer, in the type and on the device of `like`."""
        return self.mean[layer].to(like), self.std[layer].to(like)

    def merge(self, other: "FeatureStatistics") -> "FeatureStatistics":
        """Returns the statistics of both samples pooled (Chan, Golub, LeVeque, 1979).

        Raises:
            StatisticsMismatchError: the two statistics belong to different models.
        """
        if self.fingerprint != other.fingerprint:
            raise StatisticsMismatchError(
                f"statistics of two models cannot be merged: the fingerprints are {self.fingerprint} and "
                f"{other.fingerprint}. Estimate both on one model: textiba estimate"
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
        """Raises `StatisticsMismatchError` unless these statistics belong to `model`."""
        if self.fingerprint != model.fingerprint:
            raise StatisticsMismatchError(
                f"these statistics belong to a model with fingerprint {self.fingerprint}, {model.name} has "
                f"{model.fingerprint}; estimate new statistics: textiba estimate --checkpoint {model.name}"
            )

    def save(self, path: str | Path) -> None:
        """Writes a safetensors file with what it was made from in its header."""
        facts = {"tokens": self.tokens, "texts": self.texts, "fingerprint": self.fingerprint, "source": self.source}
        tensors = {"mean": self.mean.contiguous(), "squares": self.squares.contiguous()}
        save_file(tensors, str(path), metadata={"textiba_statistics": json.dumps(facts)})

    @classmethod
    def load(cls, path: str | Path) -> "FeatureStatistics":
        """Returns the statistics in a file that `save` wrote.

        Raises:
            InputError: the file does not exist.
            CorruptFileError: the file is not a statistics file, or is damaged.
        """
        if not Path(path).is_file():
            raise InputError(f"{path}: no such statistics file; make one with: textiba estimate --output {path}")
        try:
            with safe_open(str(path), framework="pt") as file:
                facts = json.loads((file.metadata() or {})["textiba_statistics"])
                mean, squares = file.get_tensor("mean"), file.get_tensor("squares")
            if mean.shape != squares.shape:
                raise ValueError(f"mean is {tuple(mean.shape)}, squares are {tuple(squares.shape)}")
            return cls(mean=mean, squares=squares, **facts)
        except (SafetensorError, KeyError, TypeError, ValueError) as error:
            raise CorruptFileError(
                f"{path}: not a statistics file, or damaged ({error}); make a new one with textiba estimate"
            ) from None


def estimate_statistics(model: Model, passes: Iterable[ForwardPass], source: str = "") -> FeatureStatistics:
    """Estimates feature statistics of all layers from every token of the given passes, padding excluded.

    Args:
        model: the model whose features are estimated.
        passes: `model.forward(batch)` of every batch; with a generator, memory does not grow with the number of texts.
        source: description of the texts, stored in the result.

    Raises:
        InputError: `passes` is empty.

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
            f"the statistics come from {whole.texts} texts; at least {ADVISED_TEXTS} are advised",
            FewTextsWarning,
            stacklevel=2,
        )
    return whole


def load_statistics(source: str | Path) -> FeatureStatistics:
    """Returns the feature statistics of a built-in checkpoint, a fine-tuned checkpoint's folder, or a file.

    Args:
        source: "fine-tuned", "general-probe" or "general-fresh"; a folder that `textiba finetune` wrote; or a file that
            `textiba estimate` wrote.

    Raises:
        InputError: there is no statistics file.
        CorruptFileError: the file is damaged.
    """
    path = checkpoint_folder(source)
    return FeatureStatistics.load(path / STATISTICS if path.is_dir() else path)


def own_statistics(source: str | Path) -> FeatureStatistics | None:
    """Returns the statistics that come with a checkpoint, or None if there are none."""
    file = own_file(source, STATISTICS)
    return None if file is None else FeatureStatistics.load(file)
