"""A page from the folders of runs: what is shown once, which curve is of which text, and what is missing."""

import json
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from textiba import cli
from textiba.attribution import Attribution
from textiba.benchmark.folder import BenchmarkFolder
from textiba.errors import InputError
from textiba.evaluation.degradation import Degradation
from textiba.evaluation.intervals import bootstrap
from textiba.report import explore
from textiba.runs.config import DataChoice, MethodChoice, SweepConfig
from textiba.runs.sweep import degrade_run, sweep
from textiba.store import RunFolder

_STEPS = Degradation(steps=(0, 0.5, 1), seed=3)
pytestmark = pytest.mark.filterwarnings("ignore::textiba.errors.TextibaWarning")


def _config(**changes) -> SweepConfig:
    evidence = MethodChoice(name="evidence", settings={"nodes": 2}, layers=(4, 5))
    bits = MethodChoice(name="per_sample", settings={"steps": 1, "layer": 5}, betas=(1e-4, 1e-3))
    fields = {"data": DataChoice(limit=4), "max_length": 24, "methods": (evidence, bits)}
    return SweepConfig(**fields | changes)


@pytest.fixture(scope="module")
def degraded(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """Four texts × evidence at two layers and bits at two β, degraded."""
    folder = sweep(_config(), tmp_path_factory.mktemp("page") / "run")
    degrade_run(folder, _STEPS)
    return folder


@pytest.fixture
def copy(degraded: RunFolder, tmp_path: Path) -> Path:
    """A copy of that folder to spoil."""
    return Path(shutil.copytree(degraded.path, tmp_path / "copy"))


def _results(folder: Path) -> dict[tuple[str, str, str], Attribution]:
    found = explore([folder]).attributions
    return {(a.text.source.id, a.method, str(a.settings)): a for a in found}


def test_each_curve_names_its_texts_and_seed(degraded: RunFolder):
    for curve in degraded.read_curves():
        key = (curve.checkpoint, curve.method, json.dumps(dict(curve.settings), sort_keys=True))
        known = dict(degraded.read(key))
        assert sorted(curve.texts) == [0, 1, 2, 3]
        assert curve.seed == 3
        whole = [known[number].probability for number in curve.texts]
        np.testing.assert_allclose(curve.probability[:, 0], whole, atol=1e-4)


def test_a_page_has_every_result_and_each_text_its_own_curve(degraded: RunFolder):
    found = explore([degraded.path])
    assert found.title == "run"
    assert len(found.attributions) == len(found.removed) == 16
    assert len({id(a.text) for a in found.attributions}) == 4  # shared, or 200 texts would not fit into memory
    assert len(found.curves) == 4
    for removed in found.removed:
        assert any(removed.attribution is a for a in found.attributions)
        assert removed.probability["morf"][0] == pytest.approx(removed.attribution.probability, abs=1e-4)
        assert removed.seed == 3
    assert not found.advice
    assert {row.layer for row in found.profile} == {4, 5}
    [made] = found.made
    assert made.facts["seed"] == "0"
    assert made.facts["fingerprint of fine-tuned"]
    assert "nodes: 2" in made.manifest


def test_results_that_two_runs_share_are_shown_once(degraded: RunFolder, copy: Path):
    assert len(explore([degraded.path, copy]).attributions) == 16
    assert len(explore([copy.parent]).attributions) == 16  # a folder of runs


def test_a_limit_keeps_the_first_texts_and_the_whole_profile(degraded: RunFolder):
    found = explore([degraded.path], "Mine", limit=2)
    assert found.title == "Mine"
    assert len(found.attributions) == len(found.removed) == 8
    assert {row.texts for row in found.profile} == {4}
    assert {len(group["morf"].probability) for group in found.curves} == {4}


def test_curves_that_do_not_fit_the_results_are_left_out_with_a_word(copy: Path):
    path = copy / "curves-delete.parquet"
    rows = pq.read_table(path).to_pylist()
    for row in rows:
        row["probability"] = row["probability"][::-1]  # of other texts
    pq.write_table(pa.Table.from_pylist(rows), path)
    found = explore([copy])
    assert not found.removed
    assert not found.curves
    assert f"make them again with: textiba degrade {copy} --removal delete" in found.advice[0]


def test_without_curves_the_page_says_how_to_make_them(copy: Path):
    (copy / "curves-delete.parquet").unlink()
    wanted = f"No words were removed in this run yet; remove them with: textiba degrade {copy}"
    assert explore([copy]).advice == (wanted,)


def test_what_cannot_be_shown_is_an_error_that_says_why(degraded: RunFolder, copy: Path, tmp_path: Path):
    for path in (tmp_path / "nowhere", tmp_path):
        with pytest.raises(InputError, match="no results of a sweep or a benchmark here"):
            explore([path / "x"])
    manifest = json.loads((copy / "manifest.json").read_text())
    manifest["checkpoints"]["fine-tuned"] = "another"
    (copy / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(InputError, match="'fine-tuned' is .* and another in .*copy"):
        explore([degraded.path, copy])


def test_a_line_of_the_profile_rests_on_one_run(tmp_path: Path, degraded: RunFolder):
    more = MethodChoice(name="evidence", settings={"nodes": 2, "layer": 5})
    other = sweep(_config(data=DataChoice(limit=5), methods=(more,)), tmp_path / "more")
    found = explore([other.path, degraded.path])
    assert sorted((r.layer, r.texts) for r in found.profile if r.method == "evidence") == [(4, 4), (5, 4)]


def test_a_benchmark_adds_its_leaderboard(degraded: RunFolder, small_benchmark: BenchmarkFolder):
    found = explore([degraded.path, small_benchmark.path])
    assert found.leaderboards
    for board in found.leaderboards.values():
        assert len({len(cells) for cells in board.values()}) == 1
        assert "method" in board
    with pytest.raises(InputError, match="there is none in"):
        explore([small_benchmark.path])


def test_the_command_writes_the_page(degraded: RunFolder, tmp_path: Path):
    page = tmp_path / "out" / "page.html"
    result = CliRunner().invoke(cli.app, ["report", str(degraded.path), "-o", str(page), "--title", "Tom & Jerry"])
    assert result.exit_code == 0, result.output
    assert "16 results" in result.output
    assert "<title>Tom &amp; Jerry</title>" in page.read_text("utf-8")


def test_kept_draws_change_no_interval():
    values = np.random.default_rng(0).normal(size=50)
    times = np.random.default_rng(7).multinomial(50, np.full(50, 1 / 50), 300)
    low, high = np.quantile(times @ values / 50, [0.05, 0.95])
    for found in [bootstrap(values, level=0.9, draws=300, seed=7) for _ in range(2)]:
        assert (found.low, found.high) == (pytest.approx(low), pytest.approx(high))
