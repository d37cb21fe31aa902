"""A text's text cut into words, what lies between them, and the tokens of each word."""

import itertools
from dataclasses import dataclass

from textiba.attribution import Attribution
from textiba.show.segments import segments

WORD, MARKED = 1, 2  # bits of a segment's kind


@dataclass(frozen=True)
class Layout:
    """How a text is cut; lengths are in UTF-16 units, as JavaScript counts.

    Attributes:
        text: of the text.
        lengths: of the segments, which give the text when they are joined. A word that shares all its characters with
            the one before it has length 0.
        kinds: of the segments: `WORD`, `MARKED` (by a person, as the reason), both or neither.
        tokens: how many each word has.
        pieces: the length of each token, word by word.
        cut: how many tokens of the text are missing.
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
            pieces += [_units(text.source.text[a:b]) for a, b in itertools.pairwise(cuts)]
        counts = tuple(len(positions) for positions in words)
        return cls(text.source.text, tuple(lengths), tuple(kinds), counts, tuple(pieces), text.cut)


def token_positions(attribution: Attribution) -> list[int]:
    """The tokens in the order of `Layout.pieces`: word by word."""
    return [position for positions in attribution.text.words for position in positions]


def _units(text: str) -> int:
    return len(text.encode("utf-16-le", "surrogatepass")) // 2
