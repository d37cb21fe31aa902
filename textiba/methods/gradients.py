"""Base class of the gradient baselines: they use the gradient of the target's output with respect to a hidden state.

The gradient baselines are computed with Captum. They explain the state at one layer, by convention the embedding output
(layer 0), and reduce each token's features to one number.
"""

import abc
from collections.abc import Callable
from typing import Any, ClassVar

from jaxtyping import Float
from torch import Tensor

from textiba.attribution import Attribution
from textiba.bottleneck.statistics import FeatureStatistics
from textiba.errors import missing_extra
from textiba.methods.base import LayerMethod, Passes
from textiba.methods.results import results
from textiba.model.forward import ForwardPass
from textiba.model.reading import TargetOutput
from textiba.model.view import Model
from textiba.texts.batches import Batch
from textiba.types import State, Targets


class GradientMethod(LayerMethod, abc.ABC):
    """Base class of the gradient baselines.

    Attributes:
        layer: index into hidden_states of the state that is explained; None takes the embedding output, layer 0.
        output: the target's output that is differentiated: "logit", "log_probability" (nats), "log_odds" (nats) or
            "probability". "auto" takes the log-probability where classes exclude each other (softmax), and the log-odds
            for yes-or-no outcomes and for labels that each have a sigmoid. The gradient of the probability and that of
            the log-probability differ by one factor per text, so both give the same ranking of the tokens if a score
            depends on a single gradient.
    """

    unit: ClassVar[str] = "score"
    needs: ClassVar[str] = "baselines"
    depth: ClassVar[float] = 0.0

    output: TargetOutput = "auto"

    def _passes(self, layers: int, tokens: int) -> Passes:
        """One forward and one backward pass above the layer."""
        above = (layers - self.place) / layers
        return Passes(1 + above, above)

    def _attribute(
        self,
        model: Model,
        forward: ForwardPass,
        targets: Targets,
        statistics: FeatureStatistics | None,
        seed: int,
    ) -> list[Attribution]:
        """Scores all texts of the batch; see `Method.attribute`.

        Raises:
            MissingExtraError: Captum is not installed.
        """
        scores = self._scores(model, forward, targets, seed)
        scores = forward.batch.by_token(scores)
        return results(self, self.place, model, forward, targets, scores, [None] * len(targets))

    @abc.abstractmethod
    def _scores(self, model: Model, forward: ForwardPass, targets: Targets, seed: int) -> Float[Tensor, "batch tokens"]:
        """Returns a score for every token; `results` drops the scores of special tokens and padding."""

    def _explained(self, model: Model, batch: Batch, targets: Targets) -> Callable[[Tensor], Tensor]:
        """The function that Captum differentiates, from a state [batch, tokens, features] to an output [batch]."""

        def output(state: State) -> Float[Tensor, " batch"]:
            return model.target_output(model.run_from(batch, self.place, state), targets, self.output)

        return output

    def _gradient(self, model: Model, forward: ForwardPass, targets: Targets) -> State:
        """Returns ∂ output / ∂ state."""
        saliency = captum_attr().Saliency(self._explained(model, forward.batch, targets))
        return saliency.attribute(forward.hidden_states[self.place].detach().requires_grad_(True), abs=False)


def captum_attr() -> Any:
    """Returns Captum's module of attribution methods, imported lazily because the import takes seconds.

    Raises:
        MissingExtraError: Captum is not installed.
    """
    try:
        from captum import attr
    except ImportError:
        raise missing_extra("captum", "baselines") from None
    return attr
