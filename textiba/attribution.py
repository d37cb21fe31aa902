"""Results: frozen values that hold raw scores, and nothing that computes, draws or saves.

Notebooks show them highlighted: `textiba.show` registers how, in `textiba.notebook`.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, SupportsIndex, overload

import numpy as np
from jaxtyping import Float

from textiba import notebook
from textiba.texts.sources import LABELS
from textiba.texts.tokens import TokenizedText
from textiba.types import LayerScores, StepTrace, TokenScores


@dataclass(frozen=True, eq=False)
class BitsDetails:
    """What an optimised bottleneck tells beside its scores.

    Attributes:
        gates: λ of each token [tokens], the mean over features where gates are per feature; 1 at special tokens that
            were left open.
        cross_entropy: of the target at each step, nats, mean over the noise samples.
        information: passing at each step, bits, sum over the gated tokens.
        converged: whether the loss had settled (see `PerSampleBottleneck.tolerance`).
        probability: of the target with the bottleneck in place, mean over the noise samples.
        special_bits: passing at special tokens, bits; 0 where they are left open.
        loss: what was minimised, at the end: cross-entropy + β · information, nats.
        by_layer: of a bottleneck at several layers: the bits of each token at each of them; None at a single layer.
    """

    gates: TokenScores
    cross_entropy: StepTrace
    information: StepTrace
    converged: bool
    probability: float
    special_bits: float
    loss: float
    by_layer: LayerScores | None = None


@dataclass(frozen=True, eq=False)
class GateDetails:
    """What a bottleneck tells whose gates are predicted and never tried out.

    Attributes:
        gates: λ of each token [tokens], the mean over features where gates are per feature; 1 at special tokens.
    """

    gates: TokenScores


@dataclass(frozen=True, eq=False)
class EvidenceDetails:
    """How evidence adds up: `sum(scores) + special + closed = open` but for the residual.

    Attributes:
        closed: log p(target) with every gate closed, nats.
        opened: log p(target) with every gate open, nats.
        special: evidence of special tokens, nats; 0 where they are left open.
        residual: opened − closed − special − sum(scores), nats: the error of the quadrature.
    """

    closed: float
    opened: float
    special: float
    residual: float


Details = BitsDetails | GateDetails | EvidenceDetails


@dataclass(frozen=True, eq=False, repr=False)
class Attribution:
    """The scores of one text's tokens, from one method, on one checkpoint.

    At the end of a notebook's cell it shows the text, highlighted, with the legend in its unit.

    Attributes:
        text: the tokens.
        checkpoint: the model's name.
        method: the method's name in the registry.
        settings: the method's settings, as plain values.
        layer: index into hidden_states, or None for methods without one.
        target: the class that is explained.
        probability: of the target, by the whole model.
        predicted: the class with the highest probability.
        scores: raw [tokens], never rescaled; NaN at special tokens, which carry no score.
        unit: "bits", "nats" or "score".
        signed: whether a negative score speaks against the target.
        details: what the method tells beside the scores.
        labels: the names of the outcomes, by index.
        asked: the question, in words: "which class", "label joy", "above 3.5", …
    """

    text: TokenizedText
    checkpoint: str
    method: str
    settings: Mapping[str, Any]
    layer: int | None
    target: int
    probability: float
    predicted: int
    scores: TokenScores
    unit: str
    signed: bool
    details: Details | None = None
    labels: tuple[str, ...] = LABELS
    asked: str = "which class"

    @property
    def total(self) -> float:
        """The sum of the scores over the tokens that carry one."""
        return float(np.nansum(self.scores))

    def words(self) -> "list[Word]":
        """Scores summed over the tokenizer's words: bits and nats are additive."""
        return words(self)

    def __repr__(self) -> str:
        top = ", ".join(f"{w.text} {amount(w.score, self.signed)}" for w in top_words(self, 3))
        return f"<Attribution {describe(self)} · sum {amount(self.total, self.signed)} {self.unit} · {top}>"

    def _repr_html_(self) -> str | None:
        return notebook.html([self])


class Attributions(list[Attribution]):
    """A list of attributions that a notebook shows as a small multiple, on one colour scale.

    What `explain` returns. Slices and sums stay one, so `explain(…, general) + explain(…, tuned)` compares the two; of
    a stream: `Attributions(a for _, a in stream(…))`.
    """

    @overload
    def __getitem__(self, place: SupportsIndex) -> Attribution: ...
    @overload
    def __getitem__(self, place: slice) -> "Attributions": ...
    def __getitem__(self, place: SupportsIndex | slice) -> "Attribution | Attributions":
        found = super().__getitem__(place)
        return Attributions(found) if isinstance(found, list) else found

    def __add__(self, other: list[Attribution]) -> "Attributions":  # type: ignore[override] - of attributions only
        return Attributions([*self, *other])

    def __repr__(self) -> str:
        return "[" + ",\n ".join(map(repr, self)) + "]"

    def _repr_html_(self) -> str | None:
        return notebook.html(self) if self else None


@dataclass(frozen=True, slots=True)
class Word:
    """A word of the text and its score: the sum over its tokens."""

    text: str
    start: int
    end: int
    score: float


def words(attribution: Attribution) -> list[Word]:
    """The words of the text, in its order, with the sum of the scores of each word's tokens."""
    text = attribution.text
    out = []
    for positions, score in zip(text.words, word_scores(attribution).tolist(), strict=True):
        start, end = text.offsets[positions[0]][0], text.offsets[positions[-1]][1]
        out.append(Word(text.source.text[start:end], start, end, score))
    return out


def word_scores(attribution: Attribution) -> Float[np.ndarray, " words"]:
    """The score of each word: the sum over its tokens, float64."""
    groups = attribution.text.words
    scores = attribution.scores[[position for group in groups for position in group]].astype(np.float64)
    return np.add.reduceat(scores, np.cumsum([0, *(len(group) for group in groups[:-1])]))


def top_words(attribution: Attribution, count: int) -> list[Word]:
    """The words with the largest |score| that is not 0, the largest first; of equal ones the earlier."""
    scored = [w for w in attribution.words() if math.isfinite(w.score) and w.score]
    return sorted(scored, key=lambda w: -abs(w.score))[:count]


def describe(attribution: Attribution) -> str:
    """What an attribution is of, in a line: "fine-tuned · evidence · layer 1 · positive 0.98"."""
    beta = attribution.settings.get("beta")
    parts = [attribution.checkpoint, attribution.method.replace("_", " ")]
    parts += [] if attribution.layer is None else [f"layer {attribution.layer}"]
    parts += [] if beta is None else [f"β {beta:g}"]
    return " · ".join([*parts, f"{class_name(attribution.labels, attribution.target)} {attribution.probability:.2f}"])


def class_name(labels: Sequence[str], index: int) -> str:
    """The name of a class, or "class 7" where it has none."""
    return labels[index] if index < len(labels) else f"class {index}"


def amount(score: float, signed: bool = False) -> str:
    """A score in three digits, with its sign where that means something: "+1.73", "−0.2", "1,204"."""
    digits = f"{score:,.0f}" if abs(score) >= 1000 else f"{score:.3g}"
    return ("+" if signed and score > 0 else "") + digits.replace("-", "−")


def content_scores(attribution: Attribution) -> Float[np.ndarray, " content"]:
    """The scores of the tokens that carry one, in the order of the text."""
    return attribution.scores[list(attribution.text.content)]


@dataclass(frozen=True, eq=False)
class Curve:
    """How the prediction falls as tokens are removed, text by text.

    Attributes:
        order: "morf" (most relevant first), "lerf" (least relevant first) or "random".
        removal: "delete", "mask", "pad" or "attention".
        by: "fraction" or "count": what `steps` means.
        steps: [steps], from 0: the share or the number of tokens removed.
        probability: [texts, steps] of the target.
        correct: [texts, steps]: whether the gold class (the target where there is none) is still predicted.
        method: whose scores gave the order.
        checkpoint: the model's name.
        settings: the method's settings.
        texts: the number of each row's text in its run; empty where none is known.
        seed: of the random order, and of ties.
    """

    order: str
    removal: str
    by: str
    steps: Float[np.ndarray, " steps"]
    probability: Float[np.ndarray, "texts steps"]
    correct: Float[np.ndarray, "texts steps"]
    method: str
    checkpoint: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    texts: tuple[int, ...] = ()
    seed: int = 0
