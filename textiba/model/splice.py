"""Runs a model by a plan: at chosen layers, the hidden state is replaced, changed or recorded, or the run ends.

The run uses a shallow copy of the containers around the layers, so the model itself is not changed. The list of layers
keeps its length. The model's own code makes masks and positions, loops over the layers and runs the head.
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
from textiba.model.torch_state import own_torch_state
from textiba.types import State, at_least_float32

Change = Callable[[State], State]


class Stopped(Exception):  # noqa: N818 - not an error
    """Ends a run early, once the hidden state at `Plan.stop` has been recorded."""


@dataclass
class Plan:
    """The changes that one run makes at the layers.

    The state that *arrives* at layer l < L is the input of layer l. The state that arrives at L is the last layer's
    output.

    Attributes:
        tokens: number of tokens of each row, padding included.
        enter: the layer at which `state` replaces the arriving state; layers below are skipped. None runs all layers.
        state: the state that replaces the arriving state at `enter` [batch, tokens, features].
        changes: {l: change}: at layer l, `change(arriving)` replaces the arriving state.
        record: whether to append each arriving state to `states`.
        stop: the layer at which the run ends; `Stopped` is raised once the state that arrives there has been recorded.
        last: a module to run in place of the last layer; None runs the layer itself.
        states: the recorded states, from the first layer that ran.
    """

    tokens: int
    enter: int | None = None
    state: State | None = None
    changes: Mapping[int, Change] = field(default_factory=dict)
    record: bool = False
    stop: int | None = None
    last: nn.Module | None = None
    states: list[State] = field(default_factory=list)


def run(module: Any, layers: Layers, inputs: Mapping[str, Any], plan: Plan) -> Any:
    """Runs a model by a plan, and returns the model's output.

    Args:
        module: the whole model.
        layers: the place of the model's layers.
        inputs: the arguments of the model's forward call.
        plan: the changes at each layer.

    Raises:
        Stopped: `plan.stop` was reached.
    """
    executor = _Executor(layers, plan)
    children: Any = module.get_submodule(layers.path)
    made: dict[int, nn.Module] = {}  # one module may be several entries of the list
    for name, layer in children.named_children():
        if id(layer) not in made:
            made[id(layer)] = _called(layer, partial(executor, layer, name))
    shallow = exchange(module, layers.path, nn.ModuleList(made[id(layer)] for layer in children))
    if plan.enter is not None and plan.state is not None and layers.embeddings is not None:
        shallow = exchange(shallow, layers.embeddings, Given(plan.state))
    return shallow(**inputs)


class _Executor:
    """Counts the calls of layers, and carries out the plan at each call."""

    def __init__(self, layers: Layers, plan: Plan):
        self._layers, self._plan = layers, plan
        self._number = -1

    def __call__(self, layer: nn.Module, name: str, *args: Any, **kwargs: Any) -> Any:
        self._number += 1
        plan, number = self._plan, self._number
        where, place, arriving = hidden_argument(args, kwargs)
        assert arriving is not None  # noqa: S101 - `find_layers` saw a hidden state in every call
        if plan.enter is not None and number < plan.enter:
            form = self._layers.forms[name]
            if form is not None:
                output = form.wrap(arriving)
            else:  # layers above need the other parts of this layer's output
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
        """Records or changes the state at L, and returns the last layer's output with this state."""
        returned = hidden_in(output)
        assert returned is not None  # noqa: S101 - `find_layers` saw a hidden state in every output
        leaving = self._arrive(len(self._layers), returned)
        if leaving is returned:
            return output
        if isinstance(output, Tensor):
            return leaving
        if isinstance(output, Mapping):
            return type(output)(**{k: leaving if v is returned else v for k, v in output.items()})
        return type(output)(leaving if part is returned else part for part in output)

    def _arrive(self, number: int, arriving: Tensor) -> Tensor:
        """Carries out the plan for the state that arrives at layer `number`; returns the state to continue with."""
        plan = self._plan
        if number == plan.enter and plan.state is not None:
            arriving = self._placed(plan.state, arriving)
        if number in plan.changes:
            arriving = self._placed(plan.changes[number](self._taken(arriving)), arriving)
        if plan.record:
            plan.states.append(self._taken(arriving))
        if number == plan.stop:
            raise Stopped
        return arriving

    def _placed(self, state: State, arriving: Tensor) -> Tensor:
        """Returns `state` in the form of `arriving`: its type, time first (XLNet), padded to a window (Longformer)."""
        state = state.to(arriving.dtype)
        if self._layers.time_first:
            return state.transpose(0, 1)
        return torch.cat([state, arriving[:, state.shape[1] :]], 1) if arriving.shape[1] > state.shape[1] else state

    def _taken(self, arriving: Tensor) -> State:
        """Returns the arriving state as [batch, tokens, features]: batch first, without padding to a window."""
        return (arriving.transpose(0, 1) if self._layers.time_first else arriving)[:, : self._plan.tokens]


class Given(nn.Module):
    """Replaces the embeddings: returns `state` for any input.

    Args:
        state: hidden states [batch, tokens, features].
    """

    def __init__(self, state: Tensor):
        super().__init__()
        self.state = state

    def forward(self, *_args: Any, **_kwargs: Any) -> Tensor:
        """Returns `state`."""
        return self.state


def in_float32(change: Change, arriving: State) -> State:
    """Calls `change` with float32 or float64, and returns its result in the type of the weights."""
    return change(at_least_float32(arriving)).to(arriving.dtype)


def _called(layer: nn.Module, forward: Callable[..., Any]) -> nn.Module:
    """Returns a copy of a layer whose forward is `forward`. The copy has the layer's attributes but not its hooks."""
    clone = copy.copy(layer)
    for hooks in ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks"):
        clone.__dict__[hooks] = OrderedDict()
    clone.__dict__["forward"] = forward  # an instance attribute takes precedence over the class's method
    return clone


def exchange(module: Any, path: str, new: nn.Module) -> Any:
    """Returns a shallow copy of `module` in which `new` replaces the submodule at the dotted `path`.

    Only the containers along `path` are copied. `module` is not changed.
    """
    name, _, rest = path.partition(".")
    clone = copy.copy(module)
    clone._modules = dict(module._modules)
    clone._modules[name] = exchange(module._modules[name], rest, new) if rest else new
    return clone


def _usable(tensor: Tensor) -> Tensor:
    return tensor.clone() if tensor.is_inference() else tensor


@own_torch_state()
def view(module: Any) -> Any:
    """Returns a copy of the module tree in evaluation mode, with shared weights that require no gradients.

    No gradient passes through weights that were made inside `torch.inference_mode`, so such weights are copied.
    """
    shared: dict[int, Any] = {
        id(p): nn.Parameter(_usable(p.detach()), requires_grad=False) for p in module.parameters()
    }
    shared |= {id(b): _usable(b) for b in module.buffers()}
    return copy.deepcopy(module, shared).eval()
