"""The scores of words and parts of speech in a stream of attributions, added up text by text."""

import itertools
import re
from collections.abc import Iterator, Sequence

import numpy as np

from textiba.attribution import Attribution, Word
from textiba.corpus.tagging import Tagger
from textiba.corpus.tally import KindRow, Source, Tally

# A written word: "didn't", "well-made", "7/10". Tokenizers split such words at the marks.
_WRITTEN = re.compile(r"[^\W_]+(?:(?:['’-]|(?<=\d)[./,:](?=\d))[^\W_]+)*")
_CHUNK = 1024  # results that are read ahead, so that the tagger gets many texts together

Tagged = tuple[Attribution, list[Word], tuple[str, ...] | None]


class CorpusView:
    """Scores by word and by part of speech. Holds sums for each word and each tag, and no text.

    Args:
        lower: whether words that differ only in case are counted as one word.
    """

    def __init__(self, lower: bool = True):
        self._lower = lower
        self._words, self._parts = Tally(), Tally()

    def add(self, attribution: Attribution, words: Sequence[Word], tags: Sequence[str] | None = None) -> None:
        """Adds one attribution of a text.

        The table of words has written words: parts that the tokenizer split at an apostrophe, a hyphen, or a mark
        between digits are joined, and their scores are summed. The table of parts of speech keeps the tokenizer's
        words, so that the negation in "didn't" is a particle of its own.

        Args:
            attribution: the scores.
            words: the result of `attribution.words()`.
            tags: the tag of each word; None leaves parts of speech out.
        """
        source, predicted = Source.of(attribution), attribution.predicted
        scores = np.asarray([word.score for word in words], dtype=np.float64)
        starts, kinds = written(words, attribution.text.source.whole, self._lower)
        self._words.add(source, predicted, kinds, np.add.reduceat(scores, starts))
        if tags is not None:
            self._parts.add(source, predicted, tags, scores)

    def words(self, min_count: int = 2) -> list[KindRow]:
        """A row for each word in at least `min_count` texts, in the order of `Tally.rows`."""
        return self._words.rows(min_count)

    def parts(self, min_count: int = 2) -> list[KindRow]:
        """A row for each part of speech in at least `min_count` texts; empty without tags."""
        return self._parts.rows(min_count)

    def texts(self) -> dict[Source, dict[int, int]]:
        """The number of texts of each source and predicted class."""
        return self._words.texts()


def written(words: Sequence[Word], text: str, lower: bool) -> tuple[list[int], list[str]]:
    """Joins the tokenizer's words into written words.

    Args:
        words: words of the tokenizer, in the order of the text.
        text: the text.
        lower: whether to fold case. Typographic apostrophes always become plain ones.

    Returns:
        For each written word: the index of the first of the tokenizer's words in it, and its text. A punctuation mark
        is a word of its own.
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
        results: results of `textiba.stream`.
        tagger: tags the words; without a tagger, None takes the place of the tags.
    """
    known: dict[int, tuple[str, ...]] = {}
    while chunk := [(place, a, a.words()) for place, a in itertools.islice(results, _CHUNK)]:
        here = {place: (a.text.source.whole, words) for place, a, words in chunk}
        # A chunk may end between two layers of a text, so the tags of this text are kept; other tags are dropped.
        known = {place: tags for place, tags in known.items() if place in here}
        if tagger is not None:
            new = [place for place in here if place not in known]
            known |= zip(new, tagger.tags([here[place] for place in new]), strict=True)
        for place, attribution, words in chunk:
            yield attribution, words, known.get(place)
