"""Finds the layers of a model by observing one forward pass, without knowledge of model families.

A layer is a *call*, not an entry of a list: ALBERT calls one module L times, Llama calls the first
`config.num_hidden_layers` entries of its list, and many models choose a layer's kind by its index.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from textiba.errors import UnsupportedModelError


@dataclass(frozen=True, slots=True)
class Layers:
    """The place of a model's layers in the module tree, the order of their calls, and the form of their outputs.

    Attributes:
        path: dotted path, from the whole model, of the `nn.ModuleList` that contains the layers.
        calls: for each layer, the name of the called child in the list, in the order of the calls.
        embeddings: dotted path of the module whose output is hidden state 0; None if no such module was found.
        time_first: whether the layers receive and return states [tokens, batch, features] (XLNet).
        forms: for each name in the list, the form of the child's output; None if the output contains more than the
            hidden state.
    """

    path: str
    calls: tuple[str, ...]
    embeddings: str | None
    forms: "Mapping[str, Form | None]"
    time_first: bool = False

    def __len__(self) -> int:
        return len(self.calls)


@dataclass(frozen=True, slots=True)
class Form:
    """The form of a layer's output: the hidden state alone, or a tuple of the hidden state and Nones.

    Attributes:
        length: length of the tuple; 0 for the hidden state alone.
        place: index of the hidden state in the tuple.
    """

    length: int = 0
    place: int = 0

    def wrap(self, state: Tensor) -> Any:
        """Returns an output of this form that contains `state`."""
        return state if not self.length else tuple(state if i == self.place else None for i in range(self.length))


@dataclass(slots=True)
class _Call:
    """One call of a child of a list.

    Attributes:
        name: name of the child in the list.
        given: hidden state among the call's arguments; None if there is none.
        returned: hidden state in the call's output; None if there is none.
        output: the whole output.
    """

    name: str
    given: Tensor | None
    returned: Tensor | None
    output: Any


@torch.no_grad()
def find_layers(module: Any, inputs: Mapping[str, Any]) -> Layers:
    """Finds the layers of a model in one pass with a hook on every child of every `nn.ModuleList`.

    The layers are the children of that list in which the calls receive hidden states 0 … L − 1. If there is no such
    list, for example because the model does not return its hidden states, the layers are the children of a list in
    which each call receives the output of the previous call. Of several such lists, the one with the most parameters is
    chosen.

    Args:
        module: the whole model.
        inputs: the arguments of the model's forward call, in which the number of rows differs from the number of
            tokens, so that the two axes can be told apart.

    Raises:
        UnsupportedModelError: no such list was found.
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
            "input. Models that pool tokens between layers, or that have no module per layer, are not supported. Use "
            "another model"
        )
    _, _, path = max(ranked)
    seen = calls[path]
    first = seen[0].given
    assert first is not None  # noqa: S101 - `_fit` has checked it
    rows, tokens = inputs["input_ids"].shape
    plain = first.shape[:2] == (rows, tokens)  # not padded to a window, and batch first
    embeddings = _embeddings(outputs, path, first) if plain else None
    time_first = first.shape[0] == tokens and first.shape[1] == rows != tokens
    return Layers(path, tuple(call.name for call in seen), embeddings, _forms(seen), time_first)


def hidden_argument(args: Sequence[Any], kwargs: Mapping[str, Any]) -> tuple[str, Any, Tensor | None]:
    """Finds the hidden state in a call's arguments: returns "args" or "kwargs", its index or name there, and the state.

    The hidden state is the first floating-point tensor with three axes. Index and state are None if there is none.
    """
    for where, items in (("args", enumerate(args)), ("kwargs", kwargs.items())):
        for place, value in items:
            if _is_hidden(value):
                return where, place, value
    return "args", None, None


def hidden_in(output: Any) -> Tensor | None:
    """Returns the hidden state in a layer's output: the output itself, or its first part with three axes.

    Returns None if there is no floating-point tensor with three axes.
    """
    if isinstance(output, Tensor):
        return output if _is_hidden(output) else None
    parts = output.values() if isinstance(output, Mapping) else output if isinstance(output, (tuple, list)) else ()
    return next((part for part in parts if _is_hidden(part)), None)


def _is_hidden(value: Any) -> bool:
    return isinstance(value, Tensor) and value.dim() == 3 and value.is_floating_point()


def _fit(seen: Sequence[_Call], states: Sequence[Tensor]) -> int:
    """How well calls fit the layers of a model.

    2 if the calls receive the hidden states that the model returns, 1 if each call receives the output of the previous
    call, 0 otherwise.
    """
    if not seen or any(call.given is None or call.returned is None for call in seen):
        return 0
    if len(seen) == len(states) - 1 and all(_shown(c.given, s) for c, s in zip(seen, states, strict=False)):
        return 2
    return int(all(_same(after.given, before.returned) for before, after in pairwise(seen)))


def _shown(given: Tensor | None, state: Tensor) -> bool:
    """Whether a call received `state`, either unchanged, or padded to a window (Longformer), or time first (XLNet)."""
    assert given is not None  # noqa: S101 - `_fit` has checked it
    return (
        _same(given, state[:, : given.shape[1]])
        or _same(given[:, : state.shape[1]], state)
        or _same(given.transpose(0, 1), state)
    )


def _same(a: Tensor | None, b: Tensor | None) -> bool:
    return a is not None and b is not None and a.shape == b.shape and (a is b or torch.equal(a, b))


def _embeddings(outputs: Mapping[str, Tensor], layers: str, state: Tensor) -> str | None:
    """Returns the path of the outermost module, outside the layers, whose output is hidden state 0."""
    inside = [path for path, out in outputs.items() if path and _same(out, state) and not path.startswith(f"{layers}.")]
    return min(inside, key=lambda path: path.count("."), default=None)


def _forms(seen: Sequence[_Call]) -> dict[str, Form | None]:
    """Returns the form of each layer's output; None if a layer also returns values that other layers may need."""
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
