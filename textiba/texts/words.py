"""Groups the tokens of a text into words, and corrects the tokenizer's own words where they are too coarse."""

import unicodedata
from collections.abc import Sequence

Span = tuple[int, int]

# Scripts that are written without spaces between words: Thai and Lao, Tibetan, Burmese, Khmer, Japanese kana, Han
# characters, halfwidth kana, and the Han characters beyond the Basic Multilingual Plane.
_UNSPACED = (
    (0x0E00, 0x0EFF), (0x0F00, 0x0FFF), (0x1000, 0x109F), (0x1780, 0x17FF), (0x3040, 0x30FF), (0x31F0, 0x31FF),
    (0x3400, 0x4DBF), (0x4E00, 0x9FFF), (0xF900, 0xFAFF), (0xFF66, 0xFF9F), (0x20000, 0x3FFFF),
)  # fmt: skip


def group_words(text: str, offsets: Sequence[Span], words: Sequence[int | None]) -> tuple[list[Span], list[int]]:
    """Returns each token's offsets without surrounding whitespace, and the number of each token's word.

    The tokenizer's words are kept, except that

    - a word ends at whitespace: tokenizers that split no text beforehand call a whole text one word;
    - in scripts that are written without spaces each token is a word; otherwise a whole sentence would be one word;
    - tokens that share a character (the bytes of an emoji) share a word;
    - a token without a visible character (a lone space) joins the next word, or the last word at the end of the text,
      and its span is empty.

    Args:
        text: the text.
        offsets: for each token, its character span in the text, end exclusive.
        words: for each token, the number of the tokenizer's word; None where the tokenizer has none.

    Returns:
        Offsets, and word numbers from 0 in the order of the text.
    """
    spans: list[Span] = []
    numbers: list[int] = []
    waiting: list[int] = []  # tokens without a visible character, before the next word
    number, end, last = -1, 0, None
    for position, (begin, stop) in enumerate(offsets):
        span = _trimmed(text, begin, stop)
        spans.append(span)
        numbers.append(number)
        if span[0] == span[1]:
            waiting.append(position)
            continue
        if number < 0 or (span[0] >= end and (words[position] != last or _parted(text, end, span[0]))):
            number += 1
        for place in waiting:
            spans[place], numbers[place] = (span[0], span[0]), number
        waiting.clear()
        numbers[position], end, last = number, max(end, span[1]), words[position]
    for place in waiting:
        spans[place], numbers[place] = (end, end), max(number, 0)
    return spans, numbers


def _trimmed(text: str, begin: int, end: int) -> Span:
    while begin < end and text[begin].isspace():
        begin += 1
    while begin < end and text[end - 1].isspace():
        end -= 1
    return begin, end


def _parted(text: str, end: int, begin: int) -> bool:
    """Whether a word ends between a token that ends at `end` and the next token, which begins at `begin`."""
    if any(_is_space(character) for character in text[end:begin]):
        return True
    return (_unspaced(text[end - 1]) or _unspaced(text[begin])) and not unicodedata.category(text[begin]).startswith(
        "M"
    )


def _is_space(character: str) -> bool:
    """Whether a character separates words: whitespace, except control characters other than tab and line ends.

    BERT's normalizer removes control characters, so a word continues across them.
    """
    return character in " \t\n\r" or (character.isspace() and unicodedata.category(character) != "Cc")


def _unspaced(character: str) -> bool:
    code = ord(character)
    return code >= 0x0E00 and any(low <= code <= high for low, high in _UNSPACED)
