"""Module names inside a layer, for the few methods that need them. All other code needs no module names.

To add a model family to `lrp`, add the names of its projections here. `lrp` refuses a model if a layer has no
projections with these names.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from torch import nn

# Role of each linear projection of self-attention, by name. A fused projection returns queries, keys and values.
PROJECTIONS: Mapping[str, str] = {
    "query": "query", "q_lin": "query", "q_proj": "query", "q": "query",
    "key": "key", "k_lin": "key", "k_proj": "key", "k": "key",
    "value": "value", "v_lin": "value", "v_proj": "value", "v": "value",
    "c_attn": "fused", "Wqkv": "fused",
}  # fmt: skip
# Projections of a gated feed-forward block, act(gate) × up, by name: "up", or "both" for gate and up in one.
GATED: Mapping[str, str] = {"up_proj": "up", "Wi": "both"}
# Names in attention blocks that have terms besides queries, keys and values; LRP's rules do not hold for these.
OTHER_TERMS = ("query_proj", "pos_key_proj", "rel_embeddings", "r_w_bias")


@dataclass(frozen=True, slots=True)
class Place:
    """A submodule and its place in the module tree: `parent._modules[name]`."""

    parent: nn.Module
    name: str
    module: nn.Module


def places(layer: nn.Module) -> Iterator[Place]:
    """Yields every submodule of a layer with its parent."""
    for parent in list(layer.modules()):
        for name, child in list(parent.named_children()):
            yield Place(parent, name, child)


def projections(layer: nn.Module) -> dict[str, list[Place]]:
    """Returns the projections of a layer's self-attention by role: "query", "key", "value" or "fused"."""
    found: dict[str, list[Place]] = {}
    for place in places(layer):
        if place.name in PROJECTIONS and is_linear(place.module):
            found.setdefault(PROJECTIONS[place.name], []).append(place)
    return found


def has_other_terms(layer: nn.Module) -> bool:
    """Whether a layer's attention has terms besides queries, keys and values (DeBERTa, XLNet)."""
    names = {path.rpartition(".")[2] for path, _ in layer.named_modules()}
    names |= {path.rpartition(".")[2] for path, _ in layer.named_parameters()}
    return any(name in names for name in OTHER_TERMS)


def is_linear(module: nn.Module) -> bool:
    """Whether a module is a plain linear map: torch's `Linear`, or GPT-2's `Conv1D`."""
    return type(module) is nn.Linear or type(module).__name__ == "Conv1D"


def is_norm(module: nn.Module) -> bool:
    """Whether a module is a layer normalisation.

    A layer normalisation divides by the standard deviation, or by the root mean square, of the features.
    """
    return isinstance(module, nn.LayerNorm | nn.RMSNorm) or type(module).__name__.endswith("RMSNorm")


def activation_classes() -> tuple[type, ...]:
    """The classes of Hugging Face's activation modules."""
    from transformers.activations import ACT2CLS  # lazily: the import takes a second

    return tuple({entry[0] if isinstance(entry, tuple) else entry for entry in ACT2CLS.values()})


def activations(layer: Any) -> list[nn.Module]:
    """The activation modules of a layer."""
    classes = activation_classes()
    return [module for module in layer.modules() if isinstance(module, classes)]
