"""Accepts texts in the forms that users have: strings, lists, tables and data sets, if their meaning is clear."""

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence, Sized
from pathlib import Path
from typing import Any, TypeGuard

import numpy as np

from textiba.errors import InputError
from textiba.texts.columns import Columns, Named, choose_columns
from textiba.texts.files import from_records, read_named
from textiba.texts.rows import checked_again, checked_text
from textiba.texts.tables import Rows, rows_of
from textiba.texts.text import Text
from textiba.texts.values import shown


def texts_from(data: object, named: Named = Named()) -> Iterable[Text]:  # noqa: B008 - a frozen value
    """Returns the texts in `data`, each checked.

    `data` may be one text, as a string or a `Text`; a list, array, pandas Series, generator or other iterable of
    strings, pairs of strings (as tuples), `Text`s or records (mappings with a text); a pandas DataFrame; a
    `datasets.Dataset`; a mapping of columns; or the path of a file, which `read_texts` reads. Data with a length is
    checked completely before this function returns. A generator or stream is read and checked lazily.

    Args:
        data: the texts.
        named: the columns that the user named, if `data` has columns.

    Returns:
        A sequence if `data` has a length, and an iterator otherwise. The rows of a data set on the disk are read
        lazily.

    Raises:
        InputError: `data` holds no texts, a column does not exist, or an item is not a text; items are counted from 0.
        EmptyTextError: a text has no word.
    """
    if isinstance(data, Path):
        return read_named(data, named)
    if isinstance(data, str | Text):
        return [_Items(named).text(data, 0)]
    if isinstance(data, Rows):
        return data
    if (table := _known_table(data, named)) is not None:
        return table
    if isinstance(data, Mapping):
        return _columns(data, named)
    _refuse_what_is_no_list(data)
    assert isinstance(data, Iterable)  # noqa: S101 - for the type checker: all else was refused above
    if not isinstance(data, Sized):
        return _stream(data, named)
    items = list(data)
    if items and all(isinstance(item, Mapping) for item in items):
        return from_records(items, named, "texts", lambda n: _number(n - 1), lambda _: "")
    return list(_stream(items, named))


class _Items:
    """Turns items of any kind into texts."""

    def __init__(self, named: Named):
        self._named = named
        self._columns: dict[tuple[Any, ...], Columns] = {}  # chosen columns, for each set of columns seen

    def text(self, item: object, number: int) -> Text:
        """Returns the text of one item; errors name the item by its number."""
        where = _number(number)
        if isinstance(item, Mapping):
            known = tuple(item)
            if known not in self._columns:
                self._columns[known] = choose_columns(known, self._named, where)
            return self._columns[known].text_of(item, where)
        if self._named != Named():
            raise InputError(f"{where}: {shown(item)} has no columns to name; leave text_column and the like out")
        if isinstance(item, Text):
            return checked_again(item, where)
        if isinstance(item, tuple) and len(item) == 2:
            return checked_text(item[0], None, None, None, None, where, pair=item[1])
        return checked_text(item, None, None, None, None, where)


def _stream(items: Iterable[object], named: Named) -> Iterator[Text]:
    one = _Items(named)
    for number, item in enumerate(items):
        yield one.text(item, number)


def _number(number: int) -> str:
    return f"text number {number} (counting from 0)"


def _known_table(data: Any, named: Named) -> Iterable[Text] | None:
    """Returns the texts of a pandas or `datasets` object; None for other objects. Neither library is imported."""
    if _is_a(data, "pandas", "DataFrame"):
        return _frame(data, named)
    if _is_a(data, "datasets", "Dataset"):
        return rows_of(data, choose_columns(data.column_names, named, "the data set"), _number).checked()
    if _is_a(data, "datasets", "IterableDataset"):
        return _stream(data, named)
    if _is_a(data, "datasets", "DatasetDict", "IterableDatasetDict"):
        raise InputError(f"these are several data sets, {sorted(map(str, data))}; give one of them: data['train']")
    return None


def _is_a(data: object, library: str, *names: str) -> bool:
    """Whether `data` is an instance of a library's class; False if the library has not been imported."""
    classes = (getattr(sys.modules.get(library), name, None) for name in names)
    return isinstance(data, tuple(found for found in classes if isinstance(found, type)))


def _frame(frame: Any, named: Named) -> list[Text]:
    columns = choose_columns(list(frame.columns), named, "the DataFrame")
    values = {column: frame[column].tolist() for column in columns.used}
    return [
        columns.text_of({name: column[i] for name, column in values.items()}, f"{_number(i)} (row {shown(label)})")
        for i, label in enumerate(frame.index.tolist())
    ]


def _columns(data: Mapping[Any, Any], named: Named) -> list[Text]:
    """Returns the texts of a mapping, which is one record, or has a list for each column."""
    columns = choose_columns(list(data), named, "the mapping")
    values = data[columns.first.main]
    joined = columns.first.text is None or columns.gold == "tags"  # the column holds lists of tokens
    tokens = joined and _is_list(values) and all(isinstance(token, str) for token in values)
    if isinstance(values, str) or tokens:
        return [columns.text_of(data, _number(0))]
    _refuse_what_is_no_list(values)
    table = {column: list(values) if _is_list(values := data[column]) else [] for column in columns.used}
    lengths = {str(column): len(rows) for column, rows in table.items()}
    if len(set(lengths.values())) > 1:
        raise InputError(f"the columns of a mapping have one length; got {lengths}")
    rows = zip(*table.values(), strict=True)
    return [columns.text_of(dict(zip(table, row, strict=True)), _number(i)) for i, row in enumerate(rows)]


def _is_list(values: object) -> TypeGuard[Iterable[object]]:
    return isinstance(values, Iterable) and not isinstance(values, str | bytes)


def _refuse_what_is_no_list(data: object) -> None:
    """Raises `InputError` unless `data` is an ordered iterable whose items may be texts."""
    kind = type(data).__name__
    if isinstance(data, set | frozenset):
        raise InputError(f"texts have an order, and a {kind} has none; give sorted(texts) or a list")
    if isinstance(data, bytes | bytearray | memoryview):
        raise InputError(f"texts are strings; got {kind}. Decode them first: text.decode('utf-8')")
    if not isinstance(data, Iterable) or (isinstance(data, np.ndarray) and data.ndim == 0):
        raise InputError(f"texts are a list of strings, or another iterable; got {shown(data)}, of type {kind}")
    if hasattr(data, "to_pandas") and not isinstance(data, Sequence):  # tables of polars, pyarrow and others
        raise InputError(f"a {kind} is not read; convert it first: texts.to_pandas()")
