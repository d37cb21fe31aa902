"""A report of runs of which one is damaged or not whole: the others are shown, and the page and the terminal say so."""

import json
import shutil
from pathlib import Path

import pytest
from commands import World, command, make_world

from textiba.errors import CorruptFileError, InputError
from textiba.report import explore


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    made = make_world(tmp_path_factory.mktemp("world"))
    assert command("sweep", made.sweep(), "-o", made.folder / "runs" / "a").code == 0
    assert command("degrade", made.folder / "runs" / "a", "--steps", "0,1").code == 0
    assert command("sweep", made.sweep(methods=[{"name": "lrp"}]), "-o", made.folder / "runs" / "b").code == 0
    return made


@pytest.fixture
def runs(world: World, tmp_path: Path) -> Path:
    return shutil.copytree(world.folder / "runs", tmp_path / "runs")


@pytest.mark.parametrize("what", ["shard", "manifest"])
def test_one_damaged_run_does_not_stop_a_report_of_the_others(what: str, runs: Path):
    file = next((runs / "b").rglob("part-*.parquet")) if what == "shard" else runs / "b" / "manifest.json"
    file.write_bytes(b"torn")
    found = explore([runs])
    assert {a.method for a in found.attributions} == {"random", "evidence"}
    assert [made.name for made in found.made] == ["a"]
    [advice] = found.advice
    assert advice.startswith(f"{runs / 'b'} is left out: ")
    assert "textiba runs repair" in advice
    answer = command("report", runs)
    assert answer.code == 0
    assert f"note: {advice}" in answer.err
    assert "is left out" in (runs / "page.html").read_text("utf-8")
    with pytest.raises(CorruptFileError):
        explore([runs / "b"])


def test_a_page_has_one_question_for_each_checkpoint(world: World, tmp_path: Path):
    runs = shutil.copytree(world.folder / "runs", tmp_path / "runs")
    asked = {"outcome": {"kind": "rather", "this": 1, "that": 0}, "target": 1}
    assert command("sweep", world.sweep(methods=[{"name": "random"}], **asked), "-o", runs / "c").code == 0
    with pytest.raises(InputError, match=r"a checkpoint is asked one question; .* Make two pages"):
        explore([runs])
    [made] = explore([runs / "c"]).made
    assert "rather" in made.facts["question"]


def test_damaged_curves_leave_the_results(runs: Path):
    (runs / "a" / "curves-delete.parquet").write_bytes(b"torn")
    found = explore([runs])
    assert {a.method for a in found.attributions} == {"random", "evidence", "lrp"}
    assert not found.removed
    [advice] = [advice for advice in found.advice if "curves-delete.parquet: damaged" in advice]
    assert advice.startswith(f"the curves of {runs / 'a'} are left out: ")


def test_a_report_of_a_part_says_so(runs: Path):
    shard = next((runs / "a").rglob("part-*.parquet"))
    manifest = json.loads((runs / "a" / "manifest.json").read_text())
    [(name, count)] = manifest["expected"].items()
    manifest["expected"][name] = 3 * count
    (runs / "a" / "manifest.json").write_text(json.dumps(manifest))
    assert shard.is_file()
    sentence = f"{runs / 'a'} holds {count} of {3 * count} results; textiba sweep with its config"
    found = explore([runs])
    assert any(advice.startswith(sentence) for advice in found.advice)
    assert [sorted(made.facts)[:1] for made in found.made if "not whole" in made.facts]
    assert "not whole" not in {made.name: made for made in found.made}["b"].facts
    answer = command("report", runs)
    assert sentence in answer.err
    assert f"holds {count} of {3 * count} results" in (runs / "page.html").read_text("utf-8")
