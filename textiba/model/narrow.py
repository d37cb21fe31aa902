"""Narrow copies of the last layer, which compute only the first token. They save most of the layer's work.

A narrow last layer is used if the head reads only the first token. `Model` tests this at construction; see
`textiba.model.check`.
"""

from collections.abc import Iterator
from typing import Any

from torch import Tensor, nn
from torch.nn import functional

from textiba.model.splice import exchange


class FirstToken(nn.Module):
    """Calls a module with only the first token of each given hidden state.

    Args:
        module: a module that takes one or more hidden states [batch, tokens, features].
    """

    def __init__(self, module: nn.Module):
        super().__init__()
        self.module = module

    def forward(self, *states: Tensor) -> Tensor:
        """Returns the module's output for the first token [batch, 1, features]."""
        return self.module(*(state[:, :1] for state in states))


class FirstTokenOf(nn.Module):
    """Calls a module unchanged, and passes only the first token of its output downstream.

    Args:
        module: a module that returns a hidden state, or a tuple that begins with one.
    """

    def __init__(self, module: nn.Module):
        super().__init__()
        self.module = module

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Returns the module's output, with its hidden state cut to the first token [batch, 1, features]."""
        output = self.module(*args, **kwargs)
        return (output[0][:, :1], *output[1:]) if isinstance(output, tuple) else output[:, :1]


class FirstQuery(nn.Module):
    """Self-attention with the query of the first token only: softmax(q₀Kᵀ / √d)V.

    Args:
        attention: a self-attention module with BERT's attributes `query`, `key`, `value` and `attention_head_size`.
    """

    def __init__(self, attention: Any):
        super().__init__()
        self.query, self.key, self.value = (getattr(attention, name) for name in ("query", "key", "value"))
        self.width = attention.attention_head_size

    def forward(self, hidden: Tensor, attention_mask: Tensor | None = None, **_kwargs: Any) -> tuple[Tensor, None]:
        """Returns the first token's context [batch, 1, features], and None in place of the attention weights.

        Args:
            hidden: hidden state [batch, tokens, features].
            attention_mask: mask [batch, 1, queries, tokens]: boolean, True where a token is attended to; or numbers
                that are added to the attention scores.
        """
        query = self._heads(self.query(hidden[:, :1]))
        mask = None if attention_mask is None else attention_mask[:, :, :1]
        return self._context(query, hidden, mask).transpose(1, 2).flatten(2), None

    def _context(self, query: Tensor, hidden: Tensor, mask: Tensor | None) -> Tensor:
        """Returns the context vector of each head [batch, heads, 1, width]."""
        keys, values = self._heads(self.key(hidden)), self._heads(self.value(hidden))
        return functional.scaled_dot_product_attention(query, keys, values, attn_mask=mask)

    def _heads(self, states: Tensor) -> Tensor:
        return states.unflatten(2, (-1, self.width)).transpose(1, 2)


class FirstQueryOfStates(FirstQuery):
    """`FirstQuery` for plain linear projections: applies W_K and W_V to one vector, not to all tokens.

    W_K is applied to the single query, and W_V to the single context vector.

    q₀(HW_Kᵀ + b)ᵀ equals (q₀W_K)Hᵀ plus a number that is the same for all tokens, which the softmax ignores. Attention
    weights sum to 1, so A(HW_Vᵀ + b) equals (AH)W_Vᵀ + b. So the keys and values of the tokens are never computed.
    """

    def _context(self, query: Tensor, hidden: Tensor, mask: Tensor | None) -> Tensor:
        keys, values = (module.weight.unflatten(0, (-1, self.width)) for module in (self.key, self.value))
        # All heads attend to the same states, with the scale of one head's width.
        query, states = (query @ keys).transpose(1, 2), hidden.unsqueeze(1)
        read = functional.scaled_dot_product_attention(query, states, states, attn_mask=mask, scale=self.width**-0.5)
        context = read.transpose(1, 2) @ values.transpose(1, 2)
        return context if self.value.bias is None else context + self.value.bias.unflatten(0, (-1, 1, self.width))


def first_token_only(layer: Any) -> Iterator[nn.Module]:
    """Yields copies of a layer, the cheapest first, which compute only the first token from self-attention on.

    The copies are candidates, and each must be tested: a layer may read the other tokens in a way that its module names
    do not show. A layer whose modules have other names than those of BERT, DistilBERT or MPNet has no candidates.

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
