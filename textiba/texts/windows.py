"""Windows: a text that is longer than the model reads at once is read in overlapping parts of equal length."""

import math
from collections.abc import Sequence
from typing import Literal

from pydantic import Field

from textiba.errors import InputError
from textiba.settings import Settings
from textiba.texts.tokens import TokenizedText


class Windows(Settings):
    """How a text longer than `max_length` tokens is read: in overlapping windows of `max_length` tokens each.

    Each window has the text's special tokens (and the prompt of a template). In a pair, the longer text is divided, and
    each window has the whole shorter text. A text that fits is read as it would be without this setting.

    Attributes:
        stride: smallest number of tokens that two neighbouring windows share, as in the tokenizers library.
        combine: how the probabilities of a text's windows become the text's probability. "mean" takes their mean. "max"
            takes the largest: of "yes" for a yes-or-no outcome, of each label for labels that do not exclude each
            other, and of each class for exclusive classes, whose probabilities are then scaled to sum to 1. A tag or an
            answer is read in the one window that has most tokens on both sides of it.
    """

    stride: int = Field(default=64, ge=0)
    combine: Literal["mean", "max"] = "mean"


def window_places(text: TokenizedText, size: int, stride: int, where: str = "the text") -> list[tuple[int, ...]]:
    """Returns, for each window of a text, the positions of its tokens in the text.

    All windows have `size` tokens, and their starts are evenly spaced. A text of at most `size` tokens has one window.

    Args:
        text: the whole text.
        size: number of tokens of a window, special tokens included.
        stride: see `Windows.stride`.
        where: names the text in an error.

    Raises:
        InputError: a window has no room for more tokens than `stride`.
    """
    if len(text) <= size:
        return [tuple(range(len(text)))]
    first, last = _divided(text)
    room = size - (len(text) - (last - first))
    if room <= stride:
        raise InputError(
            f"{where} is read in windows of {size} tokens, {size - max(room, 0)} of which are special tokens or the "
            f"shorter text of a pair; this leaves room for {max(room, 0)} tokens, and windows share {stride}. Set a "
            "larger max_length or a smaller stride"
        )
    count = 1 + math.ceil((last - first - room) / (room - stride))
    before, after = tuple(range(first)), tuple(range(last, len(text)))
    starts = [first + round(number * (last - first - room) / (count - 1)) for number in range(count)]
    return [(*before, *range(start, start + room), *after) for start in starts]


def _divided(text: TokenizedText) -> tuple[int, int]:
    """The first position of the tokens that are divided into windows, and the position after the last."""
    parts: Sequence[str | None] = text.parts
    longest = max(("text", "pair"), key=parts.count)
    own = [i for i, part in enumerate(parts) if part == longest]
    return own[0], own[-1] + 1
