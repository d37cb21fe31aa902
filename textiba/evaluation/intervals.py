"""Means with bootstrap intervals."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from jaxtyping import Float

_KEPT = 4_000_000  # numbers of a resampling that are kept for the next one


@dataclass(frozen=True, slots=True)
class Interval:
    """A mean over texts with its interval: by the percentile bootstrap (Efron, 1979) where nothing else is said."""

    mean: float
    low: float
    high: float


def bootstrap(values: Float[np.ndarray, " texts"], level: float = 0.95, draws: int = 2000, seed: int = 0) -> Interval:
    """The mean of `values` and its percentile bootstrap interval over texts."""
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
