"""Running sums of scores by kind of word: memory grows with the kinds, never with the texts."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.special import stdtrit

from textiba.attribution import Attribution
from textiba.evaluation.intervals import Interval
from textiba.store import settings_key

_ROOM = 256  # kinds, at first; doubled when full


@dataclass(frozen=True, slots=True)
class Source:
    """Where scores come from: one method with its settings, at one layer of one checkpoint.

    Attributes:
        checkpoint: the model's name.
        method: the method's name.
        layer: index into hidden_states, or None.
        settings: all others of the method, as one string.
        unit: "bits", "nats" or "score".
        labels: the names of the classes, by index.
    """

    checkpoint: str
    method: str
    layer: int | None
    settings: str
    unit: str
    labels: tuple[str, ...]

    @classmethod
    def of(cls, a: Attribution) -> "Source":
        """Of one attribution."""
        settings = settings_key({name: value for name, value in a.settings.items() if name != "layer"})
        return cls(a.checkpoint, a.method, a.layer, settings, a.unit, a.labels)


@dataclass(frozen=True, slots=True)
class KindRow:
    """A kind of word (a word form, a part of speech) in the scores of one source.

    Attributes:
        source: whose scores.
        kind: the word or the tag.
        predicted: over the texts that were predicted as this class; None for all.
        texts: that it occurs in.
        of_texts: in all, of that class.
        occurrences: in all of these together.
        mean: score of an occurrence, in the source's unit, with its 95 % interval.
        share: of all that is scored in the texts, 0 … 1, in absolute value (bits have no sign); 95 % interval.
        share_of_words: what part of all words it is, 0 … 1.
        average: score of a word of any kind in the same texts.
    """

    source: Source
    kind: str
    predicted: int | None
    texts: int
    of_texts: int
    occurrences: int
    mean: Interval
    share: Interval
    share_of_words: float
    average: float


class Tally:
    """Sums over texts, from which means, shares and their intervals follow at any time.

    A text is the unit, since the occurrences within one depend on each other. So what is summed up is each text's
    own sum for a kind, the squares of these, and their products with what they are divided by; see `ratio`.
    """

    def __init__(self) -> None:
        self._places: dict[str, int] = {}
        self._sums: dict[tuple[Source, int], Float[np.ndarray, "kinds sums"]] = {}
        self._wholes: dict[tuple[Source, int], Float[np.ndarray, " totals"]] = {}

    def add(self, source: Source, predicted: int, kinds: Sequence[str], scores: Float[np.ndarray, " words"]) -> None:
        """Adds a text.

        Args:
            source: whose scores.
            predicted: class of the text.
            kinds: of each word; not empty.
            scores: of each word.
        """
        places = [self._places.setdefault(kind, len(self._places)) for kind in kinds]
        found, index, times = np.unique(places, return_inverse=True, return_counts=True)
        n = times.astype(np.float64)
        score, size = np.bincount(index, scores), np.bincount(index, np.abs(scores))
        whole = size.sum()
        one = np.ones_like(n)
        new = (one, n, score, size, n * n, n * score, score * score, size * size, size * whole)
        self._of(source, predicted)[found] += np.stack(new, axis=1)
        self._wholes[source, predicted] += (1, len(kinds), score.sum(), whole, whole * whole)

    def rows(self, min_count: int = 2) -> list[KindRow]:
        """Rows source by source: first over all texts, then class by class.

        Within these, the highest lower end of the mean comes first: a kind must not lead by the luck of few texts.

        Args:
            min_count: kinds that occur in fewer of the texts are left out; at least 2.
        """
        out: list[KindRow] = []
        for source in dict.fromkeys(source for source, _ in self._sums):
            classes = sorted(predicted for other, predicted in self._sums if other == source)
            sums = {c: self._of(source, c)[: len(self._places)] for c in classes}
            wholes = {c: self._wholes[source, c] for c in classes}
            every, whole = np.sum([*sums.values()], axis=0), np.sum([*wholes.values()], axis=0)
            out += self._rows(source, None, every, whole, min_count)
            for c in classes:
                out += self._rows(source, c, sums[c], wholes[c], min_count)
        return out

    def _of(self, source: Source, predicted: int) -> Float[np.ndarray, "kinds sums"]:
        """The sums of a source and class, with room for every kind there is."""
        held = self._sums.get((source, predicted))
        if held is None:
            held = self._sums[source, predicted] = np.zeros((_ROOM, 9))
            self._wholes[source, predicted] = np.zeros(5)
        if len(held) < len(self._places):
            more = np.zeros((2 * len(self._places) - len(held), 9))
            held = self._sums[source, predicted] = np.concatenate([held, more])
        return held

    def _rows(
        self,
        source: Source,
        predicted: int | None,
        sums: Float[np.ndarray, "kinds sums"],
        wholes: Float[np.ndarray, " totals"],
        min_count: int,
    ) -> list[KindRow]:
        kept = np.flatnonzero(sums[:, 0] >= max(2, min_count))
        if not kept.size:  # nor are there two texts, perhaps
            return []
        texts, n, score, size, nn, ns, ss, zz, zw = sums[kept].T
        everyone, words, all_scores, whole, squares = wholes
        means = ratio(score, n, ss, ns, nn, texts)
        shares = ratio(size, whole or 1.0, zz, zw, squares, everyone)  # of nothing, each has no share
        names = list(self._places)
        rows = [
            KindRow(source, names[kind], predicted, int(texts[i]), int(everyone), int(n[i]), mean, share,
                    float(n[i] / words), float(all_scores / words))
            for i, (kind, mean, share) in enumerate(zip(kept, means, shares, strict=True))
        ]  # fmt: skip
        return sorted(rows, key=lambda row: (-row.mean.low, row.kind))


def ratio(
    top: Float[np.ndarray, " kinds"],
    bottom: Float[np.ndarray, " kinds"] | float,
    top_squares: Float[np.ndarray, " kinds"],
    products: Float[np.ndarray, " kinds"],
    bottom_squares: Float[np.ndarray, " kinds"] | float,
    texts: Float[np.ndarray, " kinds"] | float,
) -> list[Interval]:
    """`Σy / Σx` over texts with a 95 % t interval, by the delta method.

    Linearised, the ratio `r` of two sums has the standard error `√(n/(n−1) · Σ(yᵢ − r·xᵢ)²) / Σxᵢ` over n texts: the
    ratio estimator of cluster sampling (Cochran, *Sampling Techniques*, 3rd ed. 1977, chapter 6; Deng, Knoblich and Lu,
    *Applying the Delta Method in Metric Analytics*, KDD 2018, section 3). Written out, it needs sums only.

    Args:
        top: Σy, of each kind.
        bottom: Σx.
        top_squares: Σy².
        products: Σxy.
        bottom_squares: Σx².
        texts: n, those where y and x are 0 may be left out; at least 2.
    """
    r = top / bottom
    # Rounding may leave a tiny negative number where all texts have the same ratio.
    residuals = np.maximum(top_squares - 2 * r * products + r * r * bottom_squares, 0)
    error = np.sqrt(texts / (texts - 1) * residuals) / bottom
    half = stdtrit(texts - 1, 0.975) * error
    return [Interval(*row) for row in np.stack([r, r - half, r + half], axis=1).tolist()]
