"""Words and parts of speech of a stream of attributions, summed up text by text."""

import itertools
import re
from collections.abc import Iterator, Sequence

import numpy as np

from textiba.attribution import Attribution, Word
from textiba.corpus.tagging import Tagger
from textiba.corpus.tally import KindRow, Source, Tally

# A word as people write it: "didn't", "well-made", "7/10"; tokenizers cut at every such mark.
_WRITTEN = re.compile(r"[^\W_]+(?:(?:['’-]|(?<=\d)[./,:](?=\d))[^\W_]+)*")
_CHUNK = 1024  # results that are read ahead, so that the tagger gets many texts at once

Tagged = tuple[Attribution, list[Word], tuple[str, ...] | None]


class CorpusView:
    """Which words and which parts of speech carry the scores. Holds sums by word and by tag, and no text.

    Args:
        lower: whether words are one that differ in case only.
    """

    def __init__(self, lower: bool = True):
        self._lower = lower
        self._words, self._parts = Tally(), Tally()

    def add(self, attribution: Attribution, words: Sequence[Word], tags: Sequence[str] | None = None) -> None:
        """Adds a text as one method at one layer sees it.

        The table of words has them as they are written: what a tokenizer cut at an apostrophe, a hyphen, or a mark
        between digits is one, with the sum of the scores. Parts of speech keep the tokenizer's words, so that the
        negation in "didn't" is a particle of its own.

        Args:
            attribution: whose scores.
            words: its `words()`.
            tags: of each word; None leaves the parts of speech out.
        """
        source, predicted = Source.of(attribution), attribution.predicted
        scores = np.asarray([word.score for word in words], dtype=np.float64)
        starts, kinds = written(words, attribution.text.source.text, self._lower)
        self._words.add(source, predicted, kinds, np.add.reduceat(scores, starts))
        if tags is not None:
            self._parts.add(source, predicted, tags, scores)

    def words(self, min_count: int = 2) -> list[KindRow]:
        """A row for each word in at least `min_count` texts; the order is that of `Tally.rows`."""
        return self._words.rows(min_count)

    def parts(self, min_count: int = 2) -> list[KindRow]:
        """The same for parts of speech; empty without tags."""
        return self._parts.rows(min_count)


def written(words: Sequence[Word], text: str, lower: bool) -> tuple[list[int], list[str]]:
    """Puts a tokenizer's words together to words as they are written.

    Args:
        words: in the order of the text.
        text: what they are from.
        lower: fold case. Typographic apostrophes become plain ones in any case.

    Returns:
        For each written word, the index of its first word, and its text. A mark of punctuation is a word of its own.
    """
    spans = _WRITTEN.finditer(text)
    start, end = -1, -1
    starts: list[int] = []
    for i, word in enumerate(words):
        while end <= word.start and (match := next(spans, None)):
            start, end = match.span()
        if not (starts and start < word.start < end):
            starts.append(i)
    kinds = []
    for first, after in itertools.pairwise([*starts, len(words)]):
        kind = text[words[first].start : words[after - 1].end].replace("’", "'")
        kinds.append(kind.casefold() if lower else kind)
    return starts, kinds


def tagged(results: Iterator[tuple[int, Attribution]], tagger: Tagger | None) -> Iterator[Tagged]:
    """Each attribution with its words and their tags; a text is tagged once for all methods and layers.

    Args:
        results: of `textiba.stream`.
        tagger: None gives None in place of tags.
    """
    known: dict[int, tuple[str, ...]] = {}
    while chunk := [(place, a, a.words()) for place, a in itertools.islice(results, _CHUNK)]:
        here = {place: (a.text.source.text, words) for place, a, words in chunk}
        # The chunk before may have ended amid the layers of a text; what is older is forgotten.
        known = {place: tags for place, tags in known.items() if place in here}
        if tagger is not None:
            new = [place for place in here if place not in known]
            known |= zip(new, tagger.tags([here[place] for place in new]), strict=True)
        for place, attribution, words in chunk:
            yield attribution, words, known.get(place)
