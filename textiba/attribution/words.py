"""Sums scores over words, and describes attributions in short strings for readers."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float

from textiba.texts.text import PARTS

if TYPE_CHECKING:
    from textiba.attribution.results import Attribution


_OUTPUTS = {"log_probability": "log p", "log_odds": "log-odds", "logit": "logit", "probability": "p"}


@dataclass(frozen=True, slots=True)
class Word:
    """A word of a text and its score.

    Attributes:
        text: the word, as in the source.
        start: place of its first character in the source (`Text.whole`).
        end: place after its last character.
        score: the sum over the word's tokens, in the attribution's unit.
        part: the text of a pair that the word stands in, "text" or "pair"; "text" for a single text.
    """

    text: str
    start: int
    end: int
    score: float
    part: str = PARTS[0]


def words(attribution: "Attribution") -> list[Word]:
    """The words of the text in order, each with the sum of its tokens' scores."""
    text = attribution.text
    out = []
    for positions, score in zip(text.words, word_scores(attribution).tolist(), strict=True):
        start, end = text.offsets[positions[0]][0], text.offsets[positions[-1]][1]
        out.append(Word(text.source.whole[start:end], start, end, score, text.source.part(start)))
    return out


def word_scores(attribution: "Attribution") -> Float[np.ndarray, " words"]:
    """The score of each word: the sum over its tokens, float64."""
    groups = attribution.text.words
    scores = attribution.scores[[position for group in groups for position in group]].astype(np.float64)
    return np.add.reduceat(scores, np.cumsum([0, *(len(group) for group in groups[:-1])]))


def top_words(attribution: "Attribution", count: int) -> list[Word]:
    """Returns the words with the largest |score|, the largest first.

    Words that score 0 are left out; words with equal |score| keep the order of the text.
    """
    scored = [w for w in words(attribution) if math.isfinite(w.score) and w.score]
    return sorted(scored, key=lambda w: -abs(w.score))[:count]


def describe(attribution: "Attribution") -> str:
    """One line that says what an attribution explains: "fine-tuned · evidence · layer 1 · positive 0.98".

    The question follows, unless it is which class holds, or the answer says it.
    """
    beta = attribution.settings.get("beta")
    parts = [attribution.checkpoint, attribution.method.replace("_", " ")]
    parts += [] if attribution.layer is None else [f"layer {attribution.layer}"]
    parts += [] if beta is None else [f"β {beta:g}"]
    answer, asked = class_name(attribution.labels, attribution.target), attribution.asked
    parts += [f"{answer} {attribution.probability:.2f}"]
    return " · ".join([*parts, *([] if asked in ("which class", answer, f"label {answer}") else [asked])])


def explained_output(attribution: "Attribution") -> str:
    """The name of the output that a method explains, by its settings: "log p", "log-odds", "logit" or "p"."""
    return _OUTPUTS.get(str(attribution.settings.get("output")), "log p")


def class_name(labels: Sequence[str], index: int | str) -> str:
    """The name of a class, or "class 7" where class 7 has no name; an `index` that is a name is returned as it is."""
    if isinstance(index, str):
        return index
    return labels[index] if index < len(labels) else f"class {index}"


def gold_name(attribution: "Attribution") -> str | None:
    """The name of the gold class; the names of the gold labels, such as "joy, love"; None if neither is known."""
    source = attribution.text.source
    if source.labels is not None:
        return ", ".join(class_name(attribution.labels, label) for label in source.labels) or "no label"
    return None if source.label is None else class_name(attribution.labels, source.label)


def amount(score: float, signed: bool = False) -> str:
    """A score in three digits, with a plus sign where `signed`: "+1.73", "−0.2", "1,204"."""
    digits = f"{score:,.0f}" if abs(score) >= 1000 else f"{score:.3g}"
    return ("+" if signed and score > 0 else "") + digits.replace("-", "−")


def content_scores(attribution: "Attribution") -> Float[np.ndarray, " content"]:
    """The scores of the tokens that carry a score, in the order of the text."""
    return attribution.scores[list(attribution.text.content)]
