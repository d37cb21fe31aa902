"""Changes on a model's way, made in shallow copies: the model that they are made from stays as it is."""

import copy
from collections.abc import Callable
from typing import Any

from torch import Tensor, nn

# What is first in a layer once its attention is over: of the two that there are, the one that the layer has.
AFTER_ATTENTION = ("attention.output", "sa_layer_norm")


class Between(nn.Module):
    """Stands in a list of layers, and runs none: passes on what `change` makes of the state that arrives.

    Args:
        change: from hidden state to hidden state [batch, tokens, features].
    """

    def __init__(self, change: Callable[[Tensor], Tensor]):
        super().__init__()
        self.change = change

    def forward(self, hidden: Tensor, *_args: Any, **_kwargs: Any) -> Tensor:
        """`change(hidden)`; masks, and whatever else layers are given, are not looked at."""
        return self.change(hidden)


class Given(nn.Module):
    """Stands in for the embeddings: whatever it is asked, it gives `state`.

    Args:
        state: hidden states [batch, tokens, features].
    """

    def __init__(self, state: Tensor):
        super().__init__()
        self.state = state

    def forward(self, *_args: Any, **_kwargs: Any) -> Tensor:
        """`state`."""
        return self.state


class FirstToken(nn.Module):
    """A module that is given the first token alone of every state; so is whatever comes after it.

    Args:
        module: of one state or more [batch, tokens, features].
    """

    def __init__(self, module: nn.Module):
        super().__init__()
        self.module = module

    def forward(self, *states: Tensor) -> Tensor:
        """[batch, 1, features]."""
        return self.module(*(state[:, :1] for state in states))


def recorder(states: list[Tensor]) -> Between:
    """Appends the state that arrives to `states`, and passes it on."""

    def record(hidden: Tensor) -> Tensor:
        states.append(hidden)
        return hidden

    return Between(record)


def view(model: Any) -> Any:
    """A copy of the module tree in evaluation mode, sharing the tensors' memory, without weight gradients."""
    shared: dict[int, Any] = {id(p): nn.Parameter(p.detach(), requires_grad=False) for p in model.parameters()}
    shared |= {id(b): b for b in model.buffers()}
    return copy.deepcopy(model, shared).eval()


def exchange(module: Any, path: str, new: nn.Module) -> Any:
    """A copy of the containers along the dotted `path` with `new` at its end; `module` stays as it is."""
    name, _, rest = path.partition(".")
    clone = copy.copy(module)
    clone._modules = dict(module._modules)
    clone._modules[name] = exchange(module._modules[name], rest, new) if rest else new
    return clone


def first_token_only(layer: Any) -> Any:
    """A copy of an encoder layer's containers, which goes on with the first token alone once attention is over.

    The layer itself, where none of `AFTER_ATTENTION` is in it.
    """
    known = dict(layer.named_modules())
    path = next((path for path in AFTER_ATTENTION if path in known), None)
    return layer if path is None else exchange(layer, path, FirstToken(known[path]))
