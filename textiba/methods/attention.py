"""The last layer's attention weights as scores."""

from typing import ClassVar

from textiba.attribution import Attribution
from textiba.bottleneck.statistics import FeatureStatistics
from textiba.methods.attention_weights import attention_weights, reader_scores
from textiba.methods.base import Method, Passes
from textiba.methods.results import results
from textiba.model.forward import ForwardPass
from textiba.model.view import Model
from textiba.types import Targets


class Attention(Method):
    """The last layer's attention to each token, averaged over heads. The scores do not depend on the target.

    The query is the token that the classification head reads: the first token ([CLS]) or the last. Where the head reads
    all tokens, the score is the mean over all queries.
    """

    name: ClassVar[str] = "attention"
    unit: ClassVar[str] = "score"
    signed: ClassVar[bool] = False

    def _passes(self, layers: int, tokens: int) -> Passes:
        """The plain pass, and a pass through the last layer with an implementation that returns attention weights."""
        return Passes(1 + 1 / layers, 0.0)

    def _attribute(
        self,
        model: Model,
        forward: ForwardPass,
        targets: Targets,
        statistics: FeatureStatistics | None,
        seed: int,
    ) -> list[Attribution]:
        """Reads the attention weights; `seed` is not used. See `Method.attribute`."""
        [weights] = attention_weights(model, forward, model.n_layers - 1)
        scores = reader_scores(model, forward.batch, weights)
        return results(self, None, model, forward, targets, scores, [None] * len(scores))
