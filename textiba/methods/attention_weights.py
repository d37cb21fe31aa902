"""Reads attention weights from a model's layers."""

import contextlib
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from textiba.errors import UnsupportedModelError
from textiba.model.forward import ForwardPass
from textiba.model.view import Model
from textiba.texts.batches import Batch


@torch.no_grad()
def attention_weights(model: Model, forward: ForwardPass, first: int) -> Float[Tensor, "layers rows tokens tokens"]:
    """Returns the attention weights of layers `first` … L − 1, averaged over heads, with a row for each window.

    Fused attention never computes these weights explicitly. So a copy of the model, which shares the model's
    parameters, runs the "eager" implementation.

    Args:
        model: the model.
        forward: the model's plain pass over the batch.
        first: the first layer to run.

    Returns:
        The weight that each query token (third axis) gives to each key token (last axis).

    Raises:
        UnsupportedModelError: a layer did not return its attention weights.
    """
    plain = model.copy()
    with contextlib.suppress(ValueError, AttributeError):  # without this method, a model has only "eager"
        plain.module.set_attn_implementation("eager")
    rows = forward.batch.rows
    tokens = rows.input_ids.shape[1]

    def record(_module: Any, _args: Any, output: Any) -> None:
        weights = next((part for part in output if _is_weights(part, tokens)), None) if type(output) is tuple else None
        if weights is not None and not any(weights is known for known in recorded):
            recorded.append(weights)

    recorded: list[Tensor] = []
    for layer in dict.fromkeys(plain.layers):
        for module in layer.modules():
            module.register_forward_hook(record)
    # A change after the last layer, even one that changes nothing, makes that layer run for all tokens.
    state = forward.batch.by_window(forward.hidden_states[first])
    plain.run_from(rows, first, state, {model.n_layers: lambda state: state})
    found = [weights.mean(dim=1) for weights in recorded]
    if len(found) != (run := model.n_layers - first):
        raise UnsupportedModelError(
            f"attention weights are read from modules that return them with their output; of the {run} layers of "
            f"{model.name} that were run, {len(found)} returned attention weights. Use another method"
        )
    return torch.stack(found)


def reader_scores(
    model: Model, batch: Batch, matrix: Float[Tensor, "rows tokens tokens"]
) -> Float[Tensor, "batch whole"]:
    """The row of `matrix` for the token that the head reads (first or last), or the mean over all tokens' rows.

    For a text in windows, the result is the mean over its windows; a window gives 0 to the tokens outside it.
    """
    rows = batch.rows
    if model.reads == "first":
        found = matrix[:, 0]
    elif model.reads == "last":
        last = rows.attention_mask.long().cumsum(dim=1).argmax(dim=1)
        found = matrix[torch.arange(len(last), device=last.device), last]
    else:
        attended = rows.attention_mask.unsqueeze(-1).to(matrix.dtype)
        found = (matrix * attended).sum(dim=1) / attended.sum(dim=1)
    if batch.unrolled is not None:
        found = batch.by_text(found) / batch.unrolled.real.sum(dim=1, keepdim=True)
    return batch.by_token(found)


def _is_weights(part: Any, tokens: int) -> bool:
    return isinstance(part, Tensor) and part.dim() == 4 and part.shape[-2:] == (tokens, tokens)
