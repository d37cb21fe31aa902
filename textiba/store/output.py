"""Writes files that a user names: the place is checked first, and the file is written whole or not at all."""

import errno
import os
from collections.abc import Callable
from pathlib import Path

from textiba.store.files import file_place, storage_error, write_whole


def write_file(path: str | Path, write: Callable[[Path], object]) -> Path:
    """Writes a file whole or not at all, makes its folder, and returns its path.

    Args:
        path: the file. A link is followed; a device or pipe, such as /dev/stdout, is written to directly.
        write: function that is called with a path and writes the file there; that path may have another suffix.

    Raises:
        InputError: `path` is a folder.
        StorageError: the folder cannot be made, or the file cannot be written.
    """
    path = file_place(path)
    try:
        target = path.resolve()
    except (OSError, RuntimeError):  # links that lead in a circle
        raise storage_error(path, OSError(errno.ELOOP, os.strerror(errno.ELOOP))) from None
    if target.exists() and not target.is_file():
        write(target)
    else:
        write_whole(target, write)
    return path


def write_html(path: str | Path, page: str) -> Path:
    """Writes HTML in UTF-8, with "?" for a lone surrogate; see `write_file`."""
    return write_file(path, lambda place: place.write_text(page, encoding="utf-8", errors="replace"))


def suffix(path: str | Path, known: tuple[str, ...]) -> str:
    """Checks the suffix of a file's name, and returns the suffix without the dot, in lower case.

    Raises:
        InputError: the suffix is not among `known`, or `path` is a folder.
        StorageError: the folder cannot be made.
    """
    return file_place(path, tuple(f".{name}" for name in known)).suffix.lower().removeprefix(".")
