"""Changes on a model's way, made in shallow copies: the model that they are made from stays as it is."""

import copy
from collections.abc import Callable
from typing import Any

from torch import Tensor, nn


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
