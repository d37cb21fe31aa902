"""The texts that the command line names: texts in quotes, and a file with its columns."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from textiba.errors import InputError

if TYPE_CHECKING:
    from textiba.texts.sources import Text


def texts_given(texts: Sequence[str], pair: str | None, file: str | None, columns: dict[str, Any]) -> "list[Text]":
    """The texts of the command line, each with the second text of `--pair` if given; then the texts of the file."""
    from textiba.texts.sources import Text, read_texts

    named = {name: column for name, column in columns.items() if column is not None}
    if named and file is None:
        raise InputError(f"--{next(iter(named)).replace('_', '-')} is about the columns of --file; name the file too")
    if pair is not None and not texts:
        raise InputError("--pair is the second text of a text in quotes; for a file, name --pair-column")
    second = None if pair is None else _argument(pair)
    sources = [Text(_argument(t), id=f"text-{n}", pair=second) for n, t in enumerate(texts, 1)]
    sources += read_texts(file, **named) if file is not None else []
    if not sources:
        raise InputError("there is nothing to explain; give a text in quotes, or --file")
    return sources


def one_or_two(columns: list[str] | None) -> str | tuple[str, ...] | None:
    """The columns of an option that may be given twice: one name, or a tuple."""
    return columns[0] if columns and len(columns) == 1 else tuple(columns or ()) or None


def _argument(text: str) -> str:
    """A text of the command line, decoded as UTF-8 whatever the terminal's encoding."""
    try:
        return text.encode("utf-8", "surrogateescape").decode("utf-8")
    except UnicodeError:
        raise InputError(f"a text is UTF-8; got {text!r}") from None
