"""How many tokens a model takes."""

from typing import Any

from torch import nn

from textiba.errors import InputError

UNLIMITED = 1 << 20  # tokens; more than any text, for models without a table of positions


def usable_length(module: Any, tokenizer: Any, asked: int | None) -> int:
    """The tokens that a text may have: what is asked for, or the model's own limit.

    The limit is the smallest of the config's, the tokenizer's, and the length of the table of positions; RoBERTa and
    its kin number positions from `padding_idx + 1`, so that their table is longer than any text.

    Args:
        module: the model.
        tokenizer: its tokenizer.
        asked: what the caller wants; None takes the limit.

    Raises:
        InputError: more is asked for than the model accepts.
    """
    config = module.config.get_text_config()
    table = _position_table(module)
    claimed = getattr(config, "max_position_embeddings", None)
    limits = [table] if table is not None else []
    if isinstance(claimed, int) and claimed > 0:
        limits.append(claimed if table is None else max(claimed, table))
    if tokenizer.model_max_length < UNLIMITED:
        limits.append(int(tokenizer.model_max_length))
    limit = min(limits, default=UNLIMITED)
    if asked is not None and not 3 <= asked <= limit:
        raise InputError(f"max_length is between 3 and {limit}, the model's own limit; got {asked}")
    return asked or limit


def embedding_rows(module: Any) -> int | None:
    """How many token ids the model's table of embeddings has; None where it has no plain table."""
    try:
        table = module.get_input_embeddings()
    except (NotImplementedError, AttributeError):  # no plain table, such as CANINE's hashed characters
        return None
    return table.num_embeddings if isinstance(table, nn.Embedding) else None


def _position_table(module: Any) -> int | None:
    """The longest text that the model's table of learned positions takes; None without such a table."""
    for path, child in module.named_modules():
        name = path.rpartition(".")[2]
        if isinstance(child, nn.Embedding) and name in _POSITIONS:
            start = getattr(child, "offset", None)
            if start is None:
                start = 0 if child.padding_idx is None else child.padding_idx + 1
            return child.num_embeddings - start
    return None


_POSITIONS = ("position_embeddings", "wpe", "embed_positions", "positions_embed", "pos_embed")
