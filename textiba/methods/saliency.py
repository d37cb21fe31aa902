"""Saliency: the norm of the gradient."""

from typing import ClassVar

from jaxtyping import Float
from torch import Tensor

from textiba.methods.gradients import GradientMethod
from textiba.model.forward import ForwardPass
from textiba.model.view import Model
from textiba.types import Targets


class Saliency(GradientMethod):
    """The L2 norm of a token's gradient: unsigned. See `GradientMethod` for the settings.

    Source: Simonyan, Vedaldi, Zisserman, ICLR workshop 2014 (arXiv 1312.6034). The norm and the use on text are from
    Atanasova, Simonsen, Lioma, Augenstein, EMNLP 2020 (arXiv 2009.13295).
    """

    name: ClassVar[str] = "saliency"
    signed: ClassVar[bool] = False

    def _scores(self, model: Model, forward: ForwardPass, targets: Targets, seed: int) -> Float[Tensor, "batch tokens"]:
        return self._gradient(model, forward, targets).norm(dim=-1)
