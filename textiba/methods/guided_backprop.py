"""Guided backpropagation: each activation propagates back only the positive part of the gradient."""

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
    """The L2 norm of a token's guided gradient: unsigned. See `GradientMethod` for the settings.

    Captum's `GuidedBackprop` changes only `torch.nn.ReLU`, so that on a model with GELU its result is the plain
    gradient. Here the same rule (negative gradients are set to 0 at the activation's input) applies to the activation
    modules in each layer, whatever their kind; the pooler and the head keep their plain gradients. With ReLU both
    implementations agree.

    Source: Springenberg, Dosovitskiy, Brox, Riedmiller 2015 (arXiv 1412.6806). The norm and the use on text are from
    Atanasova, Simonsen, Lioma, Augenstein, EMNLP 2020 (arXiv 2009.13295).
    """

    name: ClassVar[str] = "guided_backprop"
    signed: ClassVar[bool] = False

    def _scores(self, model: Model, forward: ForwardPass, targets: Targets, seed: int) -> Float[Tensor, "batch tokens"]:
        with guided(model):
            return self._gradient(model, forward, targets).norm(dim=-1)


@contextmanager
def guided(model: Model) -> Iterator[None]:
    """Applies guided backpropagation to this model within the context, and then removes its hooks, even after an error.

    Raises:
        UnsupportedModelError: a layer has no activation module.
    """
    with ExitStack() as hooks:
        for number, layer in enumerate(dict.fromkeys(model.layers)):
            found: list[Any] = activations(layer)
            if not found:
                raise UnsupportedModelError(
                    f"guided_backprop needs in each layer a Hugging Face activation module; layer {number} of "
                    f"{model.name} has none. Use another method"
                )
            for module in found:
                hooks.callback(module.register_full_backward_hook(_only_positive).remove)
        yield


def _only_positive(_module: Any, below: tuple[Tensor, ...], _above: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """The positive part of the gradient at an activation's input."""
    return tuple(gradient.relu() for gradient in below)
