"""Every output of every command on a disk that is full or fills up: one line, exit code 2, and nothing lost or torn."""

import errno
import itertools
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from commands import World, command, contents, files_in
from outputs import FILES, OLD, QUICK, Output, refused, whole, world_with_a_run

import textiba.store.files

pytestmark = pytest.mark.filterwarnings(
    "ignore::textiba.errors.FewTextsWarning", "ignore::textiba.errors.TruncationWarning"
)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return world_with_a_run(tmp_path_factory.mktemp("world"))


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
