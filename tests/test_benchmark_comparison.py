"""Comparisons in the leaderboard: their direction, their p-values, their marks; from rows made by hand."""

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from benches import score_of

from textiba.benchmark import BenchmarkConfig, leaderboard
from textiba.benchmark.figure import plot_leaderboard
from textiba.benchmark.folder import BenchmarkFolder, Place
from textiba.benchmark.leaderboard import Score, lower_is_better
from textiba.benchmark.tables import footnotes, lead_table, markdown, other_table, ranked, score_columns, write_tables
from textiba.evaluation.intervals import Quartiles
from textiba.evaluation.metrics import LOWER_IS_BETTER
from textiba.methods import TwoSided

LABELS = ("two_sided", "lrp", "random", "saliency")
HIGHER = ("area", "lerf", "comprehensiveness")


def folder_of(path: Path, rows: dict[str, list[dict[str, Any]]]) -> BenchmarkFolder:
    """A benchmark's folder with these rows of each label; each row gets a number, scores and costs."""
    config = {"data": {"texts": {}}, "methods": [{"name": name} for name in LABELS], "reference": "two_sided"}
    folder = BenchmarkFolder(path, BenchmarkConfig.from_mapping(config, "test"))
    for label, values in rows.items():
        usual = {"scores": [0.0, 1.0], "cut": 0, "seconds": 1.0, "forward": 2.0, "backward": 1.0}
        whole = [{"index": i, **usual, **value} for i, value in enumerate(values)]
        folder.write(Place("texts", "fine-tuned", label), 0, whole)
    return folder


def areas(*values: float) -> list[dict[str, float]]:
    return [{"delete area": value} for value in values]


def advantage(scores: list[Score], label: str, metric: str) -> float:
    comparison = score_of(scores, label, metric).comparison
    assert comparison is not None
    return comparison.advantage.mean


def test_an_advantage_is_positive_where_the_method_is_better(tmp_path: Path):
    names = (*HIGHER, *LOWER_IS_BETTER)
    assert set(names) == {"area", "morf", "lerf", "comprehensiveness", "sufficiency", "log_odds"}

    def row(better: float) -> dict[str, float]:
        by = {f"delete {name}": -better if name in LOWER_IS_BETTER else better for name in names}
        return {**by, "noise kept": better, "rationale auprc": better}

    rows = {"two_sided": [row(0.5)] * 3, "lrp": [row(0.6)] * 3, "random": [row(0.1)] * 3}
    found = leaderboard(folder_of(tmp_path, rows))
    metrics = [s.metric for s in found if s.label == "lrp" and s.comparison is not None]
    assert len(metrics) == len(names) + 2
    for metric in metrics:
        assert advantage(found, "lrp", metric) == pytest.approx(0.1), metric
        assert advantage(found, "random", metric) == pytest.approx(-0.4), metric
        assert ranked(found, metric) == ["lrp", "two_sided", "random"], metric
    page = other_table(found)
    assert {name for name in page if name.endswith(" ↓")} == {f"delete {name} ↓" for name in LOWER_IS_BETTER}


@pytest.mark.parametrize("metric", ["mask morf", "pad sufficiency", "delete log_odds", "forward", "seconds"])
def test_metrics_that_are_better_when_lower(metric: str):
    assert lower_is_better(metric)


@pytest.mark.parametrize("metric", ["mask lerf", "delete area", "noise kept", "sensitivity-n", "rationale token_f1"])
def test_metrics_that_are_better_when_higher(metric: str):
    assert not lower_is_better(metric)


def test_p_values_by_hand_and_holm_s_over_the_methods_of_a_metric(tmp_path: Path):
    reference = [0.5, 0.6, 0.7, 0.5, 0.6, 0.7]
    worse = [value - 0.1 for value in reference]  # of all 64 assignments two are as far from 0: the observed, and all −
    mixed = [value + d for value, d in zip(reference, (0.1, -0.1, 0.1, -0.1, 0.1, -0.1), strict=True)]  # a mean of 0
    once = [*reference[:5], 0.0]  # five differences of 0: every assignment has the same |mean|
    rows = {"two_sided": reference, "lrp": worse, "random": mixed, "saliency": once}
    found = leaderboard(folder_of(tmp_path, {label: areas(*values) for label, values in rows.items()}))
    by = {label: score_of(found, label, "delete area").comparison for label in LABELS}
    assert by["two_sided"] is None
    p = {label: c.p for label, c in by.items() if c is not None}
    assert p == pytest.approx({"lrp": 2 / 64, "random": 1, "saliency": 1})
    adjusted = {label: c.adjusted for label, c in by.items() if c is not None}
    assert adjusted == pytest.approx({"lrp": 3 * 2 / 64, "random": 1, "saliency": 1})


def test_only_what_stays_significant_after_the_correction_is_marked(tmp_path: Path):
    reference = np.linspace(0.4, 0.9, 8)
    gain = np.array([0.02, 0.01, 0.02, 0.01, 0.02, 0.01, -0.002, -0.006])  # p = 8 / 256, below 0.05; twice that is not
    rows = {"two_sided": reference, "lrp": reference - 0.3, "random": reference - gain, "saliency": reference + gain}
    folder = folder_of(tmp_path, {label: areas(*values) for label, values in rows.items()})
    found = leaderboard(folder)
    p = {s.label: (s.comparison.p, s.comparison.adjusted) for s in found if s.comparison is not None}
    assert p == {"lrp": (2 / 256, 6 / 256), "random": (8 / 256, 16 / 256), "saliency": (8 / 256, 16 / 256)}
    cells = dict(zip(*(lead_table(found)[name] for name in ("method", "Δ delete area")), strict=True))
    assert {label: cell.endswith("*") for label, cell in cells.items()} == {
        "two_sided": False, "lrp": True, "random": False, "saliency": False,
    }  # fmt: skip
    assert cells["lrp"].startswith("-0.300 [")
    assert cells["saliency"].startswith("+0.010 [")
    assert "significant: p < 0.05" in markdown(folder, found, [])
    assert not footnotes([s for s in found if s.label == "two_sided"])


def test_a_method_that_optimises_a_metric_is_marked_wherever_it_is_ranked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(TwoSided, "optimises", "area between LeRF and MoRF", raising=False)
    rows = {
        label: [{"delete area": 0.5, "delete morf": 0.1, "noise kept": 0.8}] * 3 for label in ("two_sided", "random")
    }
    folder = folder_of(tmp_path, rows)
    found = leaderboard(folder)
    assert {s.label: s.optimises for s in found} == {"two_sided": "area between LeRF and MoRF", "random": ""}
    assert lead_table(found)["method"] == other_table(found)["method"] == ["two_sided †", "random"]
    page = markdown(folder, found, [])
    assert "† two_sided optimises the area between LeRF and MoRF for each text" in page
    assert "Compare noise kept, which no method optimises by default." in page
    figure = plot_leaderboard(found, "a title")
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["1  two_sided †", "2  random"]
    assert figure.get_supxlabel() == "† optimises the area between LeRF and MoRF for each text"
    write_tables(folder, found)
    with (tmp_path / "leaderboard.csv").open(encoding="utf-8") as file:
        lines = list(csv.DictReader(file))
    assert {line["optimises"] for line in lines if line["method"] == "two_sided"} == {"area between LeRF and MoRF"}


def test_the_csv_says_what_its_numbers_are(tmp_path: Path):
    seconds = [{"delete area": 0.5, "delete morf": 0.2, "seconds": s} for s in (1.0, 2.0, 4.0, 9.0, 100.0)]
    columns = score_columns(leaderboard(folder_of(tmp_path, {"two_sided": seconds, "lrp": seconds})))
    lines = [dict(zip(columns, cells, strict=True)) for cells in zip(*columns.values(), strict=True)]
    assert {line["metric"]: line["statistic"] for line in lines} == {
        "seconds": "median", "forward": "mean", "backward": "mean", "delete area": "mean", "delete morf": "mean",
    }  # fmt: skip
    [mine] = [line for line in lines if (line["method"], line["metric"]) == ("lrp", "delete morf")]
    assert (mine["better"], mine["pairs"], mine["advantage"], mine["p"], mine["p Holm"]) == (
        "lower", "5", "0.00000", "1", "1",
    )  # fmt: skip
    [own] = [line for line in lines if (line["method"], line["metric"]) == ("two_sided", "delete morf")]
    assert own["pairs"] == own["advantage"] == own["p"] == own["p Holm"] == ""
    assert "mean" not in columns


def test_seconds_are_a_median_with_quartiles(tmp_path: Path):
    seconds = [{"seconds": s} for s in (1.0, 2.0, 4.0, 9.0, 100.0)]  # their mean is 23.2
    found = leaderboard(folder_of(tmp_path, {"two_sided": [{"delete area": 0.5, **s} for s in seconds]}))
    score = score_of(found, "two_sided", "seconds")
    assert score.value == Quartiles(4.0, 2.0, 9.0)
    assert lead_table(found)["median s / text"] == ["4"]
    columns = score_columns(found)
    place = columns["metric"].index("seconds")
    assert [columns[name][place] for name in ("value", "low", "high")] == ["4.00000", "2.00000", "9.00000"]


def test_pairs_are_the_texts_that_both_have(tmp_path: Path):
    rows = {"two_sided": areas(0.1, 0.2, 0.3, 0.4), "lrp": areas(0.3, 0.3), "random": areas(0.0, 0.0, 0.0)}
    found = leaderboard(folder_of(tmp_path, rows))
    comparison = score_of(found, "lrp", "delete area").comparison
    assert comparison is not None
    assert comparison.pairs == 2
    assert comparison.advantage.mean == pytest.approx((0.2 + 0.1) / 2)
    assert score_of(found, "two_sided", "delete area", "common").texts == 2


@pytest.mark.parametrize("name", ["imdb", "rationales"])
def test_the_committed_leaderboards_have_today_s_columns_and_marks(name: str):
    folder = Path(__file__).parent.parent / "experiments" / "benchmark" / name
    with (folder / "leaderboard.csv").open(encoding="utf-8") as file:
        lines = list(csv.DictReader(file))
    assert list(lines[0]) == list(score_columns([]))
    for line in lines:
        assert line["better"] == ("lower" if lower_is_better(line["metric"]) else "higher")
        assert line["statistic"] == ("median" if line["metric"] == "seconds" else "mean")
    by = {(line["method"], line["metric"], line["on"]): line for line in lines}
    for (method, metric, on), line in by.items():  # an advantage has the sign of the difference, but for ties
        own, reference = float(line["value"]), float(by["two-sided", metric, on]["value"])
        if line["advantage"] and line["pairs"] == line["texts"] == by["two-sided", metric, on]["texts"]:
            gain = reference - own if line["better"] == "lower" else own - reference
            assert float(line["advantage"]) == pytest.approx(gain, abs=2e-5), (method, metric, on)
    page = (folder / "leaderboard.md").read_text("utf-8")
    assert "| two-sided †" in page
    assert "† two-sided optimises the area between LeRF and MoRF for each text" in page
    if not any(line["p Holm"] for line in lines):
        assert "predate Holm's correction" in page
        assert f"`textiba benchmark experiments/benchmark/{name}.yaml` makes them anew" in page
