"""Random scores: the baseline that any method must beat."""

from typing import ClassVar

import torch

from textiba.attribution import Attribution
from textiba.bottleneck.statistics import FeatureStatistics
from textiba.methods.base import Method, Passes
from textiba.methods.results import results
from textiba.model.forward import ForwardPass
from textiba.model.view import Model
from textiba.types import Targets


class Random(Method):
    """Scores drawn uniformly from 0 … 1; each text has its own seed."""

    name: ClassVar[str] = "random"
    unit: ClassVar[str] = "score"
    signed: ClassVar[bool] = False

    def _passes(self, layers: int, tokens: int) -> Passes:
        """Only the plain forward pass."""
        return Passes(1.0, 0.0)

    def _attribute(
        self,
        model: Model,
        forward: ForwardPass,
        targets: Targets,
        statistics: FeatureStatistics | None,
        seed: int,
    ) -> list[Attribution]:
        """Draws a score for every token. See `Method.attribute`."""
        texts = forward.batch.texts
        scores = torch.zeros(len(texts), max(map(len, texts)))
        for i, text in enumerate(texts):
            generator = torch.Generator().manual_seed(text.seed(seed))
            scores[i, : len(text)] = torch.rand(len(text), generator=generator)
        return results(self, None, model, forward, targets, scores, [None] * len(texts))
