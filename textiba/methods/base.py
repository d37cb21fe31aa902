"""What every method is: frozen settings, and one function from a forward pass to attributions."""

import abc
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from textiba.attribution import Attribution, Details
from textiba.encoder import Encoder
from textiba.errors import SettingError, TargetError
from textiba.forward import ForwardPass
from textiba.settings import Settings
from textiba.statistics import FeatureStatistics
from textiba.text import EncodedReview
from textiba.types import Targets


@dataclass(frozen=True, slots=True)
class Passes:
    """What a method costs for one review, in passes through all layers of the model.

    A pass through some of the layers counts as their share. The plain pass that gives the prediction, and that every
    method is handed, counts as one forward pass, and every hidden state is part of it.
    """

    forward: float
    backward: float


class Method(Settings, abc.ABC):
    """A way to score tokens. The instance is its settings; nothing else is kept between calls.

    Class attributes:
        name: in the registry, in configs and in results.
        unit: of the scores: "bits", "nats" or "score".
        signed: whether a negative score speaks against the target.
    """

    name: ClassVar[str]
    unit: ClassVar[str]
    signed: ClassVar[bool]

    @property
    def needs_statistics(self) -> bool:
        """Whether `attribute` must be given feature statistics."""
        return False

    @property
    def before(self) -> "Method | None":
        """The method that ends where this one goes on, if there is one; see `ForwardPass.awaited`."""
        return None

    def rests_on(self, encoder: Encoder) -> dict[str, str]:
        """What results rest on beside the model and its statistics: names of files, with a hash of each."""
        return {}

    @abc.abstractmethod
    def passes(self, layers: int, tokens: int) -> Passes:
        """What a review costs.

        Args:
            layers: of the model.
            tokens: of the review that carry a score.
        """

    @abc.abstractmethod
    def attribute(
        self,
        encoder: Encoder,
        forward: ForwardPass,
        targets: Targets,
        statistics: FeatureStatistics | None = None,
        seed: int = 0,
    ) -> list[Attribution]:
        """Scores every review of a batch.

        Args:
            encoder: the model.
            forward: its pass over the batch.
            targets: the class to explain, of each review.
            statistics: of the model's features, where `needs_statistics`.
            seed: of whatever is random; each review derives its own from it.
        """


def require(statistics: FeatureStatistics | None, encoder: Encoder, method: str) -> FeatureStatistics:
    """The statistics, or a clear error when they are missing or another model's."""
    if statistics is None:
        raise SettingError(
            f"{method} needs feature statistics; make them with: textiba estimate -c {encoder.name}, and give the file "
            "as --statistics, or as textiba.load_statistics(file)"
        )
    statistics.check(encoder)
    return statistics


def resolve_targets(encoder: Encoder, forward: ForwardPass, target: str | int) -> Targets:
    """The class to explain for each review: "predicted", "gold", or one class for all.

    Raises:
        TargetError: a class that the model does not have, or "gold" for a review without a label.
    """
    if target == "predicted":
        return encoder.predict(forward)
    if target == "gold":
        golds = [r.review.label for r in forward.batch.reviews]
        if any(g is None for g in golds):
            raise TargetError("target 'gold' needs a label for every review; some have none. Use 'predicted'")
        for gold in golds:
            encoder.check_target(gold)  # type: ignore[arg-type] - None was excluded
        return torch.tensor(golds, device=forward.logits.device)
    if isinstance(target, bool) or not isinstance(target, int):
        raise TargetError(f"a target is 'predicted', 'gold' or a class index; got {target!r}")
    encoder.check_target(target)
    return torch.full((len(forward.logits),), target, device=forward.logits.device)


def results(
    method: Method,
    layer: int | None,
    encoder: Encoder,
    forward: ForwardPass,
    targets: Targets,
    scores: Tensor,
    details: Sequence[Details | None],
) -> list[Attribution]:
    """Cuts a batch of padded scores [batch, tokens] into one frozen result a review."""
    probabilities = forward.logits.softmax(dim=1).gather(1, targets[:, None])[:, 0]
    settings: dict[str, Any] = method.model_dump(mode="json")  # as it is read again
    # One copy from the device for all reviews.
    columns = (
        targets.tolist(),
        probabilities.tolist(),
        encoder.predict(forward).tolist(),
        scores.detach().float().cpu().numpy(),
    )
    return [
        Attribution(
            review=review,
            checkpoint=encoder.name,
            method=method.name,
            settings=settings,
            layer=layer,
            target=target,
            probability=probability,
            predicted=predicted,
            scores=_only_content(review, row),
            unit=method.unit,
            signed=method.signed,
            details=detail,
            labels=encoder.labels,
        )
        for review, target, probability, predicted, row, detail in zip(
            forward.batch.reviews, *columns, details, strict=True
        )
    ]


def _only_content(review: EncodedReview, row: Float[np.ndarray, " padded"]) -> Float[np.ndarray, " tokens"]:
    scores = np.full(len(review), np.nan, dtype=np.float32)
    content = list(review.content)
    scores[content] = row[content]
    scores.setflags(write=False)
    return scores
