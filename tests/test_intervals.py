"""Intervals and paired tests against every resample, every assignment of signs, and scipy."""

import itertools
import math

import numpy as np
import pytest

from textiba.errors import InputError
from textiba.evaluation import intervals
from textiba.evaluation.intervals import Quartiles, bootstrap, holm, quartiles, sign_flip_p

VALUES = np.asarray([1.0, 4.0, 2.0, 8.0, 5.0])


def every_mean() -> list[float]:
    """The mean of every resample of `VALUES`."""
    return [float(np.mean(sample)) for sample in itertools.product(VALUES, repeat=5)]


def test_the_interval_is_that_of_every_resample():
    interval = bootstrap(VALUES, level=0.9, draws=50_000, seed=3)
    assert interval.low == pytest.approx(np.percentile(every_mean(), 5), abs=0.2)  # means are 0.2 apart
    assert interval.high == pytest.approx(np.percentile(every_mean(), 95), abs=0.2)
    assert interval.mean == 4.0


def test_the_interval_has_a_level_of_95_percent_unless_another_is_asked():
    draw = np.random.default_rng(5)
    for values in (VALUES, draw.exponential(size=60), draw.normal(3, 1, 200)):
        interval, wanted = bootstrap(values), bootstrap(values, level=0.95)
        narrower = bootstrap(values, level=0.9)
        assert (interval.low, interval.high) == (wanted.low, wanted.high)
        assert interval.low < narrower.low < narrower.high < interval.high


def test_95_of_100_intervals_hold_the_mean():
    draw, held = np.random.default_rng(0), 0
    for _ in range(600):
        interval = bootstrap(draw.normal(5, 2, 100), draws=400, seed=int(draw.integers(1_000_000)))
        held += interval.low <= 5 <= interval.high
    assert 0.92 < held / 600 < 0.975  # at a level of 90 % it would be 0.88


def test_the_interval_holds_the_mean_and_narrows_with_more_texts():
    draw = np.random.default_rng(0)
    few, many = (bootstrap(draw.normal(5, 2, n)) for n in (20, 2000))
    for interval, n in ((few, 20), (many, 2000)):
        assert interval.low < interval.mean < interval.high
        assert interval.high - interval.low == pytest.approx(2 * 1.96 * 2 / math.sqrt(n), rel=0.4)


def test_one_text_has_no_spread():
    interval = bootstrap(np.asarray([2.5]))
    assert (interval.low, interval.mean, interval.high) == (2.5, 2.5, 2.5)
    assert sign_flip_p(np.asarray([2.5])) == 1


def test_blocks_of_resamplings_change_nothing(monkeypatch: pytest.MonkeyPatch):
    values = np.random.default_rng(1).normal(size=50)
    whole = bootstrap(values, draws=300, seed=2)
    monkeypatch.setattr(intervals, "_CACHED", 700)  # 14 draws at a time
    assert bootstrap(values, draws=300, seed=2) == whole


def test_a_median_has_quartiles():
    assert quartiles(np.asarray([9.0, 1.0, 2.0, 4.0, 100.0])) == Quartiles(4.0, 2.0, 9.0)
    assert quartiles(np.asarray([1.0, 2.0])) == Quartiles(1.5, 1.25, 1.75)


@pytest.mark.parametrize("texts", [1, 2, 5, 9, 13])
def test_few_differences_are_tested_by_every_assignment_of_signs(texts: int):
    differences = np.random.default_rng(texts).normal(0.4, 1, texts).round(1)  # rounded, so that sums are equal often
    observed = abs(sum(differences))
    flipped = [
        abs(sum(s * d for s, d in zip(signs, differences, strict=True)))
        for signs in itertools.product((-1, 1), repeat=texts)
    ]
    literal = sum(total >= observed - 1e-9 for total in flipped) / 2**texts
    assert sign_flip_p(differences) == literal


@pytest.mark.parametrize(("texts", "shift"), [(20, 0.5), (40, 0.0), (40, 0.3), (300, 0.1), (300, 0.5)])
def test_p_is_that_of_scipy(texts: int, shift: float):
    stats = pytest.importorskip("scipy.stats")
    differences = np.random.default_rng(texts).normal(shift, 1, texts)
    expected = stats.permutation_test(
        (differences,), lambda x, axis: x.mean(axis=axis), permutation_type="samples", n_resamples=9999,
        vectorized=True, rng=np.random.default_rng(1),
    ).pvalue  # fmt: skip
    found = sign_flip_p(differences)
    assert found == pytest.approx(expected, abs=4 * math.sqrt(expected * (1 - expected) / 9999) + 2e-4)
    assert found == sign_flip_p(differences) == sign_flip_p(-differences)
    assert found >= 1e-4, "the observed assignment is one of them"


def test_p_is_below_5_percent_in_5_of_100_tests_without_a_difference():
    draw = np.random.default_rng(2)
    found = [sign_flip_p(draw.normal(0, 1, 12)) for _ in range(600)]
    assert 0.03 < np.mean(np.asarray(found) <= 0.05) < 0.07


def test_p_in_blocks(monkeypatch: pytest.MonkeyPatch):
    differences = np.random.default_rng(3).normal(0.3, 1, 30)
    whole = sign_flip_p(differences)
    monkeypatch.setattr(intervals, "_CACHED", 1000)
    assert sign_flip_p(differences) == pytest.approx(whole, abs=0.02)


def test_differences_that_are_all_zero_are_not_significant():
    assert sign_flip_p(np.zeros(5)) == sign_flip_p(np.zeros(40)) == 1


def test_holm_by_hand():
    # Sorted 0.01, 0.02, 0.03, 0.2: times 4, 3, 2, 1 is 0.04, 0.06, 0.06, 0.2.
    assert holm([0.03, 0.01, 0.2, 0.02]) == pytest.approx([0.06, 0.04, 0.2, 0.06])
    assert holm([0.6, 0.4]) == pytest.approx([0.8, 0.8])  # 0.8, and then not below it: 0.6 would be less
    assert holm([0.7, 0.9]) == [1.0, 1.0]
    assert holm([0.5]) == [0.5]
    assert holm([]) == []


def test_holm_rejects_as_its_paper_says():
    """Step down: reject the smallest p while p_(i) ≤ α / (m − i + 1), and stop at the first that is not."""
    draw = np.random.default_rng(4)
    for _ in range(100):
        p = (draw.random(int(draw.integers(1, 9))) ** 4).tolist()
        rejected, order = set(), sorted(range(len(p)), key=lambda i: p[i])
        for rank, place in enumerate(order):
            if p[place] > 0.05 / (len(p) - rank):
                break
            rejected.add(place)
        assert {i for i, adjusted in enumerate(holm(p)) if adjusted <= 0.05} == rejected


@pytest.mark.parametrize("function", [bootstrap, quartiles, sign_flip_p])
@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([], "at least one text; got none"),
        ([1.0, math.nan], "1 of 2 are NaN or infinite"),
        ([math.inf, 1.0, -math.inf], "2 of 3"),
    ],
)
def test_values_that_have_no_mean(function: object, values: list[float], message: str):
    assert callable(function)
    with pytest.raises(InputError, match=message):
        function(np.asarray(values, dtype=np.float64))
