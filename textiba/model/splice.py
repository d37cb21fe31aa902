"""Runs a model with some of its layers' calls skipped, entered with a given state, changed, recorded or stopped.

All happens in a shallow copy of the containers that lead to the layers: the model itself stays as it is. The list of
layers keeps its length, and the model's own code makes masks and positions, loops over the layers and runs the head.
"""

import copy
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from textiba.model.layers import Layers, hidden_argument, hidden_in
from textiba.types import State

Change = Callable[[State], State]


class Stopped(Exception):  # noqa: N818 - it is no error
    """The state at the last layer that was asked for has been recorded; the rest of the model need not run."""


@dataclass
class Plan:
    """What happens on the way through the layers of one pass.

    Attributes:
        batch: rows of the batch.
        tokens: its padded length.
        enter: the layer at which `state` takes the place of the state that arrives; None runs from the start.
        state: [batch, tokens, features].
        changes: {l: change}: at layer l, `change(arriving)` takes the place of the state that arrives.
        record: whether the states that arrive are kept in `states`.
        stop: the layer whose arriving state is the last that is needed; the pass ends there with `Stopped`.
        last: a module to run in place of the last layer; None runs the layer itself.
        states: what was recorded, from the first layer that ran.
    """

    batch: int
    tokens: int
    enter: int | None = None
    state: State | None = None
    changes: Mapping[int, Change] = field(default_factory=dict)
    record: bool = False
    stop: int | None = None
    last: nn.Module | None = None
    states: list[State] = field(default_factory=list)


def run(module: Any, layers: Layers, inputs: Mapping[str, Any], plan: Plan) -> Any:
    """The output of the model, run by a plan.

    Args:
        module: the whole model.
        layers: where its layers are.
        inputs: what it is called with.
        plan: what happens at each layer.

    Raises:
        Stopped: `plan.stop` was reached.
    """
    passing = _Passing(layers, plan)
    children: Any = module.get_submodule(layers.path)
    made: dict[int, nn.Module] = {}  # one module may stand in the list more than once
    for name, layer in children.named_children():
        if id(layer) not in made:
            made[id(layer)] = _called(layer, partial(passing, layer, name))
    shallow = exchange(module, layers.path, nn.ModuleList(made[id(layer)] for layer in children))
    if plan.enter is not None and plan.state is not None and layers.embeddings is not None:
        shallow = exchange(shallow, layers.embeddings, Given(plan.state))
    return shallow(**inputs)


class _Passing:
    """Counts the calls of layers, and does at each what the plan says."""

    def __init__(self, layers: Layers, plan: Plan):
        self._layers, self._plan = layers, plan
        self._number = -1

    def __call__(self, layer: nn.Module, name: str, *args: Any, **kwargs: Any) -> Any:
        self._number += 1
        plan, number = self._plan, self._number
        where, place, arriving = hidden_argument(args, kwargs)
        assert arriving is not None  # noqa: S101 - `find_layers` has seen one in every call
        if plan.enter is not None and number < plan.enter:
            form = self._layers.forms[name]
            if form is not None:
                output = form.wrap(arriving)
            else:  # what it returns beside the state is needed further up
                with torch.no_grad():
                    output = layer(*args, **kwargs)
            return output if number < len(self._layers) - 1 else self._leave(output)
        entering = self._arrive(number, arriving)
        if entering is not arriving:
            if where == "args":
                args = (*args[:place], entering, *args[place + 1 :])
            else:
                kwargs = {**kwargs, place: entering}
        if number < len(self._layers) - 1:
            return layer(*args, **kwargs)
        if plan.last is not None:
            return plan.last(*args, **kwargs)
        return self._leave(layer(*args, **kwargs))

    def _leave(self, output: Any) -> Any:
        """The output of the last layer, with the state at L recorded or changed."""
        returned = hidden_in(output)
        assert returned is not None  # noqa: S101 - `find_layers` has seen one in every output
        leaving = self._arrive(len(self._layers), returned)
        if leaving is returned:
            return output
        if isinstance(output, Tensor):
            return leaving
        if isinstance(output, Mapping):
            return type(output)(**{k: leaving if v is returned else v for k, v in output.items()})
        return type(output)(leaving if part is returned else part for part in output)

    def _arrive(self, number: int, arriving: Tensor) -> Tensor:
        plan = self._plan
        if number == plan.enter and plan.state is not None:
            arriving = _placed(plan.state, arriving)
        if number in plan.changes:
            arriving = _placed(plan.changes[number](_taken(arriving, plan)), arriving)
        if plan.record:
            plan.states.append(_taken(arriving, plan))
        if number == plan.stop:
            raise Stopped
        return arriving


def _placed(state: State, arriving: Tensor) -> Tensor:
    """`state` in the layers' own form: in their type, time first (XLNet), or padded to a window (Longformer)."""
    state = state.to(arriving.dtype)
    if arriving.shape[:2] == state.shape[1::-1] and state.shape[0] != state.shape[1]:
        return state.transpose(0, 1)
    return torch.cat([state, arriving[:, state.shape[1] :]], 1) if arriving.shape[1] > state.shape[1] else state


def _taken(arriving: Tensor, plan: Plan) -> State:
    """The state that arrives, as [batch, tokens, features]."""
    if arriving.shape[0] == plan.tokens != plan.batch and arriving.shape[1] == plan.batch:
        arriving = arriving.transpose(0, 1)
    return arriving[:, : plan.tokens]


class Given(nn.Module):
    """Stands in for the embeddings: returns `state` whatever it is called with.

    Args:
        state: hidden states [batch, tokens, features].
    """

    def __init__(self, state: Tensor):
        super().__init__()
        self.state = state

    def forward(self, *_args: Any, **_kwargs: Any) -> Tensor:
        """`state`."""
        return self.state


def _called(layer: nn.Module, forward: Callable[..., Any]) -> nn.Module:
    """A copy of a layer, with all its attributes, whose call is `forward`; hooks stay with the layer itself."""
    clone = copy.copy(layer)
    for hooks in ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks"):
        clone.__dict__[hooks] = OrderedDict()
    clone.__dict__["forward"] = forward  # an instance's own attribute comes before its class's
    return clone


def exchange(module: Any, path: str, new: nn.Module) -> Any:
    """A copy of the containers along the dotted `path` with `new` at its end; `module` stays as it is."""
    name, _, rest = path.partition(".")
    clone = copy.copy(module)
    clone._modules = dict(module._modules)
    clone._modules[name] = exchange(module._modules[name], rest, new) if rest else new
    return clone


def view(module: Any) -> Any:
    """A copy of the module tree in evaluation mode, which shares the tensors' memory and asks for no gradients."""
    shared: dict[int, Any] = {id(p): nn.Parameter(p.detach(), requires_grad=False) for p in module.parameters()}
    shared |= {id(b): b for b in module.buffers()}
    return copy.deepcopy(module, shared).eval()
