"""Integrated gradients."""

from typing import ClassVar, Literal

from jaxtyping import Float
from pydantic import Field
from torch import Tensor

from textiba.errors import SettingError
from textiba.methods.base import Passes
from textiba.methods.gradients import GradientMethod, captum_attr
from textiba.methods.references import blank_state
from textiba.model.forward import ForwardPass
from textiba.model.view import Model
from textiba.texts.batches import Batch
from textiba.types import State, Targets


class IntegratedGradients(GradientMethod):
    """The gradient integrated on the straight path from a baseline to the state, signed; Gauss–Legendre.

    The scores and the special tokens' share sum to output(state) − output(baseline). With the log-probability this is
    `Evidence(closed="mask")` at layer 0, and at any layer when that gates special tokens too. At hidden layers [CLS]
    and [SEP] differ between state and baseline: here they travel the path too, and take a share that is not reported;
    evidence by default holds them as they are.

    Source: Sundararajan, Taly, Yan, ICML 2017 (arXiv 1703.01365).

    Attributes:
        baseline: the state that a token has when every token of the text is [MASK] or [PAD], all attended to. RoBERTa
            does not number [PAD] tokens, so with "pad" its baseline lacks the places of the tokens as well.
        steps: of the quadrature; each costs one forward and one backward pass above `layer`.
    """

    name: ClassVar[str] = "integrated_gradients"
    signed: ClassVar[bool] = True

    baseline: Literal["mask", "pad"] = "mask"
    steps: int = Field(default=20, ge=1, le=1000)

    def _passes(self, layers: int, tokens: int) -> Passes:
        """A pass there and back above the layer for each step, and the baseline's below it."""
        above = self.steps * (layers - self.place) / layers
        return Passes(1 + self.place / layers + above, above)

    def _scores(self, model: Model, forward: ForwardPass, targets: Targets, seed: int) -> Float[Tensor, "batch tokens"]:
        batch = forward.batch
        method = captum_attr().IntegratedGradients(self._explained(model, batch, targets))
        integrated = method.attribute(
            forward.hidden_states[self.place],
            baselines=self._baseline(model, batch),
            n_steps=self.steps,
            method="gausslegendre",
            internal_batch_size=len(targets),  # one step at a time, so that Captum never repeats the batch
        )
        return integrated.sum(dim=-1)

    def _baseline(self, model: Model, batch: Batch) -> State:
        """The state of the text without its words."""
        token = getattr(model.tokenizer, f"{self.baseline}_token_id")
        if token is None:
            other = "pad" if self.baseline == "mask" else "mask"
            raise SettingError(
                f"baseline='{self.baseline}' needs a tokenizer with a {self.baseline} token; use baseline='{other}'"
            )
        return blank_state(model, batch, self.place, token)
