"""Checks values of any type from files and tables, and converts them to fields of a `Text`; errors name the row."""

import datetime
import json
import math
import reprlib
import uuid
from contextlib import suppress
from decimal import Decimal
from numbers import Integral, Real
from typing import Any

import numpy as np

from textiba.errors import InputError

LARGEST_LABEL = 2**31 - 1  # a run's folder stores labels in 32 bits
LONGEST_NUMBER = 100  # digits of a number that serves as an id
_NUMBERS: tuple[Any, ...] = (Real, Decimal)
_SCALARS = (datetime.date, datetime.time, datetime.timedelta, uuid.UUID, np.datetime64, np.timedelta64)


def is_missing(value: object) -> bool:
    """Whether a value is missing: None, NaN, or NA or NaT of pandas."""
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return True
    if isinstance(value, Decimal):
        return value.is_nan()
    return isinstance(value, float | np.floating) and bool(np.isnan(value))


def shown(value: object) -> str:
    """Returns a value as error messages show it: in one short line, with invalid Unicode escaped."""
    return " ".join(line.strip() for line in _short.repr(value).splitlines())


class _Short(reprlib.Repr):
    """Shows any value in about sixty characters."""

    def repr_int(self, x: int, level: int) -> str:
        return super().repr_int(x, level) if abs(x) < 10**40 else f"a number of {x.bit_length()} bits"


_short = _Short()
_short.maxstring = _short.maxother = 60
_short.maxdict = _short.maxlist = _short.maxtuple = 4


def why_no_text(value: object) -> str:
    """Returns the reason why a value is not a text, and the fix, for an error message."""
    if isinstance(value, list | tuple):
        return (
            f"a text is one string; got a {type(value).__name__} of {len(value)}, {shown(value)}. A pair of texts is a "
            "tuple of two strings, or Text(text, pair=…)"
        )
    if isinstance(value, bytes | bytearray):
        return f"a text is a string; got bytes, {shown(bytes(value))}. Decode them first: text.decode('utf-8')"
    if is_missing(value):
        return f"a text is a string; got {shown(value)}, a missing value. Remove it, or fill it in"
    return f"a text is a string; got {shown(value)}, of type {type(value).__name__}"


def read_string(text: str, what: str, where: str) -> str:
    """Checks a string, and returns it as a plain `str`.

    Args:
        text: a string.
        what: names the field in errors.
        where: names the row in errors.

    Raises:
        InputError: the string has a lone surrogate, which no file can hold.
    """
    if not text.isascii():
        try:
            text.encode("utf-8")
        except UnicodeEncodeError as error:
            raise InputError(
                f"{where}: {what} has a lone surrogate, {shown(text[error.start])}, at character {error.start}: half "
                "of a character, which is not valid Unicode. Export the data again, or remove the character"
            ) from None
    return str(text)


def read_label(value: object, where: str) -> int | str | None:
    """Returns a label as an index or a name.

    Whole numbers become ints, True and False become the names "True" and "False", and missing labels become None.

    Raises:
        InputError: the value is of another type, or a number below 0 or beyond 32 bits.
    """
    if is_missing(value):
        return None
    if isinstance(value, bool | np.bool_):
        return str(bool(value))
    if isinstance(value, str):
        name = read_string(value, "the label", where).strip()
        return None if name.casefold() in ("", "nan") else name
    index = whole_number(value)
    if index is None:
        raise InputError(
            f"{where}: a label is a whole number from 0 on, or a name; got {shown(value)}. To read the texts without "
            'labels, set label_column=""'
        )
    if not 0 <= index <= LARGEST_LABEL:
        advice = ". Many data sets mark rows without a label by -1: leave the label empty there" if index == -1 else ""
        raise InputError(f"{where}: a label is an index from 0 on, or a name; got {shown(index)}{advice}")
    return index


def read_value(value: object, where: str) -> float | None:
    """A gold value as a float; None where it is missing.

    Args:
        value: a finite number, also in a string.
        where: names the row in errors.

    Raises:
        InputError: the value is no finite number.
    """
    if is_missing(value) or (isinstance(value, str) and not value.strip()):
        return None
    number = math.nan
    if isinstance(value, str) or (isinstance(value, _NUMBERS) and not isinstance(value, bool | np.timedelta64)):
        with suppress(ValueError, OverflowError, TypeError):
            number = float(value)  # type: ignore[arg-type]
    if not math.isfinite(number):
        raise InputError(f"{where}: a value is a finite number; got {shown(value)}")
    return number


def index_or_name(value: str) -> int | str:
    """Returns a label from a command line: an index if it is a whole number in the digits 0 to 9, else a name."""
    digits = value.removeprefix("-")
    return int(value) if digits.isascii() and digits.isdecimal() and len(digits) < LONGEST_NUMBER else value


def whole_number(value: Any) -> int | None:
    """Returns a whole number as an int; None for any other value."""
    if not isinstance(value, _NUMBERS) or isinstance(value, np.timedelta64):  # NumPy's durations are integers
        return None
    if isinstance(value, Integral):
        return int(value)
    return math.floor(value) if -(2**63) < value < 2**63 and math.floor(value) == value else None


def read_name(value: object, what: str, where: str) -> str:
    """Returns an id or a kind as a string: numbers and dates are converted, and a missing value becomes "".

    Args:
        value: of any type.
        what: names the field in errors.
        where: names the row in errors.

    Raises:
        InputError: the value is of another type.
    """
    if is_missing(value):
        return ""
    if isinstance(value, str):
        return read_string(value, what, where)
    if isinstance(value, bool | np.bool_):
        return str(bool(value))
    if isinstance(value, (*_NUMBERS, *_SCALARS)):
        whole = whole_number(value)
        if whole is None:
            return str(value)
        if abs(whole) < 10**LONGEST_NUMBER:
            return str(whole)
    raise InputError(f"{where}: {what} is a string, or a number of up to {LONGEST_NUMBER} digits; got {shown(value)}")


def read_spans(value: object, text: str, where: str) -> tuple[tuple[int, int], ...]:
    """Returns character spans (start, end), end exclusive. Strings are read as JSON; a missing value gives no spans.

    Args:
        value: of any type.
        text: the text that the spans belong to.
        where: names the row in errors.

    Raises:
        InputError: the value is not a list of pairs, or the spans are out of range, unsorted or overlapping.
    """
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
        if not (isinstance(pair, list | tuple) and len(pair) == 2 and all(map(is_place, pair))):
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


def is_place(value: object) -> bool:
    """Whether a value is a whole number, and not True or False."""
    return not isinstance(value, bool | np.bool_) and whole_number(value) is not None
