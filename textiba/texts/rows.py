"""Rows of data, checked when they are read: from columns of any type to a `Text`, or an error that names the row."""

import datetime
import difflib
import json
import math
import reprlib
import uuid
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from numbers import Integral, Real
from typing import Any

import numpy as np

from textiba.errors import EmptyTextError, InputError
from textiba.texts.text import Text

TEXT_COLUMNS = ("text", "sentence", "review")  # the names under which a column of texts is found
LARGEST_LABEL = 2**31 - 1  # a run's folder stores labels in 32 bits
_NUMBERS: tuple[Any, ...] = (Real, Decimal)
LONGEST_NUMBER = 100  # digits of a number that serves as an id
_SCALARS = (datetime.date, datetime.time, datetime.timedelta, uuid.UUID, np.datetime64, np.timedelta64)
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
        raise InputError(f"{where}: {_no_string(text)}")
    text = _unicode(text, "the text", where)
    if not text.strip():
        raise EmptyTextError(f"{where}: the text is empty, {shown(text)}; a text needs at least one word. Remove it")
    return Text(
        text,
        _label(label, where),
        _spans(rationale, text, where),
        _name(name, "the id", where) or default,
        _name(kind, "the kind", where),
    )


def is_missing(value: object) -> bool:
    """Whether a value stands for a missing one: None, NaN, or what pandas has for them."""
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return True
    if isinstance(value, Decimal):
        return value.is_nan()
    return isinstance(value, float | np.floating) and bool(np.isnan(value))


def shown(value: object) -> str:
    """A value as an error shows it: in one short line, and escaped where it is no Unicode."""
    return " ".join(line.strip() for line in _short.repr(value).splitlines())


class _Short(reprlib.Repr):
    """Any value in about sixty characters."""

    def repr_int(self, x: int, level: int) -> str:
        return super().repr_int(x, level) if abs(x) < 10**40 else f"a number of {x.bit_length()} bits"


_short = _Short()
_short.maxstring = _short.maxother = 60
_short.maxdict = _short.maxlist = _short.maxtuple = 4


def _no_string(value: object) -> str:
    """Why something is no text, and what to do."""
    if isinstance(value, list | tuple):
        return (
            f"a text is one string; got a {type(value).__name__} of {len(value)}, {shown(value)}. Pairs of texts and "
            "nested lists are not supported; give one string each"
        )
    if isinstance(value, bytes | bytearray):
        return f"a text is a string; got bytes, {shown(bytes(value))}. Decode them first: text.decode('utf-8')"
    if is_missing(value):
        return f"a text is a string; got {shown(value)}, a missing value. Remove it, or fill it in"
    return f"a text is a string; got {shown(value)}, of type {type(value).__name__}"


def _unicode(text: str, what: str, where: str) -> str:
    """The string itself, as a plain `str`, if it can be written as UTF-8."""
    if not text.isascii():
        try:
            text.encode("utf-8")
        except UnicodeEncodeError as error:
            raise InputError(
                f"{where}: {what} has a lone surrogate, {shown(text[error.start])}, at character {error.start}: half "
                "of a character, which is no Unicode. Export the data again, or remove the character"
            ) from None
    return str(text)


def _label(value: object, where: str) -> int | str | None:
    if is_missing(value):
        return None
    if isinstance(value, bool | np.bool_):
        return str(bool(value))
    if isinstance(value, str):
        name = _unicode(value, "the label", where).strip()
        return None if name.casefold() in ("", "nan") else name
    index = _whole(value)
    if index is None:
        raise InputError(
            f"{where}: a label is a whole number from 0 on, or a name; got {shown(value)}. To read the texts without "
            'labels, set label_column=""'
        )
    if not 0 <= index <= LARGEST_LABEL:
        advice = ". Many data sets mark rows without a label by -1: leave the label empty there" if index == -1 else ""
        raise InputError(f"{where}: a label is an index from 0 on, or a name; got {shown(index)}{advice}")
    return index


def _whole(value: Any) -> int | None:
    """A number as an int, or None where it is not whole, or no number."""
    if not isinstance(value, _NUMBERS) or isinstance(value, np.timedelta64):  # NumPy's durations are integers
        return None
    if isinstance(value, Integral):
        return int(value)
    return math.floor(value) if -(2**63) < value < 2**63 and math.floor(value) == value else None


def _name(value: object, what: str, where: str) -> str:
    """An id or a kind as a string; empty where it is missing."""
    if is_missing(value):
        return ""
    if isinstance(value, str):
        return _unicode(value, what, where)
    if isinstance(value, bool | np.bool_):
        return str(bool(value))
    if isinstance(value, (*_NUMBERS, *_SCALARS)):
        whole = _whole(value)
        if whole is None:
            return str(value)
        if abs(whole) < 10**LONGEST_NUMBER:
            return str(whole)
    raise InputError(f"{where}: {what} is a string, or a number of up to {LONGEST_NUMBER} digits; got {shown(value)}")


def _spans(value: object, text: str, where: str) -> tuple[tuple[int, int], ...]:
    """Character spans, checked against the text."""
    if is_missing(value) or (isinstance(value, str) and not value.strip()):
        return ()
    if isinstance(value, str):  # a cell of a table without types
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            raise InputError(f"{where}: a rationale is a list of [start, end]; got {shown(value)}") from None
    if isinstance(value, np.ndarray):
        value = value.tolist()
    if not isinstance(value, list | tuple):
        raise InputError(f"{where}: a rationale is a list of [start, end]; got {shown(value)}")
    spans, before = [], 0
    for span in value:
        pair = span.tolist() if isinstance(span, np.ndarray) else span
        if not (isinstance(pair, list | tuple) and len(pair) == 2 and all(map(_is_place, pair))):
            raise InputError(f"{where}: a rationale is a list of [start, end], whole numbers; got {shown(span)} in it")
        start, end = map(int, pair)
        if not 0 <= start < end <= len(text):
            raise InputError(
                f"{where}: a span of a rationale is [start, end] with 0 ≤ start < end ≤ {len(text)}, the text's length "
                f"in characters; got {shown([start, end])}"
            )
        if start < before:
            raise InputError(
                f"{where}: the spans of a rationale are sorted and do not overlap; [{start}, {end}] comes after one "
                f"that ends at {before}. Sort them, and merge those that overlap"
            )
        spans.append((start, end))
        before = end
    return tuple(spans)


def _is_place(value: object) -> bool:
    return not isinstance(value, bool | np.bool_) and _whole(value) is not None


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
