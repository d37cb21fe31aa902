"""What a run's folder says of itself: versions that are compared, and how much is there; what a failure leaves."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from commands import World, command, make_world

from textiba.errors import InputError, TextibaError, VersionWarning
from textiba.runs.config import DataChoice, MethodChoice, SweepConfig
from textiba.runs.sweep import sweep
from textiba.store import RunFolder, check, claimed, incomplete
from textiba.store.manifest import Manifest, no_empty_run, version_changes, versions

pytestmark = pytest.mark.filterwarnings("ignore::textiba.errors.TruncationWarning")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return make_world(tmp_path_factory.mktemp("world"))


def config(world: World, **changes: Any) -> SweepConfig:
    values: dict[str, Any] = {
        "checkpoints": (str(world.model),), "data": DataChoice(source=str(world.texts), limit=3),
        "methods": (MethodChoice(name="random"), MethodChoice(name="saliency")),
    }  # fmt: skip
    return SweepConfig(**(values | changes))


def edited(folder: Path, **changes: Any) -> dict[str, Any]:
    """Changes values of a manifest on disk. Returns them all."""
    file = folder / "manifest.json"
    values = json.loads(file.read_text()) | changes
    file.write_text(json.dumps(values))
    return values


@pytest.mark.parametrize(
    ("package", "before", "words"),
    [
        ("torch", "1.0.0", f"torch 1.0.0, now {versions()['torch']}"),
        ("python", "2.7.18", f"python 2.7.18, now {versions()['python']}"),
        ("textiba", None, f"textiba not installed, now {versions()['textiba']}"),
    ],
)
def test_a_resumed_run_with_other_versions_warns_of_both(
    package: str, before: str | None, words: str, world: World, tmp_path: Path
):
    sweep(config(world), tmp_path / "run")
    known = versions() | {package: before}
    edited(tmp_path / "run", versions={k: v for k, v in known.items() if v is not None})
    with pytest.warns(VersionWarning, match=re.escape(f"begun with other versions: {words}. Results of both")):
        sweep(config(world), tmp_path / "run")
    with pytest.warns(VersionWarning, match=re.escape(words)):
        folder = sweep(config(world), tmp_path / "run")
    values = json.loads((folder.path / "manifest.json").read_text())
    assert values["versions"].get(package) == before, "the versions that the run was begun with stay"
    assert values["resumed_with"] == [versions()], "each other set of versions is written down once"


def test_the_same_versions_and_a_look_into_a_folder_do_not_warn(world: World, tmp_path: Path):
    sweep(config(world), tmp_path / "run")
    sweep(config(world), tmp_path / "run")
    edited(tmp_path / "run", versions={"torch": "1.0.0"})
    assert len(list(RunFolder(tmp_path / "run").read())) == 6


def test_versions_are_compared_in_words():
    assert version_changes({"a": "1", "b": "2"}, {"a": "1", "b": "2"}) == ""
    assert version_changes({"a": "1", "b": "2"}, {"b": "3", "c": "4"}) == (
        "a 1, now not installed; b 2, now 3; c not installed, now 4"
    )


@pytest.mark.parametrize(
    "broken",
    [
        {"methods": (MethodChoice(name="evidence", layers=(99,)),)},
        {"target": "splendid"},
        {"data": DataChoice(source="nowhere.jsonl")},
        {"checkpoints": ("nowhere",)},
        {"max_length": 100_000},
    ],
    ids=lambda broken: next(iter(broken)),
)
def test_a_run_that_fails_at_its_first_step_leaves_no_folder(broken: dict, world: World, tmp_path: Path):
    with pytest.raises(TextibaError):
        sweep(config(world, **broken), tmp_path / "new" / "run")
    assert not (tmp_path / "new").exists()
    assert len(list(sweep(config(world), tmp_path / "new" / "run").read())) == 6


def test_a_run_that_was_killed_at_its_first_step_does_not_refuse_the_corrected_config(world: World, tmp_path: Path):
    run = tmp_path / "run"
    with claimed(run):
        RunFolder(run, config(world, seed=7).model_dump()).manifest.hold("texts", "data", "of other texts")
    assert json.loads((run / "manifest.json").read_text())["settings"]["seed"] == 7
    folder = sweep(config(world), run)
    assert folder.manifest.values["settings"]["seed"] == 0
    assert len(list(folder.read())) == 6
    with pytest.raises(InputError, match="other settings: seed is 0, now 7"):
        sweep(config(world, seed=7), run)


def test_a_failed_resumption_keeps_everything(world: World, tmp_path: Path):
    before = sweep(config(world), tmp_path / "run")
    rows = len(list(before.read()))
    with pytest.raises(InputError, match="other settings"):
        sweep(config(world, seed=7), tmp_path / "run")
    assert len(list(RunFolder(tmp_path / "run").read())) == rows


def test_other_files_of_a_folder_are_not_removed(tmp_path: Path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "notes.txt").write_text("mine")
    with pytest.raises(InputError):
        _fails_at_once(tmp_path / "run")
    assert (tmp_path / "run" / "notes.txt").read_text() == "mine"


def _fails_at_once(folder: Path) -> None:
    with no_empty_run(folder):
        Manifest(folder, {"a": 1}, "sweep")
        raise InputError("a wrong layer")


def test_a_benchmark_with_a_wrong_config_does_not_refuse_the_right_one(world: World, tmp_path: Path):
    values = {
        "checkpoints": [str(world.model)], "data": {"mine": {"source": str(world.texts), "limit": 3}},
        "methods": [{"name": "random"}, {"name": "saliency"}], "reference": "random", "removals": ["delete"],
        "chunk": 2,
    }  # fmt: skip
    wrong = values | {"methods": [{"name": "random"}, {"name": "saliency", "settings": {"layer": 99}}]}
    assert command("benchmark", world.config("wrong", **wrong), "-o", tmp_path / "run").code == 2
    assert not (tmp_path / "run").exists()
    answer = command("benchmark", world.config("right", **values, seed=3), "-o", tmp_path / "run")
    assert answer.code == 0, answer.err
    found = check(tmp_path / "run")
    assert (found.done, found.expected, found.state) == (4, 4, "whole")
    next((tmp_path / "run" / "rows").rglob("*.parquet")).unlink()
    assert check(tmp_path / "run").state == "3 of 4 tables"
    assert "holds 3 of 4 tables; textiba benchmark with its config" in (incomplete(tmp_path / "run") or "")


def test_a_checkpoint_that_was_not_begun_is_named(world: World, tmp_path: Path):
    folder = sweep(config(world), tmp_path / "run")
    assert check(folder.path).state == "whole"
    assert check(folder.path).whole
    settings = folder.manifest.values["settings"] | {"checkpoints": [str(world.model), "general-probe"]}
    edited(folder.path, settings=settings)
    for shard in folder.shards():
        shard.unlink()
    found = check(folder.path)
    assert found.state == "0 of 6 results, not begun: general-probe"
    assert not found.whole
    assert "0 of 6 results, not begun: general-probe" in (incomplete(folder.path) or "")


def test_a_folder_of_before_says_that_nobody_knows(world: World, tmp_path: Path):
    folder = sweep(config(world), tmp_path / "run")
    values = folder.manifest.values
    edited(folder.path, expected={}, settings=values["settings"])
    assert check(folder.path).state == "6 results, of an unknown number"
    assert not check(folder.path).whole
    assert incomplete(folder.path) is None


def test_a_stream_without_an_end_in_sight_is_counted_when_it_ends(world: World, tmp_path: Path):
    data = DataChoice(source=str(world.folder / "train-00000.parquet"), streaming=True, split="train")
    folder = sweep(config(world, data=data), tmp_path / "run")
    assert check(folder.path).state == "whole"
    assert check(folder.path).expected == 2 * 30


@pytest.mark.parametrize("name", [["degrade"], ["runs", "export"]], ids=" ".join)
def test_the_folder_of_another_command_is_named(name: list[str], world: World, tmp_path: Path):
    with claimed(tmp_path / "bench"):
        Manifest(tmp_path / "bench", {"data": {}}, "benchmark CONFIG")
    answer = command(*name, tmp_path / "bench")
    assert answer.code == 2
    [line] = answer.errors
    assert "the folder of a sweep is needed; textiba benchmark made this one" in line
