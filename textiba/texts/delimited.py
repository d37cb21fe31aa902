"""Reads CSV and TSV files: a header, and rows of cells that are all strings."""

import csv
import io
import re
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any

from textiba.errors import CorruptFileError, InputError

_WHOLE = re.compile(r"\d{1,9}(\.0*)?", re.ASCII)
_CELL = 2**31 - 1  # characters in a cell; Python's own limit is 131,072


@dataclass(frozen=True, slots=True)
class Cells:
    """The rows of a file below its header.

    Attributes:
        header: the names of the columns.
        rows: the cells of each row that is not blank.
        lines: the number of each row's first line in the file, counted from 1.
    """

    header: tuple[str, ...]
    rows: tuple[list[str], ...]
    lines: tuple[int, ...]

    def where(self, source: str, number: int) -> str:
        """Returns the name of a row for error messages; rows are counted from 1."""
        return f"{source}, row {number} (line {self.lines[number - 1]})"

    def records(self, label: Hashable | None) -> list[dict[Hashable, Any]]:
        """Returns each row as a mapping from column to value.

        Args:
            label: the column of the labels; None if there is none. Labels become indices if all are whole numbers and
                one of them is 0; an empty label becomes None in that case. Without a 0, the numbers may be names, such
                as "1" to "5" stars.
        """
        records: list[dict[Hashable, Any]] = [dict(zip(self.header, row, strict=True)) for row in self.rows]
        if label is None:
            return records
        values = [str(record[label]).strip() for record in records]
        filled = [value for value in values if value.casefold() not in ("", "nan")]
        if all(map(_WHOLE.fullmatch, filled)) and any(float(value) == 0 for value in filled):
            for record, value in zip(records, values, strict=True):
                record[label] = int(float(value)) if _WHOLE.fullmatch(value) else None
        return records


def read_cells(content: str, source: str, tabs: bool) -> Cells:
    """Parses a CSV file (RFC 4180) or a TSV file.

    If a TSV file cannot be parsed with quoted cells, its quotes are read as plain characters.

    Args:
        content: the content of the file.
        source: names the file in errors.
        tabs: whether tabs separate the cells, as in a TSV file. Otherwise commas separate them; if the header has no
            comma, semicolons or tabs do, as in the files that spreadsheets write in some languages.

    Raises:
        InputError: the file is empty.
        CorruptFileError: a row has more or fewer cells than the header, or its quotes do not pair up.
    """
    header = content.lstrip().split("\n", 1)[0]
    delimiter = "\t" if tabs else next((mark for mark in (",", ";", "\t") if mark in header), ",")
    try:
        return _parsed(content, source, delimiter, csv.QUOTE_MINIMAL)
    except CorruptFileError as error:
        if not tabs:
            raise
        try:
            return _parsed(content, source, delimiter, csv.QUOTE_NONE)
        except CorruptFileError:
            raise error from None


def _parsed(content: str, source: str, delimiter: str, quoting: Any) -> Cells:
    lines: list[int] = []
    rows: list[list[str]] = []
    end = 0
    reader = csv.reader(io.StringIO(content, newline=""), delimiter=delimiter, quoting=quoting, strict=True)
    before = csv.field_size_limit(_CELL)
    try:
        for row in reader:
            if len(row) > 1 or (row and row[0].strip()):
                lines.append(end + 1)
                rows.append(row)
            end = reader.line_num
    except csv.Error as error:
        raise CorruptFileError(
            f"{source}, row {len(rows)} (line {end + 1}): {error}. Quote cells that hold quotes, commas or line "
            "breaks, and double the quotes within them"
        ) from None
    finally:
        csv.field_size_limit(before)
    if not rows:
        raise InputError(f"{source}: holds no text")
    found = Cells(tuple(name.strip() for name in rows[0]), tuple(rows[1:]), tuple(lines[1:]))
    for number, row in enumerate(found.rows, 1):
        if len(row) != len(found.header):
            raise CorruptFileError(
                f"{found.where(source, number)}: {len(row)} cells, where the header has {len(found.header)}. Quote "
                "cells that hold commas, tabs or line breaks"
            )
    return found
