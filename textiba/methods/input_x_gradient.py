"""Input × gradient."""

from typing import ClassVar

from jaxtyping import Float
from torch import Tensor

from textiba.methods.gradients import GradientMethod, captum_attr
from textiba.model.forward import ForwardPass
from textiba.model.view import Model
from textiba.types import Targets


class InputXGradient(GradientMethod):
    """Gradient times state, summed over a token's features: signed. See `GradientMethod` for the settings.

    Source: Shrikumar, Greenside, Shcherbina, Kundaje 2016 (arXiv 1605.01713).
    """

    name: ClassVar[str] = "input_x_gradient"
    signed: ClassVar[bool] = True

    def _scores(self, model: Model, forward: ForwardPass, targets: Targets, seed: int) -> Float[Tensor, "batch tokens"]:
        state = forward.hidden_states[self.place].detach().requires_grad_(True)
        method = captum_attr().InputXGradient(self._explained(model, forward.batch, targets))
        return method.attribute(state).sum(dim=-1)
