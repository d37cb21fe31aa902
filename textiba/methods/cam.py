"""Grad-CAM on a transformer: a layer's features are the channels, its tokens the places."""

from typing import ClassVar

from jaxtyping import Float
from pydantic import Field
from torch import Tensor

from textiba.encoder import Encoder
from textiba.forward import ForwardPass
from textiba.methods.gradients import GradientMethod
from textiba.types import Mask, State, Targets


class GradCam(GradientMethod):
    """How much a token's state points along the review's mean gradient, where positive: unsigned.

    At the last layer's output most heads read the first token alone: the mean there is that one token's gradient, and
    the scores only say how alike the others' states are to what the head wants of it. Take a layer below.

    Source: Selvaraju, Cogswell, Das, Vedantam, Parikh, Batra, ICCV 2017 (arXiv 1610.02391).

    Attributes:
        layer: index into hidden_states whose state is explained; 5 is the last but one of a model with 6 layers, so set
            L − 1 for a model with L.
    """

    name: ClassVar[str] = "grad_cam"
    signed: ClassVar[bool] = False

    layer: int = Field(default=5, ge=0)

    def _scores(
        self, encoder: Encoder, forward: ForwardPass, targets: Targets, seed: int
    ) -> Float[Tensor, "batch tokens"]:
        gradient = self._gradient(encoder, forward, targets)
        return grad_cam(forward.hidden[self.layer], gradient, forward.batch.attention_mask)


def grad_cam(state: State, gradient: State, real: Mask) -> Float[Tensor, "batch tokens"]:
    """relu(Σ_c α_c A_tc), with α_c the mean of ∂y / ∂A_tc over the review's tokens; equations 1 and 2 of Grad-CAM.

    Args:
        state: A.
        gradient: ∂y / ∂A.
        real: False on padding, which must not enter the mean.
    """
    places = real.unsqueeze(-1)
    weights = (gradient * places).sum(dim=1, keepdim=True) / places.sum(dim=1, keepdim=True)
    return (weights * state).sum(dim=-1).relu()
