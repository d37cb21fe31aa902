"""Every output of every command, in every bad place: one line, exit code 2, and nothing lost or truncated."""

import csv
import errno
import io
import itertools
import json
import os
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from commands import Answer, World, command, contents, files_in, make_world
from safetensors import safe_open

import textiba.store.files

pytestmark = pytest.mark.filterwarnings(
    "ignore::textiba.errors.FewTextsWarning", "ignore::textiba.errors.TruncationWarning"
)
OLD = b"what was there before"


@dataclass(frozen=True)
class Output:
    """One output of one command: the arguments that bring it to a place, and the suffixes of files."""

    name: str
    arguments: Callable[[World, Path], list[object]]
    suffix: str = ""  # empty for a folder
    slow: bool = False  # so that a full disk is tried at the first file only


def _explain(option: str) -> Callable[[World, Path], list[object]]:
    return lambda world, place: ["explain", "the film", "-c", world.model, option, place]


def _configured(words: list[str], name: str, **values: Any) -> Callable[[World, Path], list[object]]:
    def arguments(world: World, place: Path) -> list[object]:
        named = {"model": str(world.model), "texts": str(world.texts), "folder": str(world.folder)}
        full = json.loads(json.dumps(values), object_hook=lambda d: {k: _filled(v, named) for k, v in d.items()})
        return [*words, world.config(name, **full), "-o", place]

    return arguments


def _filled(value: Any, named: dict[str, str]) -> Any:
    if isinstance(value, list):
        return [_filled(part, named) for part in value]
    return named.get(value[1:], value) if isinstance(value, str) and value.startswith("$") else value


RANDOM = [{"name": "random"}]
TEXTS = {"source": "$texts", "limit": 3}
READOUT = {
    "checkpoint": "$model", "data": "$folder", "validation": 8, "layers": [1], "widths": [8, 4], "steps": 2,
    "evaluate_every": 1, "shortest": 3,
}  # fmt: skip
OUTPUTS = (
    Output("explain --html", _explain("--html"), ".html"),
    Output("explain --png", _explain("--png"), ".png"),
    Output("explain --png .svg", _explain("--png"), ".svg"),
    Output("explain --json", _explain("--json"), ".json"),
    Output("explain --json .jsonl", _explain("--json"), ".jsonl"),
    Output("explain --csv", _explain("--csv"), ".csv"),
    Output(
        "estimate", lambda w, p: ["estimate", "-c", w.model, "--data", w.texts, "--limit", 3, "-o", p], ".safetensors"
    ),
    Output("report", lambda w, p: ["report", w.folder / "run", "-o", p], ".html"),
    Output("export .jsonl", lambda w, p: ["runs", "export", w.folder / "run", "-o", p], ".jsonl"),
    Output("export .csv", lambda w, p: ["runs", "export", w.folder / "run", "-o", p], ".csv"),
    Output("export .parquet", lambda w, p: ["runs", "export", w.folder / "run", "-o", p], ".parquet"),
    Output("sweep", _configured(["sweep"], "a", checkpoints=["$model"], data=TEXTS, methods=RANDOM)),
    Output(
        "benchmark",
        _configured(
            ["benchmark"], "b", checkpoints=["$model"], data={"mine": TEXTS}, methods=RANDOM, reference="random",
            removals=["delete"], chunk=2,
        ),
    ),
    Output(
        "corpus",
        _configured(
            ["corpus"], "c", checkpoint="$model", data={"source": "$texts", "limit": 20}, methods=RANDOM, tagger=None,
            min_count=2, top=3,
        ),
        slow=True,
    ),
    Output(
        "finetune",
        _configured(
            ["finetune"], "f", kind="fresh", base="$model", data="$folder", limit=8, statistics=4, test_limit=4,
            max_length=16,
        ),
    ),
    Output("readout train", _configured(["readout", "train"], "t", **READOUT), slow=True),
    Output("demo", lambda _, p: ["demo", "-o", p], slow=True),
)  # fmt: skip
FILES = [output for output in OUTPUTS if output.suffix]
FOLDERS = [output for output in OUTPUTS if not output.suffix]
QUICK = [output for output in FOLDERS if output.name != "demo"]  # which takes minutes


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    made = make_world(tmp_path_factory.mktemp("world"))
    answer = command("sweep", made.sweep(), "-o", made.folder / "run")
    assert answer.code == 0, answer.err
    answer = command("degrade", made.folder / "run", "--steps", "0,1")
    assert answer.code == 0, answer.err
    return made


def refused(answer: Answer, *words: str) -> None:
    """The command ended with one line that says why."""
    assert answer.code == 2, answer.err
    [line] = answer.errors
    assert "Traceback" not in answer.err
    for word in words:
        assert word in line


def whole(file: Path) -> bool:
    """Whether a file ends where it should."""
    content = file.read_bytes()
    match file.suffix:
        case ".json" | ".yaml":
            return json.loads(content) is not None
        case ".jsonl":
            return content.endswith(b"\n") and all(json.loads(line) for line in content.splitlines())
        case ".csv":
            return content.endswith(b"\n") and len(list(csv.reader(io.StringIO(content.decode())))) > 1
        case ".parquet":
            return pq.read_table(file).num_rows >= 0
        case ".png":
            return content.endswith(b"IEND\xaeB`\x82")
        case ".svg":
            return content.rstrip().endswith(b"</svg>")
        case ".html":
            return content.rstrip().endswith(b"</html>")
        case ".safetensors":
            with safe_open(str(file), "pt") as opened:
                return bool(opened.keys())
        case ".md":
            return content.endswith(b"\n")
        case _:
            return file.suffix == ".lock"


@pytest.mark.parametrize("output", FILES, ids=lambda o: o.name)
def test_a_missing_folder_is_made_and_the_file_is_whole(output: Output, world: World, tmp_path: Path):
    place = tmp_path / "not" / "there [yet]" / f"out{output.suffix}"
    answer = command(*output.arguments(world, place))
    assert answer.code == 0, answer.err
    assert whole(place)


@pytest.mark.parametrize("output", FILES, ids=lambda o: o.name)
def test_a_file_that_was_there_is_replaced_by_a_whole_one(output: Output, world: World, tmp_path: Path):
    place = tmp_path / f"out{output.suffix}"
    place.write_bytes(OLD * 10_000)
    assert command(*output.arguments(world, place)).code == 0
    assert whole(place)
    assert list(tmp_path.iterdir()) == [place]


@pytest.mark.parametrize("output", FILES, ids=lambda o: o.name)
def test_a_folder_in_the_place_of_a_file(output: Output, world: World, tmp_path: Path):
    place = tmp_path / f"folder{output.suffix}"
    place.mkdir()
    (place / "kept.txt").write_bytes(OLD)
    refused(command(*output.arguments(world, place)), str(place), "is a folder; name a file in it")
    assert (place / "kept.txt").read_bytes() == OLD


@pytest.mark.parametrize("output", FILES, ids=lambda o: o.name)
def test_a_suffix_that_tells_no_format(output: Output, world: World, tmp_path: Path):
    place = tmp_path / "out.docx"
    refused(command(*output.arguments(world, place)), "the name ends in", "got '.docx'")
    assert not place.exists()


@pytest.mark.parametrize("output", OUTPUTS, ids=lambda o: o.name)
def test_a_file_where_a_folder_is_needed(output: Output, world: World, tmp_path: Path):
    there = tmp_path / "file"
    there.write_bytes(OLD)
    place = there / f"out{output.suffix}" if output.suffix else there
    refused(command(*output.arguments(world, place)), str(there), "could not be written")
    assert there.read_bytes() == OLD
    assert list(tmp_path.iterdir()) == [there]


@pytest.mark.parametrize("output", OUTPUTS, ids=lambda o: o.name)
def test_a_read_only_place(output: Output, world: World, read_only: Path):
    old = read_only / f"out{output.suffix}"
    refused(command(*output.arguments(world, old if output.suffix else read_only)), "could not be written", "Name a")
    assert contents(list(files_in(read_only))) == dict.fromkeys(files_in(read_only), OLD)


@pytest.mark.parametrize("name", [["degrade"], ["runs", "repair"]], ids=" ".join)
def test_a_run_that_has_become_read_only(name: list[str], world: World, tmp_path: Path):
    run = tmp_path / "run"
    subprocess.run(["cp", "-r", world.folder / "run", run], check=True)  # noqa: S603, S607
    before = contents(list(files_in(run)))
    with locked(run):
        refused(command(*name, run), "could not be written")
    assert contents(list(files_in(run))) == before


@pytest.mark.parametrize("output", FILES, ids=lambda o: o.name)
def test_a_full_disk_leaves_the_old_file(output: Output, world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    place = tmp_path / f"out{output.suffix}"
    place.write_bytes(OLD)
    monkeypatch.setattr(textiba.store.files.os, "fsync", _full_from(0))
    refused(command(*output.arguments(world, place)), str(place), "No space left", "Make room on the disk")
    assert contents(list(files_in(tmp_path))) == {place: OLD}


@pytest.mark.parametrize("output", QUICK, ids=lambda o: o.name)
def test_a_disk_that_fills_up_at_any_file(
    output: Output, world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    for at in range(100):
        place = tmp_path / str(at)
        with monkeypatch.context() as patched:
            patched.setattr(textiba.store.files.os, "fsync", _full_from(at))
            answer = command(*output.arguments(world, place))
        if answer.code == 0:
            assert at > 1
            assert whole(next(files_in(place)))
            return
        refused(answer, "No space left", "Make room on the disk")
        torn = [file for file in files_in(tmp_path) if not whole(file)]
        assert torn == []
        if output.slow:
            return
    pytest.fail("the command never came to its end")


def test_a_truly_full_disk(world: World, small_disk: Path):
    (small_disk / "ballast").write_bytes(b"0" * (small_disk.stat().st_blksize * 24))
    for output in (*FILES, *QUICK):
        place = small_disk / f"out{output.suffix}"
        if output.suffix:
            place.write_bytes(b"old")
        answer = command(*output.arguments(world, place))
        if answer.code:
            refused(answer, "No space left", "Make room on the disk")
            assert not output.suffix or place.read_bytes() == b"old"
        subprocess.run(["rm", "-rf", place], check=True)  # noqa: S603, S607
        assert [path.name for path in small_disk.iterdir()] == ["ballast"], output.name


def test_room_is_asked_for_only_where_the_disk_is_full():
    for number in (errno.EROFS, errno.EACCES, errno.EFBIG, errno.EIO, errno.ENOTDIR, errno.ENAMETOOLONG):
        error = textiba.store.files.storage_error(Path("out.csv"), OSError(number, os.strerror(number)))
        assert "Make room" not in str(error)
        assert "\n" not in str(error)
    for number in (errno.ENOSPC, errno.EDQUOT):
        assert "Make room on the disk" in str(textiba.store.files.storage_error(Path("x"), OSError(number, "")))


def _full_from(count: int) -> Callable[[int], None]:
    """An fsync that finds the disk full after so many files."""
    calls = itertools.count()

    def fsync(_: int) -> None:
        if next(calls) >= count:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    return fsync


class locked:  # noqa: N801 - a context manager
    """Makes a folder and its files read-only, for root too; skips the test where nothing can."""

    def __init__(self, folder: Path):
        self._folder = folder
        self._immutable = os.geteuid() == 0

    def __enter__(self) -> None:
        if not self._immutable:
            subprocess.run(["chmod", "-R", "a-w", self._folder], check=True)  # noqa: S603, S607
        elif subprocess.run(["chattr", "-R", "+i", self._folder], capture_output=True, check=False).returncode:  # noqa: S603, S607
            pytest.skip("root may write everywhere, and this file system knows no immutable files")

    def __exit__(self, *_: object) -> None:
        unlock = ["chattr", "-R", "-i"] if self._immutable else ["chmod", "-R", "u+w"]
        subprocess.run([*unlock, self._folder], check=True)  # noqa: S603


@pytest.fixture
def read_only(tmp_path: Path) -> Iterator[Path]:
    """A read-only folder that holds an old file of every suffix."""
    folder = tmp_path / "locked"
    folder.mkdir()
    for suffix in {output.suffix for output in FILES}:
        (folder / f"out{suffix}").write_bytes(OLD)
    with locked(folder):
        yield folder


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of a few pages; skips the test where none can be mounted."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=128k,nr_inodes=64", "tmpfs", folder]
    if os.geteuid() or subprocess.run(mount, capture_output=True, check=False).returncode:  # noqa: S603
        pytest.skip("only root can mount a disk")
    try:
        yield folder
    finally:
        subprocess.run(["umount", folder], check=True)  # noqa: S603, S607
