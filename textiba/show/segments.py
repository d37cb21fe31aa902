"""A text cut into its words and the characters between words; the terminal, HTML, figures and the page draw them."""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from textiba.attribution import Attribution


@dataclass(frozen=True, slots=True)
class Segment:
    """A part of a text: a scored word, or the characters between two words.

    Attributes:
        text: the characters, as in the source.
        start: place of the first character in the source.
        end: place after the last character.
        word: index into `attribution.words()`, or None between words.
        score: score in the attribution's unit; None between words, and for NaN.
        marked: whether a person marked the segment as the reason for the gold label.
    """

    text: str
    start: int
    end: int
    word: int | None
    score: float | None
    marked: bool


def segments(attribution: Attribution) -> list[Segment]:
    """Cuts a whole text into its words and the characters between words; the joined segments equal the source.

    A word is marked when it overlaps a human rationale. The characters between words are cut where a rationale starts
    or ends, so that the underline of a rationale continues between its words. They are also cut where a text of a pair
    starts or ends.
    """
    text, spans = attribution.text.source.whole, attribution.text.source.marked
    between = (len(attribution.text.source.text), attribution.text.source.pair_start)  # the texts of a pair
    edges = sorted({edge for span in (*spans, between) for edge in span})
    out: list[Segment] = []

    def gap(start: int, end: int) -> None:
        cuts = [start, *(e for e in edges if start < e < end), end]
        for a, b in itertools.pairwise(cuts):
            if a < b:
                out.append(Segment(text[a:b], a, b, None, None, _overlaps(a, b, spans)))

    at = 0
    for i, word in enumerate(attribution.words()):
        start = max(word.start, at)  # byte-level tokenizers may give two words one character
        if start >= word.end:
            continue
        gap(at, start)
        score = word.score if math.isfinite(word.score) else None
        out.append(Segment(text[start : word.end], start, word.end, i, score, _overlaps(start, word.end, spans)))
        at = word.end
    gap(at, len(text))
    return out


def by_text(attribution: Attribution) -> list[tuple[str, list[Segment]]]:
    """For the text, or for each text of a pair: its characters, and its segments with positions in this text."""
    source, found = attribution.text.source, segments(attribution)
    if source.pair is None:
        return [(source.text, found)]
    before, start = len(source.text), source.pair_start
    second = [replace(s, start=s.start - start, end=s.end - start) for s in found if s.start >= start]
    return [(source.text, [s for s in found if s.start < before]), (source.pair, second)]


def _overlaps(start: int, end: int, spans: Sequence[tuple[int, int]]) -> bool:
    return any(start < b and end > a for a, b in spans)
