"""Guided backpropagation: the gradient, with only its positive part let through each activation."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, ClassVar

from jaxtyping import Float
from torch import Tensor

from textiba.errors import UnsupportedModelError
from textiba.methods.gradients import GradientMethod
from textiba.model.families import activations
from textiba.model.forward import ForwardPass
from textiba.model.view import Model
from textiba.types import Targets


class GuidedBackprop(GradientMethod):
    """The L2 norm over a token's features of the guided gradient: unsigned. See `GradientMethod` for the settings.

    Captum's class of that name touches `torch.nn.ReLU` alone, and equals the plain gradient on a model with GELU. Its
    rule (a gradient that has come back through the activation is set to 0 where it is negative) is applied here to the
    activation in each layer's feed-forward block, whatever its kind; pooler and head are left alone. With ReLU the two
    agree.

    Source: Springenberg, Dosovitskiy, Brox, Riedmiller 2015 (arXiv 1412.6806); on text, and by norm, Atanasova,
    Simonsen, Lioma, Augenstein, EMNLP 2020 (arXiv 2009.13295).
    """

    name: ClassVar[str] = "guided_backprop"
    signed: ClassVar[bool] = False

    def _scores(self, model: Model, forward: ForwardPass, targets: Targets, seed: int) -> Float[Tensor, "batch tokens"]:
        with guided(model):
            return self._gradient(model, forward, targets).norm(dim=-1)


@contextmanager
def guided(model: Model) -> Iterator[None]:
    """Within the context, gradients of this view of the model are guided. The hooks are removed in any case.

    Raises:
        UnsupportedModelError: a layer has no activation module.
    """
    with ExitStack() as hooks:
        for number, layer in enumerate(dict.fromkeys(model.layers)):
            found: list[Any] = activations(layer)
            if not found:
                raise UnsupportedModelError(
                    f"guided_backprop needs in each layer an activation module of Hugging Face's; layer {number} of "
                    f"{model.name} has none. Use another method"
                )
            for module in found:
                hooks.callback(module.register_full_backward_hook(_only_positive).remove)
        yield


def _only_positive(_module: Any, below: tuple[Tensor, ...], _above: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """What flows on below an activation."""
    return tuple(gradient.relu() for gradient in below)
