"""Files that appear whole or not at all, and folders that one run writes to at a time."""

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from filelock import FileLock, Timeout

from textiba.errors import BusyFolderError, CorruptFileError, StorageError
from textiba.store.processes import ALONE, Processes

TEMPORARY = ".tmp"
LOCK = "run.lock"  # what a run's first process holds; the others hold one each


def write_whole(target: Path, write: Callable[[Path], object]) -> None:
    """Makes a file by a name of its own beside `target`, flushes it to the disk, and then gives it its name.

    Whatever happens on the way, `target` is the old file or the new one, and never a part.

    Args:
        target: the file.
        write: writes it, under the name that it is given.

    Raises:
        StorageError: the disk is full, or cannot be written to.
    """
    temporary = target.with_name(f"{target.name}.{os.getpid()}{TEMPORARY}")  # several processes may write to a folder
    try:
        write(temporary)
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        temporary.replace(target)
        _flush_folder(target.parent)
    except OSError as error:
        raise StorageError(
            f"{target} could not be written ({error}). What was saved before is whole; make room on the disk, and "
            "the same command goes on from there"
        ) from error
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)  # there only where something went wrong


def write_text(target: Path, text: str) -> None:
    """Writes a text in UTF-8; see `write_whole`."""
    write_whole(target, lambda path: path.write_text(text, encoding="utf-8"))


def write_table(target: Path, table: pa.Table) -> None:
    """Writes a Parquet file; see `write_whole`."""
    write_whole(target, lambda path: pq.write_table(table, path, compression="zstd"))


def read_rows(shard: Path, **choice: Any) -> list[dict[str, Any]]:
    """The rows of a Parquet file; see `read_table`."""
    return read_table(shard, **choice).to_pylist()


def read_table(shard: Path, **choice: Any) -> pa.Table:
    """A Parquet file; `choice` goes to pyarrow.

    Raises:
        CorruptFileError: it cannot be read.
    """
    try:
        return pq.read_table(shard, **choice)
    except (pa.ArrowInvalid, OSError) as error:
        raise CorruptFileError(
            f"{shard}: damaged ({error}); `textiba runs repair` sets it aside, and the run's own command computes "
            "again what was in it"
        ) from None


@contextmanager
def claimed(folder: Path, processes: Processes = ALONE) -> Iterator[None]:
    """Inside, the folder belongs to this run's processes. A killed one leaves no claim behind.

    The first process comes in alone, so that it can put the folder in order; the others follow when it calls
    `processes.wait()`, and so must they.

    Raises:
        BusyFolderError: another run writes to it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with ExitStack() as held:
        if processes.main:
            held.enter_context(_lock(folder / LOCK))
            for left in folder.glob("writer-*.lock"):  # of processes that outlived their first one
                with _lock(left):
                    pass
        else:
            processes.wait()
            held.enter_context(_lock(folder / f"writer-{processes.rank}.lock"))
        yield


def busy(folder: Path) -> bool:
    """Whether a run writes to the folder now."""
    try:
        for lock in (folder / LOCK, *folder.glob("writer-*.lock")):
            if lock.exists():
                with _lock(lock):
                    pass
    except BusyFolderError:
        return True
    return False


@contextmanager
def _lock(file: Path) -> Iterator[None]:
    try:
        with FileLock(file, blocking=False):
            yield
    except Timeout:
        raise BusyFolderError(
            f"{file.parent} is being written to by another process; wait until it has ended, or name another folder"
        ) from None


def _flush_folder(folder: Path) -> None:
    """A new name lasts through a power cut only when its folder was flushed too; not every system can."""
    with suppress(OSError):
        number = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(number)
        finally:
            os.close(number)
