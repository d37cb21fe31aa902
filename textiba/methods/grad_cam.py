"""Grad-CAM on a transformer: a layer's features are the channels, and its tokens are the spatial positions."""

from typing import ClassVar

from jaxtyping import Float
from torch import Tensor

from textiba.methods.gradients import GradientMethod
from textiba.model.forward import ForwardPass
from textiba.model.view import Model
from textiba.types import Mask, State, Targets


class GradCAM(GradientMethod):
    """The dot product of a token's state and the text's mean gradient, with negative values set to 0: unsigned.

    Choose a layer below the last. Most heads read only the first token of the last layer's output. The mean gradient
    there is the first token's gradient divided by the number of tokens, and the scores of the other tokens say only how
    similar their states are to this gradient.

    Source: Selvaraju, Cogswell, Das, Vedantam, Parikh, Batra, ICCV 2017 (arXiv 1610.02391).

    Attributes:
        layer: index into hidden_states of the state that is explained; None takes layer L − 1, the input of the last
            layer.
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
    """Returns relu(Σ_c α_c A_tc). α_c is the mean of ∂y / ∂A_tc over the text's tokens t (Grad-CAM, equations 1, 2).

    Args:
        state: A.
        gradient: ∂y / ∂A.
        real: False on padding, which is left out of the mean.
    """
    places = real.unsqueeze(-1)
    weights = (gradient * places).sum(dim=1, keepdim=True) / places.sum(dim=1, keepdim=True)
    return (weights * state).sum(dim=-1).relu()
