"""Running sums of scores by kind of word: memory grows with the number of kinds, not with the number of texts."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.special import stdtrit

from textiba.attribution import Attribution
from textiba.evaluation.intervals import Interval
from textiba.store import settings_key

_ROOM = 256  # number of kinds that fit into the first arrays; full arrays are doubled


@dataclass(frozen=True, slots=True)
class Source:
    """The source of scores: one method with its settings, at one layer of one checkpoint.

    Attributes:
        checkpoint: the model's name.
        method: the method's name.
        layer: index into hidden_states; None for methods without a layer.
        settings: all other settings of the method, as one string.
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
        """The source of an attribution."""
        settings = settings_key({name: value for name, value in a.settings.items() if name != "layer"})
        return cls(a.checkpoint, a.method, a.layer, settings, a.unit, a.labels)


@dataclass(frozen=True, slots=True)
class KindRow:
    """A kind of word (a word form, a part of speech) in the scores of one source.

    Attributes:
        source: the source of the scores.
        kind: the word or the tag.
        predicted: the row is over the texts that were predicted as this class; None for all texts.
        texts: the number of texts in which the kind occurs.
        of_texts: the number of all texts that were predicted as that class.
        occurrences: the number of occurrences.
        mean: the mean score of an occurrence, in the source's unit, with its 95 % interval.
        share: the share of the kind in the sum of all absolute scores, 0 … 1, with its 95 % interval.
        share_of_words: the share of the kind in all words, 0 … 1.
        average: the mean score of all words in the same texts.
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
    """Sums over texts, from which means, shares and their intervals are computed at any time.

    The text is the unit of sampling, since occurrences within a text depend on each other. For each kind, each text has
    one sum of scores. The tally adds up these sums over the texts, and also their squares and their products with the
    denominator; see `ratio`.
    """

    def __init__(self) -> None:
        self._places: dict[str, int] = {}
        self._sums: dict[tuple[Source, int], Float[np.ndarray, "kinds sums"]] = {}
        self._wholes: dict[tuple[Source, int], Float[np.ndarray, " totals"]] = {}

    def add(self, source: Source, predicted: int, kinds: Sequence[str], scores: Float[np.ndarray, " words"]) -> None:
        """Adds a text.

        Args:
            source: the source of the scores.
            predicted: the predicted class of the text.
            kinds: the kind of each word; not empty.
            scores: the score of each word.
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
        """Rows by source: first over all texts, then for each predicted class.

        Within each group, kinds are ordered by the lower end of the mean's interval, highest first, so that a kind does
        not come first because of chance in a few texts.

        Args:
            min_count: kinds that occur in fewer texts than this are left out; at least 2.
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

    def texts(self) -> dict[Source, dict[int, int]]:
        """The number of texts of each source and predicted class."""
        counts: dict[Source, dict[int, int]] = {}
        for (source, predicted), totals in self._wholes.items():
            counts.setdefault(source, {})[predicted] = int(totals[0])
        return counts

    def _of(self, source: Source, predicted: int) -> Float[np.ndarray, "kinds sums"]:
        """The sums of a source and class, with a row for every known kind."""
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
        if not kept.size:  # the interval below divides by the number of texts less one
            return []
        texts, n, score, size, nn, ns, ss, zz, zw = sums[kept].T
        everyone, words, all_scores, whole, squares = wholes
        means = ratio(score, n, ss, ns, nn, texts)
        shares = ratio(size, whole or 1.0, zz, zw, squares, everyone)  # if all scores are 0, all shares are 0
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
    *Applying the Delta Method in Metric Analytics*, KDD 2018, section 3). When the square is expanded, only sums are
    needed.

    Args:
        top: Σy, of each kind.
        bottom: Σx.
        top_squares: Σy².
        products: Σxy.
        bottom_squares: Σx².
        texts: n, at least 2; texts in which both y and x are 0 may be left out.
    """
    r = top / bottom
    # Rounding may leave a tiny negative number if all texts have the same ratio.
    residuals = np.maximum(top_squares - 2 * r * products + r * r * bottom_squares, 0)
    error = np.sqrt(texts / (texts - 1) * residuals) / bottom
    half = stdtrit(texts - 1, 0.975) * error
    return [Interval(*row) for row in np.stack([r, r - half, r + half], axis=1).tolist()]
