"""Integrated gradients."""

from typing import ClassVar, Literal

from jaxtyping import Float
from pydantic import Field
from torch import Tensor

from textiba.methods.base import Passes
from textiba.methods.gradients import GradientMethod, captum_attr
from textiba.methods.references import blank_state
from textiba.model.forward import ForwardPass
from textiba.model.view import Model
from textiba.texts.batches import Batch
from textiba.types import State, Targets


class IntegratedGradients(GradientMethod):
    """The integral of the gradient along the straight path from a baseline to the state: signed.

    The integral is computed by Gauss–Legendre quadrature. The scores and the special tokens' part sum to output(state)
    − output(baseline). With the log-probability, the scores equal those of `Evidence(closed="mask")` at layer 0, and
    those of `Evidence(closed="mask", gate_special=True)` at any layer. At hidden layers, the states of [CLS] and [SEP]
    in the text differ from those in the baseline. Integrated gradients move these states along the path too, and the
    special tokens' part is not reported; evidence by default keeps the states of special tokens fixed.

    Source: Sundararajan, Taly, Yan, ICML 2017 (arXiv 1703.01365).

    Attributes:
        baseline: the state that a token has when every content token of the text is [MASK] ("mask") or [PAD] ("pad").
            All these tokens are attended to. RoBERTa gives [PAD] tokens no position numbers, so its "pad" baseline has
            no position information either.
        steps: number of nodes of the quadrature; each costs one forward and one backward pass above `layer`.
    """

    name: ClassVar[str] = "integrated_gradients"
    signed: ClassVar[bool] = True

    baseline: Literal["mask", "pad"] = "mask"
    steps: int = Field(default=20, ge=1, le=1000)

    def _passes(self, layers: int, tokens: int) -> Passes:
        """One forward and one backward pass above the layer for each step; one below it for the baseline."""
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
        """The baseline state; raises `SettingError` if the tokenizer lacks the baseline's token."""
        other = "pad" if self.baseline == "mask" else "mask"
        token = model.special_id(self.baseline, f"baseline='{self.baseline}'", f"baseline='{other}'")
        return blank_state(model, batch, self.place, token)
