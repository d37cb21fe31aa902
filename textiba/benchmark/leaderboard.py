"""From rows to a leaderboard: means with bootstrap intervals, and paired differences from the reference."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from textiba.benchmark.folder import SANITY, SUBSETS, BenchmarkFolder, Place, Row
from textiba.evaluation.intervals import Interval, bootstrap
from textiba.evaluation.metrics import rank_agreement, sensitivity_n

COST = ("forward", "backward", "seconds")
_NOT_METRICS = ("index", "id", "target", "probability", "tokens", "cut", "scores")
Values = dict[int, dict[str, float]]  # text -> metric -> value


@dataclass(frozen=True, slots=True)
class Score:
    """One metric of one method.

    Attributes:
        data: the data set.
        checkpoint: the model's name.
        label: the method's.
        on: "all" its own texts, or those that are "common" to all methods.
        metric: its name: a removal and a faithfulness metric, "rationale" and a plausibility metric, or a cost.
        texts: how many.
        value: mean over them, with its 95 % bootstrap interval; of seconds the median, with the quartiles.
        difference: the reference's minus this one's, paired on the texts that both have; None for the reference.
        pairs: how many these are.
    """

    data: str
    checkpoint: str
    label: str
    on: str
    metric: str
    texts: int
    value: Interval
    difference: Interval | None
    pairs: int


@dataclass(frozen=True, slots=True)
class Agreement:
    """How far a method's scores on a randomised model agree with the original's: mean of Spearman's ρ.

    `part` is the last that was randomised, from the top down. Scores that are all alike agree with nothing: 0.
    """

    data: str
    checkpoint: str
    label: str
    depth: int
    part: str
    texts: int
    value: Interval


def leaderboard(folder: BenchmarkFolder) -> list[Score]:
    """Every metric of every method that has rows, in the order of the config.

    Holds the numbers of all texts, and of those with subsets or leave-one-out their scores.
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
                out += _scores(data, checkpoint, on, chosen, folder.config.reference)
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
                    groups.setdefault(key, []).append(float(np.nan_to_num(row["agreement"])))
            out += [
                Agreement(data, checkpoint, *key, len(values), bootstrap(np.asarray(values)))
                for key, values in groups.items()
            ]
    return out


def _values(folder: BenchmarkFolder, data: str, checkpoint: str) -> dict[str, Values]:
    """The metrics of each label, those included that are derived from another label's rows."""
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
    """Scores that are all alike agree with nothing: 0, so that a method does not gain by having none."""
    return float(np.nan_to_num(correlation))


def _only(values: Values, kept: set[int] | None) -> Values:
    return values if kept is None else {i: v for i, v in values.items() if i in kept}


def _scores(data: str, checkpoint: str, on: str, found: Mapping[str, Values], reference: str) -> Iterator[Score]:
    for label, values in found.items():
        metrics = dict.fromkeys(metric for value in values.values() for metric in value)
        for metric in metrics:
            mine = {i: v[metric] for i, v in sorted(values.items()) if metric in v}
            difference, both = None, []
            if label != reference and metric not in COST:
                theirs = {i: v[metric] for i, v in found.get(reference, {}).items() if metric in v}
                both = [i for i in mine if i in theirs]
                if both:
                    difference = bootstrap(np.asarray([theirs[i] - mine[i] for i in both]))
            numbers = np.asarray(list(mine.values()))
            value = _middle(numbers) if metric == "seconds" else bootstrap(numbers)
            yield Score(data, checkpoint, label, on, metric, len(mine), value, difference, len(both))


def _middle(values: Float[np.ndarray, " texts"]) -> Interval:
    """The median and the quartiles: a busy moment of the machine moves a mean."""
    low, middle, high = np.quantile(values, [0.25, 0.5, 0.75])
    return Interval(float(middle), float(low), float(high))
