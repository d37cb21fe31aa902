"""The last layer computed for the first token alone, where the head reads no other: most of its work is then saved.

Whether a head reads the first token alone is tried out when a model is taken; see `textiba.model.check`.
"""

from collections.abc import Iterator
from typing import Any

from torch import Tensor, nn
from torch.nn import functional

from textiba.model.splice import exchange


class FirstToken(nn.Module):
    """Calls a module with the first token of every hidden state it is given.

    Args:
        module: takes one hidden state or more [batch, tokens, features].
    """

    def __init__(self, module: nn.Module):
        super().__init__()
        self.module = module

    def forward(self, *states: Tensor) -> Tensor:
        """[batch, 1, features]."""
        return self.module(*(state[:, :1] for state in states))


class FirstTokenOf(nn.Module):
    """Calls a module as it is, and passes only the first token of its output downstream.

    Args:
        module: returns a hidden state, or a tuple that begins with one.
    """

    def __init__(self, module: nn.Module):
        super().__init__()
        self.module = module

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """The module's output with [batch, 1, features] in place of its hidden state."""
        output = self.module(*args, **kwargs)
        return (output[0][:, :1], *output[1:]) if isinstance(output, tuple) else output[:, :1]


class FirstQuery(nn.Module):
    """Attention with the first token's query alone: softmax(q₀Kᵀ / √d)V.

    Args:
        attention: self-attention with BERT's signature: `query`, `key`, `value` and `attention_head_size`.
    """

    def __init__(self, attention: Any):
        super().__init__()
        self.query, self.key, self.value = (getattr(attention, name) for name in ("query", "key", "value"))
        self.width = attention.attention_head_size

    def forward(self, hidden: Tensor, attention_mask: Tensor | None = None, **_kwargs: Any) -> tuple[Tensor, None]:
        """[batch, 1, features], and None where attention weights would be.

        Args:
            hidden: [batch, tokens, features].
            attention_mask: [batch, 1, queries, tokens]: true where a token is attended to, or what is added to scores.
        """
        query = self._heads(self.query(hidden[:, :1]))
        mask = None if attention_mask is None else attention_mask[:, :, :1]
        return self._context(query, hidden, mask).transpose(1, 2).flatten(2), None

    def _context(self, query: Tensor, hidden: Tensor, mask: Tensor | None) -> Tensor:
        """The context vector of each head [batch, heads, 1, width]."""
        keys, values = self._heads(self.key(hidden)), self._heads(self.value(hidden))
        return functional.scaled_dot_product_attention(query, keys, values, attn_mask=mask)

    def _heads(self, states: Tensor) -> Tensor:
        return states.unflatten(2, (-1, self.width)).transpose(1, 2)


class FirstQueryOfStates(FirstQuery):
    """`FirstQuery` for plain linear projections: applies W_K and W_V to the single query and context vector.

    q₀(HW_Kᵀ + b)ᵀ equals (q₀W_K)Hᵀ plus a number that all tokens share, which the softmax ignores. As attention weights
    sum to 1, A(HW_Vᵀ + b) equals (AH)W_Vᵀ + b. So no key and no value of any token is computed.
    """

    def _context(self, query: Tensor, hidden: Tensor, mask: Tensor | None) -> Tensor:
        keys, values = (module.weight.unflatten(0, (-1, self.width)) for module in (self.key, self.value))
        # The heads are several queries to the same states, at the scale of one head's width.
        query, states = (query @ keys).transpose(1, 2), hidden.unsqueeze(1)
        read = functional.scaled_dot_product_attention(query, states, states, attn_mask=mask, scale=self.width**-0.5)
        context = read.transpose(1, 2) @ values.transpose(1, 2)
        return context if self.value.bias is None else context + self.value.bias.unflatten(0, (-1, 1, self.width))


def first_token_only(layer: Any) -> Iterator[nn.Module]:
    """Copies of a layer that compute only the first token from self-attention on, the cheapest first.

    They are candidates: each must be tried out, since a layer may read the other tokens in a way that its module names
    do not tell. There is none for a layer whose module names are not known.

    Args:
        layer: the last layer of a model; it is not changed.
    """
    known = dict(layer.named_modules())
    if "attention.output" in known and "intermediate" in known:
        narrow = exchange(layer, "attention.output", FirstToken(known["attention.output"]))
        attention: Any = known.get("attention.self")
        projections = [known.get(f"attention.self.{name}") for name in ("query", "key", "value")]
        if None not in projections and hasattr(attention, "attention_head_size"):
            plain = all(type(module) is nn.Linear for module in projections)
            yield exchange(narrow, "attention.self", (FirstQueryOfStates if plain else FirstQuery)(attention))
        yield narrow
    elif "sa_layer_norm" in known:  # DistilBERT's
        yield exchange(layer, "sa_layer_norm", FirstToken(known["sa_layer_norm"]))
    elif "attention" in known and "intermediate" in known and "output" in known:  # MPNet's
        yield exchange(layer, "attention", FirstTokenOf(known["attention"]))
