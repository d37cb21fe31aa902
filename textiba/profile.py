"""What a layer carries: attributions of many reviews, summed up by checkpoint, layer and β."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np
from jaxtyping import Float

from textiba.attribution import Attribution, BitsDetails, EvidenceDetails, content_scores
from textiba.information import NATS_PER_BIT

_KEPT = 4_000_000  # numbers of a resampling that are kept for the next one


@dataclass(frozen=True, slots=True)
class Interval:
    """A mean over reviews with its interval: by the percentile bootstrap (Efron, 1979) where nothing else is said."""

    mean: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class LayerRow:
    """One checkpoint, method, layer and β, over the reviews.

    Attributes:
        checkpoint: the model's name.
        method: the method's name.
        layer: index into hidden_states.
        beta: None for methods without one.
        reviews: how many.
        total: the sum of a review's scores, in the method's unit.
        per_token: the mean of a review's absolute scores.
        usable: bits about the target that the content tokens deliver at this layer: log2 p(target) with the gates open
            minus closed, pointwise as in Xu et al., *A Theory of Usable Information*, ICLR 2020; evidence only.
        kept: probability of the target with the bottleneck in place; bits only.
        loss: what the bottleneck minimises, `CE + β · KL`, nats; bits only.
        settings: of the method.
    """

    checkpoint: str
    method: str
    layer: int | None
    beta: float | None
    reviews: int
    total: Interval
    per_token: Interval
    usable: Interval | None = None
    kept: Interval | None = None
    loss: Interval | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)


def layer_profile(attributions: Iterable[Attribution], seed: int = 0) -> list[LayerRow]:
    """A row for each checkpoint, method and settings, in the order in which they first come.

    Holds a few numbers a review, so any stream will do.
    """
    groups: dict[tuple, list[tuple[float, float, float | None, float | None, float | None]]] = {}
    for a in attributions:
        key = (a.checkpoint, a.method, a.layer, a.settings.get("beta"), json.dumps(dict(a.settings), sort_keys=True))
        groups.setdefault(key, []).append(
            (a.total, float(np.abs(content_scores(a)).mean()), _usable(a), _kept(a), _loss(a))
        )
    rows = []
    for (checkpoint, method, layer, beta, settings), numbers in groups.items():
        columns = [None if column[0] is None else np.asarray(column) for column in zip(*numbers, strict=True)]
        total, per_token, usable, kept, loss = (None if c is None else bootstrap(c, seed=seed) for c in columns)
        assert total is not None  # noqa: S101 - every attribution has a total and a mean
        assert per_token is not None  # noqa: S101
        rows.append(
            LayerRow(
                checkpoint,
                method,
                layer,
                beta,
                len(numbers),
                total,
                per_token,
                usable,
                kept,
                loss,
                json.loads(settings),
            )
        )
    return rows


def bootstrap(values: Float[np.ndarray, " reviews"], level: float = 0.95, draws: int = 2000, seed: int = 0) -> Interval:
    """The mean of `values` and its percentile bootstrap interval over reviews."""
    means = _times(len(values), draws, seed) @ values / len(values)
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(values.mean()), float(low), float(high))


def _times(values: int, draws: int, seed: int) -> Float[np.ndarray, "draws values"]:
    """How often each of so many values comes in each draw with replacement, so that all means are one product."""
    return _kept_times(values, draws, seed) if values * draws <= _KEPT else _kept_times.__wrapped__(values, draws, seed)


@lru_cache(maxsize=8)  # a table or a curve draws the same for each of its numbers
def _kept_times(values: int, draws: int, seed: int) -> Float[np.ndarray, "draws values"]:
    times = np.random.default_rng(seed).multinomial(values, np.full(values, 1 / values), draws)
    return times.astype(np.float64)


def _usable(a: Attribution) -> float | None:
    if not isinstance(a.details, EvidenceDetails):
        return None
    return (a.details.opened - a.details.closed) / NATS_PER_BIT


def _kept(a: Attribution) -> float | None:
    return a.details.probability if isinstance(a.details, BitsDetails) else None


def _loss(a: Attribution) -> float | None:
    return a.details.loss if isinstance(a.details, BitsDetails) else None
