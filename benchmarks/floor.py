"""The least that a method could take: the operations of its passes, at the rate of a large matrix product."""

from collections.abc import Callable, Sequence

import torch
from torch import nn

from textiba.methods import Method, ReadoutBottleneck
from textiba.model.view import Model


def forward_operations(model: Model, tokens: int) -> float:
    """Of one pass of one text through all layers: 2·m·n·k for every linear layer and both products of attention.

    Norms, activations, the softmax, the embeddings and the head are not counted.
    """
    linear = sum(
        m.in_features * m.out_features for layer in model.layers for m in layer.modules() if isinstance(m, nn.Linear)
    )
    attention = 2 * tokens * model.module.config.hidden_size * model.n_layers
    return 2.0 * tokens * (linear + attention)


def narrow_operations(model: Model, tokens: int) -> float:
    """What a pass saves of its last layer, BERT's kind: the first token alone goes through it, and in place of every
    token's key and value each head looks at the states themselves.
    """
    last = model.layers[-1]
    linear = sum(m.in_features * m.out_features for m in last.modules() if isinstance(m, nn.Linear))
    config = model.module.config
    whole = tokens * (linear + 2 * tokens * config.hidden_size)
    return 2.0 * (whole - linear - 2 * tokens * config.num_attention_heads * config.hidden_size)


def plain_operations(model: Model, tokens: int) -> float:
    """Of a pass that gives the logits, and every hidden state but the last."""
    return forward_operations(model, tokens) - narrow_operations(model, tokens)


def operations(model: Model, method: Method, lengths: Sequence[int], special: int = 2) -> float:
    """Of all the passes a method must run over texts of these lengths, without padding.

    The first pass is a plain one, and the others are from the method's layer up; the readout reads the last hidden
    state too. A pass back to the activations counts as much as the pass there. For attention it takes twice as much,
    as both operands of a product need a gradient: the floor is a little lower than what can be reached.

    Args:
        model: the model.
        method: it says how many passes.
        lengths: tokens of each text, special ones included.
        special: how many of them are.
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
    """A float32 matrix product, ready to run, and its operations."""
    generator = torch.Generator().manual_seed(0)
    left = torch.randn(rows, inner, generator=generator)
    right = torch.randn(inner, columns, generator=generator)
    out = torch.empty(rows, columns)
    return (lambda: torch.mm(left, right, out=out)), 2.0 * rows * inner * columns
