"""Saves attributions to one Parquet file that a user names, with the columns of a run's own files, and loads them."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from textiba.attribution import Attribution, Attributions
from textiba.errors import CorruptFileError, InputError
from textiba.store.output import suffix, write_file
from textiba.store.rows import SCHEMA, from_row, to_row

# JSON of the fields for which the rows of a run have no column; null for most attributions.
_REST = pa.field("rest", pa.string())


def save_attributions(attributions: Sequence[Attribution], path: str | Path) -> Path:
    """Writes attributions to a Parquet file, whole or not at all, and returns its path.

    Raises:
        InputError: the path does not end in .parquet or is a folder, or a text holds half of a character (a lone
            surrogate), which no file of text can hold.
        StorageError: the file cannot be written.
    """
    suffix(path, ("parquet",))
    try:
        table = pa.Table.from_pylist([_row(i, a) for i, a in enumerate(attributions)], SCHEMA.append(_REST))
    except UnicodeEncodeError as error:
        raise InputError(f"a text with a lone surrogate cannot be saved ({error}); remove it from the text") from None
    return write_file(path, lambda place: pq.write_table(table, place, compression="zstd"))


def load_attributions(path: str | Path) -> Attributions:
    """The attributions in a file that `save_attributions` wrote, or in a Parquet file of a run.

    Raises:
        InputError: there is no such file.
        CorruptFileError: the file is damaged, or holds no attributions.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path}: no such file; name one that Attributions.save wrote")
    try:
        rows = pq.read_table(path).to_pylist()
        return Attributions(_attribution(row) for row in rows)
    except (pa.ArrowException, OSError, KeyError, TypeError, ValueError) as error:
        raise CorruptFileError(
            f"{path}: damaged, or not a file that Attributions.save wrote ({type(error).__name__}: {error})"
        ) from None


def _row(index: int, attribution: Attribution) -> dict[str, Any]:
    row = to_row(index, attribution)
    kept = from_row(dict.fromkeys(SCHEMA.names) | row).to_dict()
    rest = {name: value for name, value in attribution.to_dict().items() if value != kept[name]}
    return row | {_REST.name: json.dumps(rest) if rest else None}


def _attribution(row: dict[str, Any]) -> Attribution:
    found = from_row(row)
    return Attribution.from_dict(found.to_dict() | json.loads(row[_REST.name])) if row.get(_REST.name) else found
