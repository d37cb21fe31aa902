"""Mean and standard deviation of every feature at every layer, over the real tokens of many reviews, in one stream."""

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

from textiba.encoder import Encoder
from textiba.errors import CorruptFileError, FewReviewsWarning, InputError, StatisticsMismatchError
from textiba.forward import ForwardPass
from textiba.types import LayerFeatures

ADVISED_REVIEWS = 1000


@dataclass(frozen=True, eq=False)
class FeatureStatistics:
    """What is known of a model's features; a plain value that can be merged with another.

    Attributes:
        mean: [layers, features] over the tokens, float64.
        squares: [layers, features], sum of squared deviations from the mean, float64.
        tokens: how many tokens were pooled: real ones, special ones included, padding not.
        reviews: how many reviews they came from.
        fingerprint: of the model's weights.
        source: what the reviews were, in words.
    """

    mean: LayerFeatures
    squares: LayerFeatures
    tokens: int
    reviews: int
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
            reviews=self.reviews + other.reviews,
            fingerprint=self.fingerprint,
            source=self.source if self.source == other.source else f"{self.source} + {other.source}",
        )

    def check(self, encoder: Encoder) -> None:
        """Raises `StatisticsMismatchError` unless these belong to the encoder's model."""
        if self.fingerprint != encoder.fingerprint:
            raise StatisticsMismatchError(
                f"these statistics belong to a model with fingerprint {self.fingerprint}, {encoder.name} has "
                f"{encoder.fingerprint}; estimate them anew: textiba estimate --checkpoint {encoder.name}"
            )

    def save(self, path: str | Path) -> None:
        """Writes a safetensors file with what it was made from in its header."""
        facts = {"tokens": self.tokens, "reviews": self.reviews, "fingerprint": self.fingerprint, "source": self.source}
        tensors = {"mean": self.mean.contiguous(), "squares": self.squares.contiguous()}
        save_file(tensors, str(path), metadata={"textiba_statistics": json.dumps(facts)})

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


def estimate(encoder: Encoder, passes: Iterable[ForwardPass], source: str = "") -> FeatureStatistics:
    """Pools every real token of every pass, for all layers at once.

    Args:
        encoder: whose features these are.
        passes: `encoder.forward(batch)` of every batch; a generator keeps memory flat.
        source: what the reviews are, kept with the result.

    Raises:
        InputError: there is no review.

    Warns:
        FewReviewsWarning: fewer than 1,000 reviews.
    """
    whole: FeatureStatistics | None = None
    for forward in passes:
        tokens = forward.batch.attention_mask
        states = torch.stack([state[tokens] for state in forward.hidden]).double().cpu()
        mean = states.mean(dim=1)
        part = FeatureStatistics(
            mean=mean,
            squares=(states - mean[:, None]).square().sum(dim=1),
            tokens=states.shape[1],
            reviews=len(forward.batch.reviews),
            fingerprint=encoder.fingerprint,
            source=source,
        )
        whole = part if whole is None else whole.merge(part)
    if whole is None:
        raise InputError("statistics need at least one review; got none")
    if whole.reviews < ADVISED_REVIEWS:
        warnings.warn(
            f"statistics rest on {whole.reviews} reviews; at least {ADVISED_REVIEWS} are advised",
            FewReviewsWarning,
            stacklevel=2,
        )
    return whole
