"""Files that a user names: written aside and renamed, so that a full disk never leaves half a file."""

from collections.abc import Callable
from pathlib import Path

from textiba.errors import InputError, StorageError
from textiba.store.files import write_whole


def write_file(path: str | Path, write: Callable[[Path], object]) -> Path:
    """Writes a file whole or not at all, makes its folder, and returns its path.

    Args:
        path: the file. A link is followed; a device or pipe, such as /dev/stdout, is written to directly.
        write: writes the file under the path that it is given, which has another ending.

    Raises:
        InputError: `path` is a folder.
        StorageError: the folder cannot be made, or the file cannot be written.
    """
    path = Path(path)
    try:
        target = path.resolve()
        if target.is_dir():
            raise InputError(f"{path} is a folder; name a file in it, such as {path / 'result'}")
        if target.exists() and not target.is_file():
            write(target)
            return path
        target.parent.mkdir(parents=True, exist_ok=True)
    except (OSError, RuntimeError) as error:  # RuntimeError: links that lead in a circle
        raise StorageError(
            f"{path} cannot be written ({error}); name a file in a folder that you may write to"
        ) from None
    write_whole(target, write)
    return path


def write_html(path: str | Path, page: str) -> Path:
    """Writes HTML in UTF-8, with "?" for a lone surrogate; see `write_file`."""
    return write_file(path, lambda place: place.write_text(page, encoding="utf-8", errors="replace"))


def suffix(path: str | Path, known: tuple[str, ...]) -> str:
    """The ending of a file's name, without the dot, in lower case.

    Raises:
        InputError: the ending is not among `known`.
    """
    found = Path(path).suffix.lower().removeprefix(".")
    if found not in known:
        choice = " or ".join(f".{name}" for name in known)
        raise InputError(f"{path}: the ending of the name says which format to write: {choice}; got '.{found}'")
    return found
