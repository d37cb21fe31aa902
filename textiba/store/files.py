"""Writes files whole or not at all, checks in advance that files can be written, and locks folders."""

import errno
import os
import re
import shutil
from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from filelock import FileLock, Timeout

from textiba.errors import BusyFolderError, CorruptFileError, InputError, StorageError
from textiba.store.processes import ALONE, Processes

TEMPORARY = ".tmp"
LOCK = "run.lock"  # held by a run's first process; each other process holds a lock file of its own

_ROOM = 1 << 20  # bytes; a disk with less free space counts as full

_OUT_OF_SPACE = (errno.ENOSPC, errno.EDQUOT)
_NOT_ALLOWED = (errno.EROFS, errno.EACCES, errno.EPERM)
_OF_THE_DISK = (*_OUT_OF_SPACE, *_NOT_ALLOWED, errno.EFBIG, errno.EIO, errno.ENAMETOOLONG)


@contextmanager
def appearing(target: Path) -> Iterator[Path]:
    """Yields a temporary path beside `target`; after the block, the file is flushed to the disk and renamed.

    Even after an error, `target` is either the old file or the complete new file.

    Raises:
        StorageError: the file cannot be written.
    """
    temporary = target.with_name(f"{target.name}.{os.getpid()}{TEMPORARY}")  # several processes may write to a folder
    try:
        with storage_errors(target):
            yield temporary
            with temporary.open("rb+") as file:
                os.fsync(file.fileno())
            temporary.replace(target)
            _flush_folder(target.parent)
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)  # the file is still there only after an error


def write_whole(target: Path, write: Callable[[Path], object]) -> None:
    """Writes a file whole or not at all; see `appearing`.

    Args:
        target: the file.
        write: function that writes the content to the given path.

    Raises:
        StorageError: the file cannot be written.
    """
    with appearing(target) as path:
        write(path)


def write_text(target: Path, text: str) -> None:
    """Writes a text in UTF-8, whole or not at all; see `appearing`."""
    write_whole(target, lambda path: path.write_text(text, encoding="utf-8", newline=""))


def write_table(target: Path, table: pa.Table) -> None:
    """Writes a Parquet file, whole or not at all; see `appearing`."""
    write_whole(target, lambda path: pq.write_table(table, path, compression="zstd"))


@contextmanager
def storage_errors(target: Path) -> Iterator[None]:
    """Turns system errors that occur while `target` is written into a `StorageError` that says what to do.

    Errors of safetensors, whose text contains the system's error number, and errors of torch.save, whose text does not,
    are turned into a `StorageError` too.
    """
    try:
        yield
    except BrokenPipeError:  # an error of the standard output, not of the file
        raise
    except OSError as error:
        raise storage_error(target, error) from error
    except Exception as error:
        number = _number(error, target)
        if number is None:
            raise
        raise storage_error(target, OSError(number, os.strerror(number))) from error


def storage_error(target: Path, error: OSError) -> StorageError:
    """The error for a file or folder that could not be written, with the fix that fits the system's error."""
    reason = os.strerror(error.errno) if error.errno else str(error)
    if error.errno in _OUT_OF_SPACE:
        fix = (
            "What was saved before is whole. Make room on the disk and give the same command again, or name another "
            "place"
        )
    elif error.errno in _NOT_ALLOWED:
        fix = "Name a place that you may write to, or change its permissions"
    elif error.errno == errno.EFBIG:
        fix = "What was saved before is whole. Raise the limit on the size of a file (ulimit -f), or name another place"
    elif error.errno in (errno.ENOTDIR, errno.EEXIST, errno.EISDIR):
        fix = "A file stands where a folder is needed, or a folder where a file is; name another place"
    else:
        fix = "What was saved before is whole. Name another place"
    return StorageError(f"{target} could not be written: {reason}. {fix}")


def disk_failed(error: OSError) -> bool:
    """Whether an error says that a disk is full or may not be written to, rather than that a file is missing."""
    return error.errno in _OF_THE_DISK


def file_place(target: str | Path, suffixes: Collection[str] = ()) -> Path:
    """Checks, before a long computation, that its output file can be written; makes the folder of the file.

    Args:
        target: the file; an existing file is not changed.
        suffixes: the allowed suffixes, such as ".csv"; an empty collection allows every suffix.

    Returns:
        The file.

    Raises:
        InputError: the suffix is not allowed, or `target` is a folder.
        StorageError: the folder cannot be made, or is read-only.
    """
    target = Path(target)
    if suffixes and target.suffix.lower() not in suffixes:
        raise InputError(f"{target}: the name ends in {_either(suffixes)}; got '{target.suffix}'")
    if target.is_dir():
        raise InputError(f"{target} is a folder; name a file in it")
    folder_place(target.parent)
    if target.exists() and not os.access(target, os.W_OK):
        raise storage_error(target, PermissionError(errno.EACCES, ""))
    return target


def folder_place(folder: str | Path) -> Path:
    """Checks, before a long computation, that its output folder can be written to; makes the folder.

    Returns:
        The folder.

    Raises:
        StorageError: a file is in the way, or the place is read-only.
    """
    folder = Path(folder)
    probe = folder / f".textiba.{os.getpid()}{TEMPORARY}"
    with storage_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        try:
            probe.touch()
        except OSError as error:
            if error.errno not in _OUT_OF_SPACE:  # a full disk is reported when a result is written
                raise
        finally:
            with suppress(OSError):
                probe.unlink(missing_ok=True)
    return folder


def read_rows(shard: Path, **choice: Any) -> list[dict[str, Any]]:
    """The rows of a Parquet file; see `read_table`."""
    return read_table(shard, **choice).to_pylist()


def read_table(shard: Path, **choice: Any) -> pa.Table:
    """Reads a Parquet file.

    Args:
        shard: the file.
        **choice: keyword arguments of `pyarrow.parquet.read_table`.

    Raises:
        CorruptFileError: the file cannot be read.
    """
    try:
        return pq.read_table(shard, **choice)
    except (pa.ArrowInvalid, OSError) as error:
        raise CorruptFileError(
            f"{shard}: damaged ({_line(error)}); `textiba runs repair` sets the file aside, and the run's own command "
            "computes its results again"
        ) from None


@contextmanager
def claimed(folder: Path, processes: Processes = ALONE) -> Iterator[None]:
    """Locks the folder for this run's processes; a killed process loses its lock.

    The first process enters alone, so that it can put the folder in order, and must then call `processes.wait()`. The
    other processes wait in this function until the first process makes that call.

    Raises:
        BusyFolderError: another run writes to the folder.
        StorageError: the folder cannot be made, or is read-only.
    """
    folder_place(folder)
    with ExitStack() as held:
        if processes.main:
            held.enter_context(_lock(folder / LOCK))
            for left in folder.glob("writer-*.lock"):  # of processes that outlived their run's first process
                with _lock(left):
                    pass
        else:
            processes.wait()
            held.enter_context(_lock(folder / f"writer-{processes.rank}.lock"))
        yield


def busy(folder: Path) -> bool:
    """Whether a run writes to the folder now; False where the folder is read-only."""
    try:
        for lock in (folder / LOCK, *folder.glob("writer-*.lock")):
            if lock.exists():
                with _lock(lock):
                    pass
    except BusyFolderError:
        return True
    except StorageError:
        return False
    return False


@contextmanager
def _lock(file: Path) -> Iterator[None]:
    lock = FileLock(file, blocking=False)
    try:
        lock.acquire()
    except Timeout:
        raise BusyFolderError(
            f"{file.parent} is being written to by another process; wait until that process has ended, or name another "
            "folder"
        ) from None
    except OSError as error:
        raise storage_error(file.parent, error) from error
    try:
        yield
    finally:
        lock.release()


def _number(error: Exception, target: Path) -> int | None:
    """The system's error number behind the error of a library that writes files; None for any other error."""
    if type(error).__name__ == "SafetensorError" and (found := re.search(r"\(os error (\d+)\)", str(error))):
        return int(found[1])
    if isinstance(error, RuntimeError) and re.search("iostream error|PytorchStreamWriter", str(error)):
        there = next(folder for folder in (target, *target.absolute().parents) if folder.exists())
        return errno.ENOSPC if shutil.disk_usage(there).free < _ROOM else errno.EIO
    return None


def _flush_folder(folder: Path) -> None:
    """Flushes a folder, so that a new file name survives a power cut; does nothing on systems that cannot."""
    with suppress(OSError):
        number = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(number)
        finally:
            os.close(number)


def _either(names: Collection[str]) -> str:
    *most, last = names
    return f"{', '.join(most)} or {last}" if most else last


def _line(error: Exception) -> str:
    return " ".join(str(error).split())
