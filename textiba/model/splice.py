"""Changes on a model's way, made in shallow copies: the model that they are made from stays as it is."""

import copy
from collections.abc import Callable
from typing import Any

from torch import Tensor, nn
from torch.nn import functional

from textiba.model.layers import Family


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


class FirstQuery(nn.Module):
    """Attention of which the first token alone asks: softmax(q₀Kᵀ / √d)V.

    Args:
        attention: self-attention with BERT's signature: `query`, `key`, `value` and `attention_head_size`.
    """

    def __init__(self, attention: Any):
        super().__init__()
        self.query, self.key, self.value = (getattr(attention, name) for name in ("query", "key", "value"))
        self.width = attention.attention_head_size

    def forward(self, hidden: Tensor, attention_mask: Tensor | None = None, **_kwargs: Any) -> tuple[Tensor, None]:
        """[batch, 1, features], and None where weights would be.

        Args:
            hidden: [batch, tokens, features].
            attention_mask: [batch, 1, queries, tokens], true where a token is looked at, or what scores are raised by.
        """
        asking = self._heads(self.query(hidden[:, :1]))
        mask = None if attention_mask is None else attention_mask[:, :, :1]
        return self._found(asking, hidden, mask).transpose(1, 2).flatten(2), None

    def _found(self, asking: Tensor, hidden: Tensor, mask: Tensor | None) -> Tensor:
        """What each head finds [batch, heads, 1, width]."""
        keys, values = self._heads(self.key(hidden)), self._heads(self.value(hidden))
        return functional.scaled_dot_product_attention(asking, keys, values, attn_mask=mask)

    def _heads(self, states: Tensor) -> Tensor:
        return states.unflatten(2, (-1, self.width)).transpose(1, 2)


class FirstQueryOfStates(FirstQuery):
    """The same of plain linear projections, which are moved to where there is one state, not one for each token.

    q₀(HW_Kᵀ + b)ᵀ is (q₀W_K)Hᵀ and a number that all tokens share, which softmax does not see; and as weights add up to
    1, A(HW_Vᵀ + b) = (AH)W_Vᵀ + b. So no token has a key or a value.
    """

    def _found(self, asking: Tensor, hidden: Tensor, mask: Tensor | None) -> Tensor:
        keys, values = (module.weight.unflatten(0, (-1, self.width)) for module in (self.key, self.value))
        # The heads are so many queries to the states themselves, at the scale of a head's width.
        asking, states = (asking @ keys).transpose(1, 2), hidden.unsqueeze(1)
        seen = functional.scaled_dot_product_attention(asking, states, states, attn_mask=mask, scale=self.width**-0.5)
        found = seen.transpose(1, 2) @ values.transpose(1, 2)
        return found if self.value.bias is None else found + self.value.bias.unflatten(0, (-1, 1, self.width))


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


def first_token_only(layer: Any, family: Family) -> Any:
    """A copy of a layer that computes only the first token from self-attention on; the layer itself where it cannot.

    Args:
        layer: of the model; it is not changed.
        family: the names of its modules.
    """
    known = dict(layer.named_modules())
    if family.after_attention not in known:
        return layer
    narrow = exchange(layer, family.after_attention, FirstToken(known[family.after_attention]))
    projections = [known.get(path) for path in family.projections().values()]
    if family.narrow_attention and None not in projections:
        plain = all(type(module) is nn.Linear for module in projections)
        attention = (FirstQueryOfStates if plain else FirstQuery)(known[family.attention])
        narrow = exchange(narrow, family.attention, attention)
    return narrow
