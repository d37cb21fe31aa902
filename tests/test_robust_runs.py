"""Runs against what happens to them: kills, full disks, torn files, two writers, several processes."""

import json
import shlex
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import psutil
import pytest
from folders import ENVIRONMENT, TORCHRUN, table
from typer.testing import CliRunner

from textiba.cli.shared import app, console
from textiba.errors import BusyFolderError, CorruptFileError, InputError
from textiba.runs.config import DataChoice, MethodChoice, SweepConfig
from textiba.runs.sweep import sweep
from textiba.store import RunFolder, check, claimed, repair

CONFIG = SweepConfig(
    data=DataChoice(limit=60),
    max_length=48,
    methods=(MethodChoice(name="evidence", settings={"nodes": 1}, layers=(3, 5)), MethodChoice(name="random")),
)
SMALL = SweepConfig(data=DataChoice(limit=6), max_length=32, methods=(MethodChoice(name="random"),))
pytestmark = pytest.mark.filterwarnings("ignore::textiba.errors.TruncationWarning")


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    folder = tmp_path_factory.mktemp("undisturbed")
    _launch(folder).communicate()
    return RunFolder(folder)


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    return sweep(SMALL, tmp_path / "run")


@pytest.mark.long
@pytest.mark.parametrize("processes", [1, 2])
def test_killed_and_started_again_it_has_every_text_once_and_the_same_numbers(
    processes: int, tmp_path: Path, undisturbed: RunFolder
):
    for _ in range(2):
        _killed_after_a_shard(tmp_path, processes)
    last = _launch(tmp_path)  # one goes on with what two began
    _, errors = last.communicate()
    assert last.returncode == 0, errors
    folder = RunFolder(tmp_path)
    rows = [(row[0], row[1].method, str(row[1].settings)) for row in folder.read()]
    assert len(rows) == check(tmp_path).rows == 60 * 3
    assert table(folder) == table(undisturbed)


def test_two_processes_share_the_texts(tmp_path: Path, undisturbed: RunFolder):
    launched = _launch(tmp_path, 2)
    _, errors = launched.communicate()
    assert launched.returncode == 0, errors
    folder = RunFolder(tmp_path)
    assert {shard.name.split("-")[1] for shard in folder.shards()} == {"0000", "0001"}
    assert check(tmp_path).rows == 60 * 3
    assert table(folder) == table(undisturbed)


def test_the_documented_launch_of_two_processes(tmp_path: Path):
    root = Path(__file__).parents[1]
    [line] = [x for x in (root / "docs" / "scale.md").read_text("utf-8").splitlines() if x.startswith("torchrun ")]
    launcher, *rest = shlex.split(line)
    command = [str(Path(sys.executable).with_name(launcher)), *rest[:-1], str(tmp_path / "two")]
    launched = subprocess.run(command, env=ENVIRONMENT, cwd=root, capture_output=True, check=False)  # noqa: S603
    assert launched.returncode == 0, launched.stderr
    found = check(tmp_path / "two")
    assert (found.rows, found.sound) == (40 * 3, True)
    assert len(RunFolder(tmp_path / "two").shards()) == 2
    assert launched.stdout.decode().count("Results are in") == 1


@pytest.mark.long
def test_on_a_full_disk_what_was_saved_stays(tmp_path: Path, undisturbed: RunFolder):
    _killed_after_a_shard(tmp_path)
    saved = {shard: shard.read_bytes() for shard in RunFolder(tmp_path).shards()}
    assert saved
    limited = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096)); "
    full = subprocess.run(  # noqa: S603
        _command(tmp_path, limited), env=ENVIRONMENT, capture_output=True, check=False
    )
    assert full.returncode == 1
    assert b"could not be written" in full.stderr
    assert b"What was saved before is whole. Raise the limit on the size of a file (ulimit -f)" in full.stderr
    assert check(tmp_path).sound
    assert {shard: shard.read_bytes() for shard in RunFolder(tmp_path).shards()} == saved
    _launch(tmp_path).communicate()
    assert table(RunFolder(tmp_path)) == table(undisturbed)


def test_a_disk_that_was_full_from_the_start_leaves_nothing(tmp_path: Path):
    limited = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096)); "
    folder = tmp_path / "run"
    folder.mkdir()
    full = subprocess.run(_command(folder, limited), env=ENVIRONMENT, capture_output=True, check=False)  # noqa: S603
    assert full.returncode == 1
    assert b"could not be written" in full.stderr
    assert not list(folder.rglob("*"))


def test_two_runs_cannot_write_to_one_folder(run: RunFolder):
    with claimed(run.path):
        assert check(run.path).busy
        with pytest.raises(BusyFolderError, match="being written to by another process"):
            sweep(SMALL, run.path)
        with pytest.raises(BusyFolderError):
            repair(run.path)
    assert not check(run.path).busy
    assert len(table(sweep(SMALL, run.path))) == 6


def test_check_and_repair(run: RunFolder, tmp_path: Path):
    other = sweep(SMALL.model_copy(update={"seed": 1}), tmp_path / "other")
    foreign = run.path / "attributions" / "part-0007-000000.parquet"
    foreign.write_bytes(other.shards()[0].read_bytes())
    torn = run.path / "curves-delete.parquet"
    torn.write_bytes(b"PAR1 and no more")
    left = run.path / "attributions" / "part-0000-000009.parquet.123.tmp"
    left.write_bytes(b"half")
    before = check(run.path)
    assert not before.sound
    assert (before.foreign, before.damaged, before.leftovers) == ((foreign,), (torn,), (left,))
    result = CliRunner().invoke(app, ["runs", "check", str(run.path)])
    assert result.exit_code == 1
    assert "textiba runs repair" in result.stdout
    assert CliRunner().invoke(app, ["runs", "repair", str(run.path)]).exit_code == 0
    after = check(run.path)
    assert after.sound
    assert after.leftovers == ()
    assert after.rows == 6
    assert foreign.with_name(foreign.name + ".damaged").is_file()


def test_a_lost_manifest_is_made_from_the_results(run: RunFolder):
    before = table(run)
    manifest = run.path / "manifest.json"
    manifest.write_text('{"settings": ')
    with pytest.raises(CorruptFileError, match="textiba runs repair"):
        sweep(SMALL, run.path)
    repair(run.path)
    assert SweepConfig.from_mapping(json.loads(manifest.read_text())["settings"], "manifest") == SMALL
    assert table(sweep(SMALL, run.path)) == before
    for shard in run.shards():
        shard.unlink()
    manifest.write_text("")
    with pytest.raises(CorruptFileError, match="no result tells the settings"):
        repair(run.path)


def test_an_edited_config_is_refused_and_says_where(run: RunFolder):
    edited = SMALL.model_copy(update={"data": DataChoice(limit=7)})
    with pytest.raises(InputError, match=r"data\.limit is 6, now 7"):
        sweep(edited, run.path)


def test_runs_are_listed(run: RunFolder, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(console, "width", 200)  # where it is narrow, what all runs share is said once
    sweep(SMALL, run.path.parent / "another")
    result = CliRunner().invoke(app, ["runs", "list", str(run.path.parent)])
    assert result.exit_code == 0
    assert result.stdout.count("whole") == 2
    assert result.stdout.count("textiba sweep") == 2


def test_results_as_a_data_set_and_as_lines_of_json(run: RunFolder, tmp_path: Path):
    rows = run.dataset()
    assert len(rows) == 6
    assert set(rows["method"]) == {"random"}
    exported = tmp_path / "out.jsonl"
    assert CliRunner().invoke(app, ["runs", "export", str(run.path), "-o", str(exported)]).exit_code == 0
    lines = [json.loads(line) for line in exported.read_text().splitlines()]
    assert {line["index"] for line in lines} == set(range(6))
    by_index = dict(run.read())
    for line in lines:
        assert line["text"] == by_index[line["index"]].text.source.text
        assert "gates" not in line
    run.shards()[0].write_bytes(b"torn")
    with pytest.raises(CorruptFileError):
        run.export(tmp_path / "not.jsonl")
    assert not list(tmp_path.glob("not.jsonl*")), "an export that fails leaves nothing behind"
    with pytest.raises(InputError, match="no result yet"):
        RunFolder(tmp_path / "empty", {}).dataset()


def _command(folder: Path, before: str = "", processes: int = 1) -> Sequence[str]:
    file = folder.parent / f"{folder.name}.py"
    file.write_text(
        f"{before}\n"
        "import torch\n"
        "torch.set_num_threads(1)\n"
        "import textiba.store.folder\n"
        "from textiba.runs.config import SweepConfig\n"
        "from textiba.runs.sweep import sweep\n"
        "textiba.store.folder._SHARD = 30\n"
        f"sweep(SweepConfig.from_mapping({CONFIG.model_dump()!r}, 'test'), {str(folder)!r})\n"
    )
    return [*(TORCHRUN if processes == 2 else (sys.executable,)), str(file)]


def _launch(folder: Path, processes: int = 1) -> subprocess.Popen[bytes]:
    return subprocess.Popen(  # noqa: S603
        _command(folder, "", processes), env=ENVIRONMENT, stderr=subprocess.PIPE
    )


def _killed_after_a_shard(folder: Path, processes: int = 1) -> None:
    """Begins or goes on with a run, and kills it once there is one shard more than before."""
    before, until = len(list(folder.rglob("part-*.parquet"))), time.monotonic() + 120
    started = _launch(folder, processes)
    while len(list(folder.rglob("part-*.parquet"))) == before and started.poll() is None and time.monotonic() < until:
        time.sleep(0.02)
    first = psutil.Process(started.pid)
    for process in (*first.children(recursive=True), first):  # with all that it has started
        process.kill()
    started.communicate()
