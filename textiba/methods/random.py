"""Random scores: what any method must beat."""

from typing import ClassVar

import torch

from textiba.attribution import Attribution
from textiba.encoder import Encoder
from textiba.forward import ForwardPass
from textiba.methods.base import Method, Passes, results
from textiba.statistics import FeatureStatistics
from textiba.types import Targets


class Random(Method):
    """Uniform noise in 0 … 1; each review draws from a seed of its own."""

    name: ClassVar[str] = "random"
    unit: ClassVar[str] = "score"
    signed: ClassVar[bool] = False

    def passes(self, layers: int, tokens: int) -> Passes:
        """Nothing but the prediction."""
        return Passes(1.0, 0.0)

    def attribute(
        self,
        encoder: Encoder,
        forward: ForwardPass,
        targets: Targets,
        statistics: FeatureStatistics | None = None,
        seed: int = 0,
    ) -> list[Attribution]:
        """Draws a score for every token. See `Method.attribute`."""
        reviews = forward.batch.reviews
        scores = torch.zeros(forward.batch.input_ids.shape)
        for i, review in enumerate(reviews):
            generator = torch.Generator().manual_seed(review.seed(seed))
            scores[i, : len(review)] = torch.rand(len(review), generator=generator)
        return results(self, None, encoder, forward, targets, scores, [None] * len(reviews))
