"""From rows to a leaderboard: means with intervals, and paired comparisons with the reference."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from textiba.benchmark.config import BenchmarkConfig
from textiba.benchmark.folder import SANITY, SUBSETS, BenchmarkFolder, Place, Row
from textiba.evaluation.intervals import Interval, Quartiles, bootstrap, holm, quartiles, sign_flip_p
from textiba.evaluation.metrics import LOWER_IS_BETTER, rank_agreement, sensitivity_n

COST = ("forward", "backward", "seconds")
_NOT_METRICS = ("index", "id", "target", "probability", "tokens", "cut", "scores")
Values = dict[int, dict[str, float]]  # text -> metric -> value


@dataclass(frozen=True, slots=True)
class Comparison:
    """A method against the reference, paired on the texts that both have.

    Attributes:
        pairs: the number of these texts.
        advantage: how much better the method is than the reference, with its 95 % bootstrap interval. It is positive if
            the method is better: method − reference if higher is better, reference − method if lower is better.
        p: two-sided p-value of the paired sign-flip permutation test.
        adjusted: p, adjusted by Holm's method for all methods that are compared in this metric on the same choice of
            texts.
    """

    pairs: int
    advantage: Interval
    p: float
    adjusted: float


@dataclass(frozen=True, slots=True)
class Score:
    """One metric of one method.

    Attributes:
        data: the name of the data set.
        checkpoint: the model's name.
        label: the method's label.
        optimises: the metric that the method optimises for each text; empty for most methods.
        on: "all" for all texts that the method ran on, "common" for the texts that all methods ran on.
        metric: the metric's name, which is a removal and a faithfulness metric, or "noise kept", or "rationale" and a
            plausibility metric, or a correlation, or a cost.
        texts: the number of texts that have the metric.
        value: the mean over the texts with its 95 % bootstrap interval; for seconds the median with the quartiles.
        comparison: comparison with the reference; None for the reference itself and for costs.
    """

    data: str
    checkpoint: str
    label: str
    optimises: str
    on: str
    metric: str
    texts: int
    value: Interval | Quartiles
    comparison: Comparison | None

    @property
    def center(self) -> float:
        """The mean, or for seconds the median."""
        return self.value.median if isinstance(self.value, Quartiles) else self.value.mean


@dataclass(frozen=True, slots=True)
class Agreement:
    """The mean rank correlation (Spearman's ρ) between a method's scores on a randomised model and the original scores.

    Attributes:
        data: the name of the data set.
        checkpoint: the model's name.
        label: the method's label.
        depth: the number of randomised parts, from the top down.
        part: the last randomised part.
        texts: the number of texts.
        value: the mean with its 95 % bootstrap interval. Constant scores count as 0: they agree with nothing.
    """

    data: str
    checkpoint: str
    label: str
    depth: int
    part: str
    texts: int
    value: Interval


def lower_is_better(metric: str) -> bool:
    """Whether a lower value of a metric is better: costs, MoRF, sufficiency and log-odds."""
    return metric in COST or metric.rpartition(" ")[2] in LOWER_IS_BETTER


def leaderboard(folder: BenchmarkFolder) -> list[Score]:
    """Every metric of every method that has rows, in the order of the config.

    Holds the metrics of all texts in memory, and the scores of the texts that have subsets or leave-one-out scores.
    """
    out: list[Score] = []
    for data in folder.config.data:
        for checkpoint in folder.config.checkpoints:
            found = _values(folder, data, checkpoint)
            common = set.intersection(*(set(values) for values in found.values())) if found else set()
            kinds: list[tuple[str, set[int] | None]] = [("all", None)]
            if any(set(values) != common for values in found.values()):
                kinds.append(("common", common))
            for on, kept in kinds:
                chosen = {label: _only(values, kept) for label, values in found.items()}
                out += _scores(data, checkpoint, on, chosen, folder.config)
    return out


def agreements(folder: BenchmarkFolder) -> list[Agreement]:
    """The sanity check of every method that has one, part by part from the top down."""
    out = []
    for data in folder.config.data:
        for checkpoint in folder.config.checkpoints:
            groups: dict[tuple[str, int, str], list[float]] = {}
            for entry in folder.config.methods:
                for row in folder.read(Place(data, checkpoint, SANITY + entry.title)):
                    key = (entry.title, row["depth"], row["part"])
                    groups.setdefault(key, []).append(_or_zero(row["agreement"]))
            out += [
                Agreement(data, checkpoint, *key, len(values), bootstrap(np.asarray(values)))
                for key, values in groups.items()
            ]
    return out


def _values(folder: BenchmarkFolder, data: str, checkpoint: str) -> dict[str, Values]:
    """The metrics of each label, including the metrics that also need the rows of another label."""
    config = folder.config
    left_out: dict[int, np.ndarray] = {}
    if config.leave_one_out:
        rows = folder.read(Place(data, checkpoint, config.leave_one_out))
        left_out = {row["index"]: np.asarray(row["scores"]) for row in rows}
    removed = {row["index"]: row for row in folder.read(Place(data, checkpoint, SUBSETS))}
    found: dict[str, Values] = {}
    for entry in config.methods:
        for row in folder.read(Place(data, checkpoint, entry.title)):
            values = {k: float(v) for k, v in row.items() if k not in _NOT_METRICS and v is not None}
            scores = np.asarray(row["scores"], dtype=np.float64)
            if row["index"] in left_out and entry.title != config.leave_one_out:
                values["leave-one-out agreement"] = _or_zero(rank_agreement(scores, left_out[row["index"]]))
            if row["index"] in removed:
                values["sensitivity-n"] = _sensitivity(scores, removed[row["index"]])
            found.setdefault(entry.title, {})[row["index"]] = values
    return found


def _sensitivity(scores: Float[np.ndarray, " tokens"], row: Row) -> float:
    drops = np.asarray(row["drops"], dtype=np.float64)
    return _or_zero(sensitivity_n(scores, np.asarray(row["removed"], dtype=bool).reshape(len(drops), -1), drops))


def _or_zero(correlation: float) -> float:
    """The correlation, or 0 if it is NaN, as for constant scores: a method must not gain from constant scores."""
    return 0.0 if np.isnan(correlation) else float(correlation)


def _only(values: Values, kept: set[int] | None) -> Values:
    return values if kept is None else {i: v for i, v in values.items() if i in kept}


def _scores(
    data: str, checkpoint: str, on: str, found: Mapping[str, Values], config: BenchmarkConfig
) -> Iterator[Score]:
    """The scores on one choice of texts."""
    optimises = {entry.title: entry.optimises for entry in config.methods}
    compared = _comparisons(found, config.reference)
    for label, values in found.items():
        for metric in _metrics({label: values}):
            numbers = np.asarray([v[metric] for _, v in sorted(values.items()) if metric in v])
            # Seconds get the median: a mean would change with other work on the machine.
            value = quartiles(numbers) if metric == "seconds" else bootstrap(numbers)
            yield Score(
                data,
                checkpoint,
                label,
                optimises[label],
                on,
                metric,
                len(numbers),
                value,
                compared.get((label, metric)),
            )


def _comparisons(found: Mapping[str, Values], reference: str) -> dict[tuple[str, str], Comparison]:
    """Each method against the reference, by label and metric; Holm's correction is over the methods of one metric."""
    theirs = found.get(reference, {})
    out: dict[tuple[str, str], Comparison] = {}
    for metric in _metrics(found):
        if metric in COST:
            continue
        gains = {label: _gains(values, theirs, metric) for label, values in found.items() if label != reference}
        gains = {label: gain for label, gain in gains.items() if len(gain)}
        raw = [sign_flip_p(gain) for gain in gains.values()]
        for (label, gain), p, adjusted in zip(gains.items(), raw, holm(raw), strict=True):
            out[label, metric] = Comparison(len(gain), bootstrap(gain), p, adjusted)
    return out


def _metrics(found: Mapping[str, Values]) -> list[str]:
    """The names of all metrics, in the order of the rows."""
    return list(dict.fromkeys(metric for values in found.values() for value in values.values() for metric in value))


def _gains(mine: Values, theirs: Values, metric: str) -> Float[np.ndarray, " pairs"]:
    """How much better the method is than the reference on each text that both have."""
    both = [i for i, v in sorted(mine.items()) if metric in v and metric in theirs.get(i, {})]
    differences = np.asarray([mine[i][metric] - theirs[i][metric] for i in both])
    return -differences if lower_is_better(metric) else differences
