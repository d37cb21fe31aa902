"""Rows of data, checked when they are read: from columns of any type to a `Text`, or an error that names the row."""

import difflib
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from textiba.errors import EmptyTextError, InputError
from textiba.texts.text import Text
from textiba.texts.values import read_label, read_name, read_spans, read_string, shown, why_no_text

TEXT_COLUMNS = ("text", "sentence", "review")  # the names under which a column of texts is found
_ABSENT = object()


@dataclass(frozen=True, slots=True)
class Named:
    """The columns that the user named; None takes the usual names.

    Attributes:
        text: column of the texts; None takes `text`, `sentence` or `review`.
        label: column of the gold labels; None takes `label`, where there is one, and "" reads no labels.
        id: column of the ids; None takes `id`, where there is one, and "" reads no ids.
    """

    text: Hashable | None = None
    label: Hashable | None = None
    id: Hashable | None = None


@dataclass(frozen=True, slots=True)
class Columns:
    """The columns that each field of a `Text` is read from; None where there is no such column."""

    text: Hashable
    label: Hashable | None
    rationale: Hashable | None
    id: Hashable | None
    kind: Hashable | None

    @property
    def used(self) -> list[Hashable]:
        """The columns that are read, each once."""
        columns = (self.text, self.label, self.rationale, self.id, self.kind)
        return list(dict.fromkeys(column for column in columns if column is not None))

    def text_of(self, row: Mapping[Any, Any], where: str, id: str = "") -> Text:  # noqa: A002 - the field's name
        """The `Text` of a row.

        Args:
            row: values by column; a column that is absent from this row counts as missing.
            where: names the row in errors: file and number.
            id: taken where the row has no id.

        Raises:
            InputError: a value is not what the field may hold.
            EmptyTextError: the text has no word.
        """
        value = row.get(self.text, _ABSENT)
        if value is _ABSENT:
            raise InputError(f"{where}: there is no {self.text!r}; the row has {_listed(list(row))}")
        label, rationale, name, kind = (
            None if column is None else row.get(column) for column in (self.label, self.rationale, self.id, self.kind)
        )
        return checked_text(value, label, rationale, name, kind, where, id)


def choose_columns(known: Sequence[Hashable], named: Named, source: str) -> Columns:
    """The columns to read: those that the user named, else those with the usual names, in upper or lower case.

    Args:
        known: the columns that there are.
        named: the columns that the user named.
        source: names the data in errors.

    Raises:
        InputError: a named column does not exist, or no column is named and none has a usual name.
    """
    for column in (named.text, named.label or None, named.id or None):
        if column is not None and column not in known:
            near = difflib.get_close_matches(str(column), [str(name) for name in known], 1)
            advice = f" Did you mean {near[0]!r}?" if near else ""
            raise InputError(f"{source}: there is no column {column!r}; the columns are {_listed(known)}.{advice}")
    text = named.text
    if text is None:
        found = [column for name in TEXT_COLUMNS if (column := _usual(name, known)) is not None]
        if not found:
            raise InputError(
                f"{source}: no column is called {', '.join(map(repr, TEXT_COLUMNS))}; the columns are "
                f"{_listed(known)}. Name the column of the texts: text_column (--text-column)"
            )
        text = found[0]
        if len(found) > 1 and str(text).casefold() != TEXT_COLUMNS[0]:
            raise InputError(
                f"{source}: {_listed(found)} may all hold the texts; name one: text_column (--text-column)"
            )
    label = _usual("label", known) if named.label is None else named.label
    name = _usual("id", known) if named.id is None else named.id
    label, name = (None if column == "" else column for column in (label, name))
    chosen = Columns(text, label, _usual("rationale", known), name, _usual("kind", known))
    for column in chosen.used:
        if list(known).count(column) > 1:
            raise InputError(
                f"{source}: two columns are called {column!r}; rename one. The columns are {_listed(known)}"
            )
    return chosen


def checked_text(
    text: object, label: object, rationale: object, name: object, kind: object, where: str, default: str = ""
) -> Text:
    """A `Text` from values of any type.

    Whole floats become ints, and numbers become ids as strings; None, NaN and the like count as missing.

    Args:
        text: a string with at least one word.
        label: index or name of a class, or missing.
        rationale: pairs of start and end, end exclusive, in JSON where it is a string; or missing.
        name: the id: a string, a number or a date, or missing.
        kind: the same.
        where: names the row in errors.
        default: the id where it is missing.

    Raises:
        InputError: a value is not what the field may hold.
        EmptyTextError: the text has no word.
    """
    if not isinstance(text, str):
        raise InputError(f"{where}: {why_no_text(text)}")
    text = read_string(text, "the text", where)
    if not text.strip():
        raise EmptyTextError(f"{where}: the text is empty, {shown(text)}; a text needs at least one word. Remove it")
    return Text(
        text,
        read_label(label, where),
        read_spans(rationale, text, where),
        read_name(name, "the id", where) or default,
        read_name(kind, "the kind", where),
    )


def _usual(name: str, known: Sequence[Hashable]) -> Hashable | None:
    """The column of a usual name: spelled exactly, or the only one that differs by case alone."""
    if name in known:
        return name
    same = [column for column in known if isinstance(column, str) and column.casefold() == name]
    return same[0] if len(same) == 1 else None


def _listed(columns: Sequence[Hashable]) -> str:
    """Columns as an error lists them, the first twenty."""
    more = f", … ({len(columns)} in all)" if len(columns) > 20 else ""
    return f"[{', '.join(shown(column) for column in columns[:20])}{more}]"
