"""Grad-CAM on a transformer: a layer's features are the channels, its tokens the places."""

from typing import ClassVar

from jaxtyping import Float
from torch import Tensor

from textiba.methods.gradients import GradientMethod
from textiba.model.forward import ForwardPass
from textiba.model.view import Model
from textiba.types import Mask, State, Targets


class GradCAM(GradientMethod):
    """How much a token's state points along the text's mean gradient, where positive: unsigned.

    At the last layer's output most heads read the first token alone: the mean there is that one token's gradient, and
    the scores only say how alike the others' states are to what the head wants of it. Take a layer below.

    Source: Selvaraju, Cogswell, Das, Vedantam, Parikh, Batra, ICCV 2017 (arXiv 1610.02391).

    Attributes:
        layer: index into hidden_states whose state is explained; None takes layer L − 1, the input of the last layer.
    """

    name: ClassVar[str] = "grad_cam"
    signed: ClassVar[bool] = False

    def at_depth(self, layers: int) -> "GradCAM":
        """See `Method.at_depth`."""
        return self if self.layer is not None else self.model_copy(update={"layer": layers - 1})

    def _scores(self, model: Model, forward: ForwardPass, targets: Targets, seed: int) -> Float[Tensor, "batch tokens"]:
        gradient = self._gradient(model, forward, targets)
        return grad_cam(forward.hidden_states[self.place], gradient, forward.batch.attention_mask)


def grad_cam(state: State, gradient: State, real: Mask) -> Float[Tensor, "batch tokens"]:
    """relu(Σ_c α_c A_tc), with α_c the mean of ∂y / ∂A_tc over the text's tokens; equations 1 and 2 of Grad-CAM.

    Args:
        state: A.
        gradient: ∂y / ∂A.
        real: False on padding, which must not enter the mean.
    """
    places = real.unsqueeze(-1)
    weights = (gradient * places).sum(dim=1, keepdim=True) / places.sum(dim=1, keepdim=True)
    return (weights * state).sum(dim=-1).relu()
