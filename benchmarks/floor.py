"""The floor of a method's time: the operations of its passes, at the rate of a large matrix product."""

from collections.abc import Callable, Sequence

import torch
from torch import nn

from textiba.methods import Method, ReadoutBottleneck
from textiba.model.view import Model


def forward_operations(model: Model, tokens: int) -> float:
    """The operations of one pass of one text through all layers: 2·m·n·k for each linear layer and attention product.

    Norms, activations, the softmax, the embeddings and the head are not counted.
    """
    linear = sum(
        m.in_features * m.out_features for layer in model.layers for m in layer.modules() if isinstance(m, nn.Linear)
    )
    attention = 2 * tokens * model.module.config.hidden_size * model.n_layers
    return 2.0 * tokens * (linear + attention)


def narrow_operations(model: Model, tokens: int) -> float:
    """The operations that a pass saves in the last layer of a BERT: only the first token goes through the layer.

    No token has a key or a value there: each head attends to the states themselves.
    """
    last = model.layers[-1]
    linear = sum(m.in_features * m.out_features for m in last.modules() if isinstance(m, nn.Linear))
    config = model.module.config
    whole = tokens * (linear + 2 * tokens * config.hidden_size)
    return 2.0 * (whole - linear - 2 * tokens * config.num_attention_heads * config.hidden_size)


def plain_operations(model: Model, tokens: int) -> float:
    """The operations of a pass that gives the logits and all hidden states but the last."""
    return forward_operations(model, tokens) - narrow_operations(model, tokens)


def operations(model: Model, method: Method, lengths: Sequence[int], special: int = 2) -> float:
    """The operations of all passes that a method runs over texts of these lengths, without padding.

    The first pass is a plain pass, and the others start at the method's layer; the readout also reads the last hidden
    state. A backward pass to the activations counts as much as a forward pass. In attention it takes twice as much,
    since both operands of a product need a gradient; so the floor is a little lower than the best reachable time.

    Args:
        model: the model.
        method: gives the number of passes.
        lengths: tokens of each text, special tokens included.
        special: special tokens of each text.
    """
    total = 0.0
    lowest = min(method.at_depth(model.n_layers).layers_used, default=0)
    share = (model.n_layers - lowest) / model.n_layers
    for tokens in lengths:
        passes = method.passes(model.n_layers, tokens - special)
        others = passes.forward - 1 + passes.backward
        whole, narrow = forward_operations(model, tokens), narrow_operations(model, tokens)
        first = whole if isinstance(method, ReadoutBottleneck) else whole - narrow
        total += first + others * (whole - narrow / share)
    return total


def product(rows: int, inner: int, columns: int) -> tuple[Callable[[], object], float]:
    """A function that runs a float32 matrix product, and the product's operations."""
    generator = torch.Generator().manual_seed(0)
    left = torch.randn(rows, inner, generator=generator)
    right = torch.randn(inner, columns, generator=generator)
    out = torch.empty(rows, columns)
    return (lambda: torch.mm(left, right, out=out)), 2.0 * rows * inner * columns
