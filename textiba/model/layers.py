"""Finds the layers of a model by watching one pass: nothing about a model family is written down here.

A layer is a *call*, not an entry of a list: ALBERT calls one module L times, Llama calls the first
`config.num_hidden_layers` entries of its list, and many models choose a layer's kind by its index.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from textiba.errors import UnsupportedModelError


@dataclass(frozen=True, slots=True)
class Layers:
    """Where a model's layers are, and how their calls pass the hidden state on.

    Attributes:
        path: of the `nn.ModuleList` that holds them, from the whole model.
        calls: the name in the list of each call, in the order of the calls: one call a layer.
        embeddings: path of the module whose output is hidden state 0, where one was seen; else None.
        forms: for each name in the list, how its output holds the hidden state; see `Form`.
    """

    path: str
    calls: tuple[str, ...]
    embeddings: str | None
    forms: "Mapping[str, Form | None]"

    def __len__(self) -> int:
        return len(self.calls)


@dataclass(frozen=True, slots=True)
class Form:
    """The form of a layer's output: the hidden state alone, or a tuple with the hidden state in it and Nones.

    Attributes:
        length: of the tuple; 0 for the hidden state alone.
        place: of the hidden state in the tuple.
    """

    length: int = 0
    place: int = 0

    def wrap(self, state: Tensor) -> Any:
        """A layer's output that holds this hidden state and nothing else."""
        return state if not self.length else tuple(state if i == self.place else None for i in range(self.length))


@dataclass(slots=True)
class _Call:
    """One call of a child of a list: the hidden states that went in and came out, and the whole output."""

    name: str
    given: Tensor | None
    returned: Tensor | None
    output: Any


@torch.no_grad()
def find_layers(module: Any, inputs: Mapping[str, Any]) -> Layers:
    """The layers of a model, found in one pass with a hook on every child of every `nn.ModuleList`.

    The layers are the children of the list whose calls get hidden states 0 … L−1; where the model does not return its
    hidden states, the list in which each call gets what the call before it returned. Of several such lists the one
    with the most parameters is taken.

    Args:
        module: the whole model.
        inputs: what it is called with.

    Raises:
        UnsupportedModelError: there is no such list.
    """
    lists = {path: m for path, m in module.named_modules() if isinstance(m, nn.ModuleList) and len(m)}
    calls: dict[str, list[_Call]] = {path: [] for path in lists}
    outputs: dict[str, Tensor] = {}
    hooks = []
    for path, children in lists.items():
        for name, child in children.named_children():

            def saw(_m: Any, args: Any, kwargs: Any, out: Any, path: str = path, name: str = name) -> None:
                given = hidden_argument(args, kwargs)[2]
                calls[path].append(_Call(name, given, hidden_in(out), out))

            hooks.append(child.register_forward_hook(saw, with_kwargs=True))
    for path, child in module.named_modules():

        def kept(_m: Any, _args: Any, out: Any, path: str = path) -> None:
            if isinstance(out, Tensor) and out.dim() == 3:
                outputs[path] = out

        hooks.append(child.register_forward_hook(kept))
    try:
        states = getattr(module(**inputs, output_hidden_states=True), "hidden_states", None) or ()
    finally:
        for hook in hooks:
            hook.remove()
    sizes = {path: sum(p.numel() for p in found.parameters()) for path, found in lists.items()}
    ranked = [(_fit(seen, states), sizes[path], path) for path, seen in calls.items() if _fit(seen, states)]
    if not ranked:
        raise UnsupportedModelError(
            f"{type(module).__name__}: no list of layers was found in which each layer's output is the next layer's "
            "input. Models that pool tokens between layers, or that have no module per layer, cannot be entered at a "
            "layer"
        )
    _, _, path = max(ranked)
    seen = calls[path]
    first = seen[0].given
    plain = first is not None and first.shape[:2] == inputs["input_ids"].shape  # neither padded nor time first
    embeddings = _embeddings(outputs, path, first) if plain else None
    return Layers(path, tuple(call.name for call in seen), embeddings, _forms(seen))


def hidden_argument(args: Sequence[Any], kwargs: Mapping[str, Any]) -> tuple[str, Any, Tensor | None]:
    """The hidden state among a call's arguments: "args" or "kwargs", its place there, and the state.

    It is the first floating-point tensor with three axes; None where there is none.
    """
    for where, items in (("args", enumerate(args)), ("kwargs", kwargs.items())):
        for place, value in items:
            if _is_hidden(value):
                return where, place, value
    return "args", None, None


def hidden_in(output: Any) -> Tensor | None:
    """The hidden state in a layer's output: the output itself, or the first of its parts with three axes."""
    if isinstance(output, Tensor):
        return output if _is_hidden(output) else None
    parts = output.values() if isinstance(output, Mapping) else output if isinstance(output, (tuple, list)) else ()
    return next((part for part in parts if _is_hidden(part)), None)


def _is_hidden(value: Any) -> bool:
    return isinstance(value, Tensor) and value.dim() == 3 and value.is_floating_point()


def _fit(seen: Sequence[_Call], states: Sequence[Tensor]) -> int:
    """2 where the calls get the hidden states that the model returns, 1 where they chain, 0 where neither."""
    if not seen or any(call.given is None or call.returned is None for call in seen):
        return 0
    if len(seen) == len(states) - 1 and all(_shown(c.given, s) for c, s in zip(seen, states, strict=False)):
        return 2
    return int(all(_same(after.given, before.returned) for before, after in zip(seen, seen[1:], strict=False)))


def _shown(given: Tensor | None, state: Tensor) -> bool:
    """Whether a call got this hidden state: as it is, padded to a window (Longformer), or time first (XLNet)."""
    assert given is not None  # noqa: S101 - `_fit` has looked
    return (
        _same(given, state[:, : given.shape[1]])
        or _same(given[:, : state.shape[1]], state)
        or _same(given.transpose(0, 1), state)
    )


def _same(a: Tensor | None, b: Tensor | None) -> bool:
    return a is not None and b is not None and a.shape == b.shape and (a is b or torch.equal(a, b))


def _embeddings(outputs: Mapping[str, Tensor], layers: str, state: Tensor | None) -> str | None:
    """The outermost module, outside the layers, whose output is hidden state 0."""
    inside = [path for path, out in outputs.items() if path and _same(out, state) and not path.startswith(layers)]
    return min(inside, key=lambda path: path.count("."), default=None)


def _forms(seen: Sequence[_Call]) -> dict[str, Form | None]:
    """The form of each layer's output; None where a layer also returns something that others may need."""
    forms: dict[str, Form | None] = {}
    for call in seen:
        form: Form | None = None
        if isinstance(call.output, Tensor):
            form = Form()
        elif type(call.output) is tuple:
            place = next(i for i, part in enumerate(call.output) if part is call.returned)
            if all(part is None for i, part in enumerate(call.output) if i != place):
                form = Form(len(call.output), place)
        forms[call.name] = form if forms.get(call.name, form) == form else None
    return forms
