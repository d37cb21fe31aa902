"""The attention weights of every layer."""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from textiba.errors import UnsupportedModelError
from textiba.model.forward import ForwardPass
from textiba.model.view import Model

ATTENTION = "SelfAttention"  # how the names of Hugging Face's attention classes end


@torch.no_grad()
def attention_weights(model: Model, forward: ForwardPass, first: int) -> Float[Tensor, "layers batch tokens tokens"]:
    """What each token (third axis) gives to each (last axis), mean over heads, in layers `first` … L − 1.

    Fused attention never forms these weights, so a copy of the view, which shares its tensors, runs the plain form.

    Raises:
        UnsupportedModelError: not every layer gave its weights.
    """
    plain = model.copy()
    plain.module.set_attn_implementation("eager")
    seen: list[Tensor] = []

    def record(_module: Any, _args: Any, output: Any) -> None:
        if isinstance(output, tuple) and len(output) > 1 and output[1] is not None:
            seen.append(output[1].mean(dim=1))

    for module in plain.module.modules():
        if type(module).__name__.endswith(ATTENTION):
            module.register_forward_hook(record)
    # A change after the last layer, though it changes nothing, is given that layer whole, not its first token alone.
    plain.run_from(forward.batch, first, forward.hidden_states[first], {model.n_layers: lambda state: state})
    if len(seen) != (run := model.n_layers - first):
        raise UnsupportedModelError(
            f"attention weights are read from modules whose class is named …{ATTENTION}, which return them second; of "
            f"the {run} layers of {model.name} that were run, {len(seen)} gave theirs. Use a model with Hugging "
            "Face's own attention, or another method"
        )
    return torch.stack(seen)
