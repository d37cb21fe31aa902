"""Guided backpropagation: the gradient, with only its positive part let through each activation."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, ClassVar

from jaxtyping import Float
from torch import Tensor

from textiba.encoder import LAYER_PATHS, Encoder
from textiba.errors import UnsupportedModelError
from textiba.forward import ForwardPass
from textiba.methods.gradients import GradientMethod
from textiba.types import Targets

# How Hugging Face layers name the activation between the two feed-forward maps.
ACTIVATIONS = ("intermediate_act_fn", "activation")


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

    def _scores(
        self, encoder: Encoder, forward: ForwardPass, targets: Targets, seed: int
    ) -> Float[Tensor, "batch tokens"]:
        with guided(encoder):
            return self._gradient(encoder, forward, targets).norm(dim=-1)


@contextmanager
def guided(encoder: Encoder) -> Iterator[None]:
    """Inside, gradients of the encoder's own view of the model are guided; the hooks go whatever happens.

    Raises:
        UnsupportedModelError: a layer has no activation module.
    """
    layers: Any = encoder.model.get_submodule(LAYER_PATHS[encoder.model.config.model_type])
    with ExitStack() as hooks:
        for number, layer in enumerate(layers):
            found = [m for path, m in layer.named_modules() if path.rpartition(".")[2] in ACTIVATIONS]
            if not found:
                raise UnsupportedModelError(
                    f"guided_backprop needs in each layer an activation module named one of {ACTIVATIONS}; "
                    f"layer {number} of {encoder.name} has none. Add its name to textiba.methods.guided.ACTIVATIONS"
                )
            for module in found:
                hooks.callback(module.register_full_backward_hook(_only_positive).remove)
        yield


def _only_positive(_module: Any, below: tuple[Tensor, ...], _above: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """What flows on below an activation."""
    return tuple(gradient.relu() for gradient in below)
