"""How a text is cut into words and the characters between words, and the tokens of each word."""

import itertools
from dataclasses import dataclass

from textiba.attribution import Attribution
from textiba.show.segments import segments

WORD, MARKED = 1, 2  # bits of a segment's kind


@dataclass(frozen=True)
class Layout:
    """How a text is cut. Lengths are in UTF-16 units, as JavaScript counts.

    Attributes:
        text: the whole text.
        lengths: length of each segment; joined, the segments give the text. A word that shares all its characters with
            the previous word has length 0.
        kinds: for each segment, `WORD`, `MARKED` (a person marked it as the reason), both or neither.
        tokens: number of tokens of each word.
        pieces: length of each token, word by word.
        cut: number of tokens that were cut off at the model's length.
    """

    text: str
    lengths: tuple[int, ...]
    kinds: tuple[int, ...]
    tokens: tuple[int, ...]
    pieces: tuple[int, ...]
    cut: int

    @classmethod
    def of(cls, attribution: Attribution) -> "Layout":
        """The layout of an attribution's text."""
        text = attribution.text
        lengths: list[int] = []
        kinds: list[int] = []
        words = text.words
        spans: list[tuple[int, int]] = []

        def hidden_words(upto: int) -> None:
            for _ in range(len(spans), upto):
                lengths.append(0)
                kinds.append(WORD)
                spans.append((0, 0))

        for segment in segments(attribution):
            if segment.word is not None:
                hidden_words(segment.word)
                spans.append((segment.start, segment.end))
            lengths.append(_units(segment.text))
            kinds.append(WORD * (segment.word is not None) + MARKED * segment.marked)
        hidden_words(len(words))
        pieces: list[int] = []
        for (start, end), positions in zip(spans, words, strict=True):
            cuts = [start, *(min(max(text.offsets[p][0], start), end) for p in positions[1:]), end]
            pieces += [_units(text.source.whole[a:b]) for a, b in itertools.pairwise(cuts)]
        counts = tuple(len(positions) for positions in words)
        return cls(text.source.whole, tuple(lengths), tuple(kinds), counts, tuple(pieces), text.cut)


def token_positions(attribution: Attribution) -> list[int]:
    """The positions of the tokens in the order of `Layout.pieces`: word by word."""
    return [position for positions in attribution.text.words for position in positions]


def _units(text: str) -> int:
    return len(text.encode("utf-16-le", "surrogatepass")) // 2
