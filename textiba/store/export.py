"""Exports a run's results to one file; the suffix selects JSON Lines, CSV or Parquet.

Every file has a row for each result, with the columns of the shards (see `textiba.store.rows`). Special tokens carry no
score, which is null in JSON and NaN in Parquet. In JSON Lines a column without a value is left out; in CSV a cell
without a value is empty, and lists and settings are JSON. JSON Lines and CSV files are UTF-8. The columns `text`,
`pair`, `label`, `id`, `kind`, `rationale` and `pair_rationale` have the names that `textiba.texts.sources.read_texts`
looks for, so that the texts can be explained again.
"""

import csv
import itertools
import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from textiba.store.files import appearing
from textiba.store.rows import SCHEMA

SUFFIXES = (".jsonl", ".csv", ".parquet")
_JSON = ("settings", "gold_labels", "tags")  # columns whose values are JSON
_BLOCK = 256  # rows that are written to a Parquet file at once


def export_rows(rows: Iterable[Mapping[str, Any]], target: Path) -> int:
    """Writes rows in the form of `to_row` to a file, whole or not at all.

    Args:
        rows: the rows, which are read lazily.
        target: the file; its name ends in one of `SUFFIXES`.

    Returns:
        The number of rows.

    Raises:
        StorageError: the file cannot be written.
    """
    count = 0

    def counted() -> Iterator[Mapping[str, Any]]:
        nonlocal count
        for count, row in enumerate(rows, 1):  # noqa: B007 - the last count is returned
            yield row

    write: Callable[[Iterator[Mapping[str, Any]], Path], None] = {
        ".jsonl": _json_lines, ".csv": _csv, ".parquet": _parquet,
    }[target.suffix.lower()]  # fmt: skip
    with appearing(target) as path:
        write(counted(), path)
    return count


def json_line(values: Any) -> str:
    """Returns a value as one line of JSON; NaN and infinity, which JSON does not have, become null.

    Unicode's other line breaks are escaped, because some readers would end the line there.
    """
    line = json.dumps(_finite(values), ensure_ascii=False, allow_nan=False)
    for character in "\x85\u2028\u2029":
        line = line.replace(character, f"\\u{ord(character):04x}")
    return line


def _json_lines(rows: Iterator[Mapping[str, Any]], path: Path) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        for row in rows:
            full = {name: value for name, value in _with_label(row).items() if value is not None}
            file.write(json_line(full | {name: json.loads(full[name]) for name in _JSON if name in full}) + "\n")


def _csv(rows: Iterator[Mapping[str, Any]], path: Path) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(SCHEMA.names)
        for row in rows:
            writer.writerow([_cell(_with_label(row).get(name)) for name in SCHEMA.names])


def _with_label(row: Mapping[str, Any]) -> Mapping[str, Any]:
    """The row with its label in one column, index or name, as files of texts have it; see `textiba.texts.files`."""
    return row if row.get("label") is not None else {**row, "label": row.get("label_name")}


def _parquet(rows: Iterator[Mapping[str, Any]], path: Path) -> None:
    with pq.ParquetWriter(path, SCHEMA, compression="zstd") as writer:
        while block := list(itertools.islice(rows, _BLOCK)):
            writer.write_table(pa.Table.from_pylist(block, SCHEMA))


def _cell(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return json_line(value)
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _finite(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
