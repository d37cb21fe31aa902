"""The length limit of a model, and the sizes of its embedding tables."""

from operator import index
from typing import Any, SupportsIndex

from torch import nn

from textiba.errors import InputError

UNLIMITED = 1 << 20  # tokens; more than any text has; for models without a length limit


def usable_length(module: Any, tokenizer: Any, asked: int | None) -> int:
    """Returns the number of tokens that a text may have: the requested number, or the model's own limit.

    The limit is the number of usable rows in the table of learned positions; without such a table, the config's
    `max_position_embeddings`. If the tokenizer's `model_max_length` is smaller, it is the limit; 0 and −1 are no
    limit. RoBERTa and related models number positions from `padding_idx + 1`, so the first rows of their table
    are not usable.

    Args:
        module: the model.
        tokenizer: the model's tokenizer.
        asked: the requested number, special tokens included; None takes the limit.

    Raises:
        InputError: the requested number is less than 3 or more than the limit, or `model_max_length` is no number.
    """
    config = module.config.get_text_config()
    table = _position_table(module)
    claimed = getattr(config, "max_position_embeddings", None)
    limits = [table] if table is not None else []
    if isinstance(claimed, int) and claimed > 0:
        limits.append(claimed if table is None else max(claimed, table))
    longest = tokenizer.model_max_length
    if not isinstance(longest, int | float):
        raise InputError(
            f"tokenizer.model_max_length must be a number of tokens; got {longest!r}. Set it, for example to "
            f"{min(limits, default=512)}"
        )
    if 0 < longest < UNLIMITED:
        limits.append(int(longest))
    limit = min(limits, default=UNLIMITED)
    if asked is not None and not (isinstance(asked, SupportsIndex) and 3 <= index(asked) <= limit):
        raise InputError(f"max_length must lie between 3 and {limit}, the model's own limit; got {asked!r}")
    return limit if asked is None else index(asked)


def embedding_rows(module: Any) -> int | None:
    """Returns the number of token ids in the model's embedding table; None if it has no plain table."""
    try:
        table = module.get_input_embeddings()
    except (NotImplementedError, AttributeError):  # no plain table, such as CANINE's hashed characters
        return None
    return table.num_embeddings if isinstance(table, nn.Embedding) else None


def _position_table(module: Any) -> int | None:
    """Returns the number of tokens that the table of learned positions has room for; None without such a table."""
    for path, child in module.named_modules():
        name = path.rpartition(".")[2]
        if isinstance(child, nn.Embedding) and name in _POSITIONS:
            start = getattr(child, "offset", None)
            if start is None:
                start = 0 if child.padding_idx is None else child.padding_idx + 1
            return child.num_embeddings - start
    return None


_POSITIONS = ("position_embeddings", "wpe", "embed_positions", "positions_embed", "pos_embed")
