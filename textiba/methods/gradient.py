"""The gradient, summed over features."""

from typing import ClassVar

from jaxtyping import Float
from torch import Tensor

from textiba.methods.gradients import GradientMethod
from textiba.model.forward import ForwardPass
from textiba.model.view import Model
from textiba.types import Targets


class Gradient(GradientMethod):
    """The gradient summed over a token's features: signed. See `GradientMethod` for the settings."""

    name: ClassVar[str] = "gradient"
    signed: ClassVar[bool] = True

    def _scores(self, model: Model, forward: ForwardPass, targets: Targets, seed: int) -> Float[Tensor, "batch tokens"]:
        return self._gradient(model, forward, targets).sum(dim=-1)
