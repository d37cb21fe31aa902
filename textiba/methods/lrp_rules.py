"""The rules of layer-wise relevance propagation: makes a copy of a model whose gradients follow these rules.

Every rule is a modified gradient, such that gradient × input equals the relevance; see `textiba.methods.lrp` for the
sources.
"""

from collections.abc import Callable, Hashable, Sequence
from functools import partial
from typing import Any
from weakref import WeakKeyDictionary

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from textiba.errors import UnsupportedModelError
from textiba.model import families
from textiba.model.families import Place
from textiba.model.view import Model

# The share of its gradient that each operand of attention keeps. "uniform" splits relevance evenly at both matrix
# products: softmax(QKᵀ)·V gives one half to V and one half to the attention weights, and QKᵀ splits the latter again.
SHARES = {
    "uniform": {"query": 0.25, "key": 0.25, "value": 0.5},
    "constant": {"query": 0.0, "key": 0.0, "value": 1.0},
}
_Made = Model | UnsupportedModelError  # a model with the rules, or the reason why there is none
_MADE: WeakKeyDictionary[Model, dict[Hashable, _Made]] = WeakKeyDictionary()  # by the original model


def with_rules(model: Model, shares: dict[str, float]) -> Model:
    """Returns a copy of the model whose gradients follow the rules.

    The copy shares the weights' memory. The copy is cached; if the model is refused, the error is cached.

    Raises:
        UnsupportedModelError: a layer lacks modules that the rules need.
    """
    made = _MADE.setdefault(model, {})
    key = (*sorted(shares.items()), str(model.device))  # a copy does not follow its model to another device
    if key not in made:
        try:
            made[key] = model.copy(partial(_exchange_rules, shares=shares))
        except UnsupportedModelError as error:
            made[key] = error
    found = made[key]
    if isinstance(found, UnsupportedModelError):
        raise found.with_traceback(None)
    return found


def has_rules(model: Model) -> bool:
    """Whether LRP's rules can be applied to a model."""
    try:
        with_rules(model, SHARES["uniform"])
    except UnsupportedModelError:
        return False
    return True


def scale_rule(x: Float[Tensor, "..."], share: float) -> Float[Tensor, "..."]:
    """Returns `x` with its gradient times `share`: the uniform rule for a product (AttnLRP, proposition 3.3)."""
    return x.detach() + share * (x - x.detach())


def identity_rule(function: Callable[[Tensor], Tensor], x: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
    """Returns f(x) with gradient f(x)/x, so that relevance passes an elementwise f unchanged (AttnLRP, equation 9)."""
    with torch.no_grad():
        y = function(x)
        slope = torch.where(x == 0, torch.zeros_like(x), y / x)
    return y + slope * (x - x.detach())


def layer_norm_rule(
    x: Float[Tensor, "... features"],
    weight: Float[Tensor, " features"],
    bias: Float[Tensor, " features"] | None,
    eps: float,
) -> Float[Tensor, "... features"]:
    """Layer normalisation whose standard deviation counts as a constant in the gradient (AttnLRP, proposition 3.4)."""
    centred = x - x.mean(dim=-1, keepdim=True)
    std = (centred.square().mean(dim=-1, keepdim=True) + eps).sqrt().detach()
    scaled = centred / std * weight
    return scaled if bias is None else scaled + bias


class _Scaled(nn.Module):
    """Scales the gradient at a projection's output. With n shares, the output has n equal parts, one for each share."""

    def __init__(self, projection: nn.Module, shares: Sequence[float]):
        super().__init__()
        self.projection = projection
        self.shares = shares

    def forward(self, x: Tensor) -> Tensor:
        parts = self.projection(x).chunk(len(self.shares), dim=-1)
        return torch.cat([scale_rule(part, share) for part, share in zip(parts, self.shares, strict=True)], dim=-1)


class _Identity(nn.Module):
    def __init__(self, function: nn.Module):
        super().__init__()
        self.function = function

    def forward(self, x: Tensor) -> Tensor:
        return identity_rule(self.function, x)


class _LayerNorm(nn.Module):
    def __init__(self, norm: nn.LayerNorm):
        super().__init__()
        self.norm = norm

    def forward(self, x: Tensor) -> Tensor:
        return layer_norm_rule(x, self.norm.weight, self.norm.bias, self.norm.eps)


class _TanhRule(TorchFunctionMode):
    """Within this context, applies the identity rule to `torch.tanh`.

    RoBERTa's head calls `torch.tanh` as a function, not as a module.
    """

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return identity_rule(torch.tanh, *args) if func is torch.tanh else func(*args, **(kwargs or {}))


def _exchange_rules(changed: Model, shares: dict[str, float]) -> None:
    """Replaces modules by modules with LRP's rules, in place; `changed` must be a copy.

    Raises:
        UnsupportedModelError: a layer lacks modules that the rules need, and would propagate plain gradients back.
    """
    for number, layer in enumerate(dict.fromkeys(changed.layers)):
        found = families.projections(layer)
        fused = len(found.get("fused", ()))
        counts = [len(found.get(role, ())) for role in ("query", "key", "value")]
        norms = sum(families.is_norm(module) for module in layer.modules())
        active = len(families.activations(layer))
        if families.has_other_terms(layer) or not (
            (counts == [1, 1, 1] and not fused) or (counts == [0, 0, 0] and fused == 1)
        ):
            raise UnsupportedModelError(
                f"lrp needs in each layer one query, one key and one value projection, and no other attention terms; "
                f"layer {number} of {changed.name} has {counts[0]}, {counts[1]} and {counts[2]} with the names "
                f"{sorted(families.PROJECTIONS)}. Merge adapters into the weights, or use another method"
            )
        if not norms or not active:
            raise UnsupportedModelError(
                f"lrp needs in each layer a normalisation module and a Hugging Face activation module; layer {number} "
                f"of {changed.name} has {norms} and {active}. Use another method"
            )
        for role, modules in found.items():
            for place in modules:
                kept = [shares[name] for name in ("query", "key", "value")] if role == "fused" else [shares[role]]
                setattr(place.parent, place.name, _Scaled(place.module, kept))
        for place in list(families.places(layer)):
            if place.name in families.GATED and families.is_linear(place.module):
                _share_gate(place)
    changed.run_within(_TanhRule)
    classes = families.activation_classes()
    for parent in list(changed.module.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, nn.LayerNorm):
                setattr(parent, name, _LayerNorm(child))
            elif families.is_norm(child) or isinstance(child, classes):
                setattr(parent, name, _Identity(child))


def _share_gate(place: Place) -> None:
    """Splits relevance evenly at the product of a gated feed-forward block, act(gate) × up."""
    setattr(place.parent, place.name, _Scaled(place.module, [0.5]))
    if families.GATED[place.name] == "up":
        for name, child in list(place.parent.named_children()):
            if isinstance(child, families.activation_classes()):
                setattr(place.parent, name, nn.Sequential(child, _Scaled(nn.Identity(), [0.5])))
