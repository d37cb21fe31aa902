"""Every output of every command where a place is missing, taken or locked: it is whole, or one line and exit code 2."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from commands import World, command, contents, files_in
from outputs import FILES, OLD, OUTPUTS, Output, refused, whole, world_with_a_run

pytestmark = pytest.mark.filterwarnings(
    "ignore::textiba.errors.FewTextsWarning", "ignore::textiba.errors.TruncationWarning"
)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return world_with_a_run(tmp_path_factory.mktemp("world"))


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
