"""A review's text cut into words, what lies between them, and the tokens of each word."""

import itertools
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from textiba.attribution import Attribution
from textiba.highlight import segments

WORD, MARKED = 1, 2  # bits of a segment's kind


@dataclass(frozen=True)
class Layout:
    """How a text is cut; lengths are in UTF-16 units, as JavaScript counts.

    Attributes:
        text: of the review.
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
        """The layout of an attribution's review."""
        review = attribution.review
        lengths: list[int] = []
        kinds: list[int] = []
        words: dict[int, list[int]] = {}
        for position in review.content:
            words.setdefault(review.word_ids[position], []).append(position)  # type: ignore[arg-type] - content has them
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
        for (start, end), positions in zip(spans, words.values(), strict=True):
            cuts = [start, *(min(max(review.offsets[p][0], start), end) for p in positions[1:]), end]
            pieces += [_units(review.review.text[a:b]) for a, b in itertools.pairwise(cuts)]
        counts = tuple(len(positions) for positions in words.values())
        return cls(review.review.text, tuple(lengths), tuple(kinds), counts, tuple(pieces), review.cut)


def word_scores(attribution: Attribution) -> Float[np.ndarray, " words"]:
    """The numbers of `Attribution.words`, without their texts."""
    review = attribution.review
    ids = [review.word_ids[position] for position in review.content]
    places = {word: i for i, word in enumerate(dict.fromkeys(ids))}
    scores = attribution.scores[list(review.content)].astype(np.float64)
    return np.bincount([places[word] for word in ids], scores, len(places))


def token_positions(attribution: Attribution) -> list[int]:
    """The tokens in the order of `Layout.pieces`: word by word."""
    review = attribution.review
    first: dict[int | None, int] = {}
    for position in review.content:
        first.setdefault(review.word_ids[position], position)
    return sorted(review.content, key=lambda position: (first[review.word_ids[position]], position))


def _units(text: str) -> int:
    return len(text.encode("utf-16-le", "surrogatepass")) // 2
