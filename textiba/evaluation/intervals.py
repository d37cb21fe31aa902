"""Intervals of means and medians, and tests of paired differences."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from jaxtyping import Float, Int8

from textiba.errors import InputError

_CACHED = 4_000_000  # numbers; a resampling of at most this size is cached
_EXACT = 13  # with at most this many texts all 2ⁿ assignments of signs are tried
_ROUNDING = 1e-12  # two sums closer than this share of the sum of absolute values are equal


@dataclass(frozen=True, slots=True)
class Interval:
    """A mean over texts with its 95 % interval.

    The interval is the percentile bootstrap (Efron, 1979), unless the function that returns the interval names another
    method.
    """

    mean: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Quartiles:
    """A median over texts.

    Attributes:
        median: the median.
        low: the first quartile.
        high: the third quartile.
    """

    median: float
    low: float
    high: float


def bootstrap(values: Float[np.ndarray, " texts"], level: float = 0.95, draws: int = 2000, seed: int = 0) -> Interval:
    """The mean of `values` and its percentile bootstrap interval over texts.

    Args:
        values: one value for each text.
        level: the share of the resampled means that lies within the interval.
        draws: number of resamplings.
        seed: seed of the resamplings; the same seed gives the same interval.

    Raises:
        InputError: there are no values.
    """
    _check(values)
    means = np.concatenate([times @ values for times in _resamplings(len(values), draws, seed)]) / len(values)
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(values.mean()), float(low), float(high))


def quartiles(values: Float[np.ndarray, " texts"]) -> Quartiles:
    """The median of `values`, with the first and the third quartile.

    Raises:
        InputError: there are no values.
    """
    _check(values)
    low, median, high = np.quantile(values, [0.25, 0.5, 0.75])
    return Quartiles(float(median), float(low), float(high))


def sign_flip_p(differences: Float[np.ndarray, " texts"], draws: int = 9999, seed: int = 0) -> float:
    """The two-sided p-value of paired differences, by the sign-flip permutation test of their mean.

    If neither side of the pairs is better, the difference of each text is as likely to be positive as negative. p is
    the share of the assignments of signs whose mean is at least as far from 0 as the observed mean. With up to 13
    texts, all assignments are tried, and p is exact. With more texts, `draws` random assignments are tried, and the
    observed assignment is counted too. If the means of b random assignments are at least as far from 0 as the observed
    mean, p = (1 + b) / (1 + draws).

    Source: Fisher, *The Design of Experiments*, 1935, chapter 3; Phipson and Smyth, *Permutation P-values Should Never
    Be Zero*, 2010.

    Args:
        differences: one difference for each text.
        draws: number of random assignments of signs.
        seed: seed of the assignments; the same seed gives the same p.

    Raises:
        InputError: there are no differences.
    """
    _check(differences)
    texts = len(differences)
    # Sums that are equal in exact arithmetic may differ in their last digits.
    least = abs(differences.sum()) - _ROUNDING * np.abs(differences).sum()
    exact = texts <= _EXACT
    blocks = [_every_sign(texts)] if exact else _sign_flips(texts, draws, seed)
    as_far = sum(int((np.abs(signs @ differences) >= least).sum()) for signs in blocks)
    return as_far / 2**texts if exact else (1 + as_far) / (1 + draws)


def holm(p_values: Sequence[float]) -> list[float]:
    """p-values adjusted for their number, so that the chance of any false rejection stays below the level.

    The i-th smallest of m p-values is multiplied by m − i + 1. An adjusted p is at least the adjusted p of every
    smaller p-value, and at most 1.

    Source: Holm, *A Simple Sequentially Rejective Multiple Test Procedure*, 1979.
    """
    adjusted, largest = [0.0] * len(p_values), 0.0
    for rank, place in enumerate(sorted(range(len(p_values)), key=lambda i: p_values[i])):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[place]))
        adjusted[place] = largest
    return adjusted


def _check(values: Float[np.ndarray, " texts"]) -> None:
    if not len(values):
        raise InputError("an interval or a test needs the values of at least one text; got none")
    if missing := int((~np.isfinite(values)).sum()):
        raise InputError(f"an interval or a test needs finite values; {missing} of {len(values)} are NaN or infinite")


def _resamplings(texts: int, draws: int, seed: int) -> Iterator[Float[np.ndarray, "draws texts"]]:
    """Yields how often each draw (with replacement) contains each text, in blocks, so that memory stays bounded."""
    if texts * draws <= _CACHED:
        yield _cached_resampling(texts, draws, seed)
        return
    generator = np.random.default_rng(seed)
    for count in _blocks(texts, draws):
        yield generator.multinomial(texts, np.full(texts, 1 / texts), count).astype(np.float64)


@lru_cache(maxsize=4)  # all numbers of a table or of a curve share one resampling
def _cached_resampling(texts: int, draws: int, seed: int) -> Float[np.ndarray, "draws texts"]:
    times = np.random.default_rng(seed).multinomial(texts, np.full(texts, 1 / texts), draws)
    return times.astype(np.float64)


def _sign_flips(texts: int, draws: int, seed: int) -> Iterator[Int8[np.ndarray, "draws texts"]]:
    """Yields random signs, −1 or 1, in blocks of draws."""
    if texts * draws <= _CACHED:
        yield _cached_signs(texts, draws, seed)
        return
    generator = np.random.default_rng(seed)
    for count in _blocks(texts, draws):
        yield _signs(generator, count, texts)


@lru_cache(maxsize=4)
def _cached_signs(texts: int, draws: int, seed: int) -> Int8[np.ndarray, "draws texts"]:
    return _signs(np.random.default_rng(seed), draws, texts)


def _signs(generator: np.random.Generator, draws: int, texts: int) -> Int8[np.ndarray, "draws texts"]:
    return 2 * generator.integers(0, 2, (draws, texts), dtype=np.int8) - 1


def _every_sign(texts: int) -> Int8[np.ndarray, "assignments texts"]:
    """All 2ⁿ assignments of −1 or 1 to n texts."""
    numbers = np.arange(2**texts)[:, None]
    return (2 * (numbers >> np.arange(texts) & 1) - 1).astype(np.int8)


def _blocks(texts: int, draws: int) -> Iterator[int]:
    """Sizes of blocks of draws, which add up to `draws`."""
    size = max(1, _CACHED // texts)
    for begin in range(0, draws, size):
        yield min(size, draws - begin)
