"""The user's own files: JSON lines, JSON, CSV, TSV, plain text and Parquet, told apart by their suffix."""

import codecs
import json
import sys
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from textiba.errors import CorruptFileError, InputError
from textiba.texts.columns import Named, choose_columns
from textiba.texts.delimited import read_cells
from textiba.texts.tables import is_there, load_table, rows_of
from textiba.texts.text import Text
from textiba.texts.values import shown

SUFFIXES = (".jsonl", ".json", ".csv", ".tsv", ".txt", ".parquet")
STANDARD_INPUT = "-"
_BOMS = (  # the longer marks first: UTF-32's mark begins with UTF-16's
    (codecs.BOM_UTF32_LE, "utf-32"), (codecs.BOM_UTF32_BE, "utf-32"), (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"),
)  # fmt: skip

Record = Mapping[Any, Any]
Where = Callable[[int], str]  # names a record in errors, by its number from 1


def read_texts(
    path: str | Path,
    text_column: Hashable | None = None,
    label_column: Hashable | None = None,
    id_column: Hashable | None = None,
    pair_column: Hashable | None = None,
    rationale_column: Hashable | list[Hashable] | None = None,
    pair_rationale_column: Hashable | list[Hashable] | None = None,
    value_column: Hashable | None = None,
    tokens_column: Hashable | None = None,
    pair_tokens_column: Hashable | None = None,
    rationale_format: str | None = None,
    annotators: str = "majority",
    gold: str = "label",
) -> Sequence[Text]:
    """Checks every row of a file, and returns the texts in the order of the file.

    The suffix tells the format: `.jsonl` (one object per line), `.json` (a list of objects, or a list for each column),
    `.csv` and `.tsv` (the first line has the column names), `.parquet`, or `.txt` (one text per line). "-" is standard
    input, with one text or one object per line. Files are UTF-8, or UTF-16 or UTF-32 with a byte order mark. Only line
    feeds end a line; other line breaks of Unicode are a part of the text. A column called `kind` is read as well.

    A label is an index or a name of a class; see `textiba.texts.labels`. In a CSV or TSV file, labels are indices if
    all are whole numbers and one of them is 0; otherwise they are names.

    Args:
        path: the file, or "-".
        text_column: column of the texts; None takes `text`, `sentence` or `review`, or the first of two columns that
            are known as a pair, such as `premise` and `hypothesis`; see `textiba.texts.columns.PAIR_COLUMNS`. If there
            is none of these, or for "", the text is the tokens, joined with single spaces.
        label_column: column of the labels; None takes `label`, where there is one; "" reads none.
        id_column: column of the ids; None takes `id`, where there is one, and otherwise makes ids from the row numbers.
        pair_column: column of the second texts of pairs; None takes `pair`, where there is one, or the second column of
            a known pair; "" reads single texts.
        rationale_column: column of the rationales, or a tuple of two columns: the starts and the ends of the spans.
            None takes `rationale`, or else, for a text with tokens, `evidence_starts` and `evidence_ends`, or
            `rationales`; "" reads none. `textiba.texts.rationales` lists the shapes.
        pair_rationale_column: the same for the second text; None takes `pair_rationale`.
        value_column: column of gold values for regression; None reads none.
        tokens_column: column of the tokens, which token spans and masks count; None takes `tokens` or `post_tokens`.
        pair_tokens_column: the same for the second text; None reads none.
        rationale_format: what the numbers of the rationales are: "characters", "tokens" or "mask". If None, the
            data decide; see `textiba.texts.columns.Named`.
        gold: what the column of the labels holds: the "label" of a text; a list of "labels" of which several may hold,
            by default in `labels`; or the "tags" of a text's tokens, by default in `tags` or `ner_tags`. The column of
            the texts then holds lists of tokens, by default in `tokens`.
        annotators: of several annotators, "any" takes what at least one marked, "majority" what more than half marked.

    Returns:
        A list; for a Parquet file, a sequence whose rows are read from the disk lazily.

    Raises:
        InputError: no such file, a suffix that is none of these, a column that does not exist, or a value that is not
            a text, label, id or rationale; the message names the row, counted from 1.
        CorruptFileError: the file is not in the format that its suffix says, or not in Unicode.
    """
    return read_named(
        path,
        Named(
            text_column,
            label_column,
            id_column,
            pair_column,
            rationale_column,
            pair_rationale_column,
            value_column,
            tokens_column,
            pair_tokens_column,
            rationale_format,
            annotators,
            gold,
        ),
    )


def read_named(path: str | Path, named: Named) -> Sequence[Text]:
    """`read_texts` with the columns in one argument."""
    source = str(path)
    if source == STANDARD_INPUT:
        return _texts(_from_standard_input(named), "standard input")
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix == ".parquet" and is_there(path.is_file):
        return _texts(_from_parquet(path, named), source)
    if suffix not in SUFFIXES:
        raise InputError(
            f"{source}: texts come as {', '.join(SUFFIXES)}; got '{path.suffix}'. Rename or convert the file"
        )
    content = read_unicode(path)
    if suffix == ".txt":
        return _texts(_from_lines(content, named, source, path.stem), source)
    if suffix == ".jsonl":
        return _texts(_from_json_lines(content, named, source), source)
    if suffix == ".json":
        return _texts(_from_json(content, named, source, path.stem), source)
    return _texts(_from_cells(content, named, source, path.stem, tabs=suffix == ".tsv"), source)


def read_unicode(path: Path) -> str:
    """Returns the content of a text file: UTF-8, or the encoding of its byte order mark. The mark is left out.

    Raises:
        InputError: no such file, or it cannot be read.
        CorruptFileError: the content is binary, or not valid in this encoding.
    """
    if not is_there(path.is_file):
        raise InputError(f"{path}: {'a folder; name a file in it' if is_there(path.is_dir) else 'no such file'}")
    try:
        return _decoded(path.read_bytes(), str(path))
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}") from None


def _decoded(content: bytes, source: str) -> str:
    encoding = next((name for mark, name in _BOMS if content.startswith(mark)), "utf-8")
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        raise CorruptFileError(
            f"{source}: not {encoding.removesuffix('-sig').upper()} ({error.reason} at byte {error.start}); convert it "
            "first, for example with: iconv -f latin1 -t utf-8"
        ) from None
    if "\0" in text:
        raise CorruptFileError(f"{source}: holds NUL characters: binary, or UTF-16 without a byte order mark")
    return text


def _texts(texts: Sequence[Text], source: str) -> Sequence[Text]:
    if not len(texts):
        raise InputError(f"{source}: holds no text")
    return texts


def _from_standard_input(named: Named) -> Sequence[Text]:
    """Reads lines of text; or JSON objects, if the first line that is not blank is a JSON object."""
    if sys.stdin is None:
        raise InputError("standard input is closed; name a file")
    content = _decoded(sys.stdin.buffer.read(), "standard input")
    if _begins_with_an_object(content):
        return _from_json_lines(content, named, "standard input")
    return _from_lines(content, named, "standard input", "stdin")


def _begins_with_an_object(content: str) -> bool:
    try:
        return isinstance(json.loads(next(_lines(content), (0, ""))[1]), dict)
    except (ValueError, RecursionError):
        return False


def _lines(content: str) -> Iterator[tuple[int, str]]:
    """Yields the lines that are not blank, with their numbers from 1. Only line feeds end a line."""
    return ((n, line) for n, line in enumerate(content.split("\n"), 1) if line.strip())


def _from_lines(content: str, named: Named, source: str, stem: str) -> list[Text]:
    if named != Named():
        raise InputError(f"{source}: a file of plain lines has no columns to name; leave the column names out")
    columns = choose_columns(["text", "id"], named, source)
    return [
        columns.text_of({"text": line.strip(), "id": f"{stem}-{n}"}, f"{source}:{n}") for n, line in _lines(content)
    ]


def _from_json_lines(content: str, named: Named, source: str) -> list[Text]:
    numbers, records = [], []
    for n, line in _lines(content):
        numbers.append(n)
        records.append(
            _object(_parsed(line, f"{source}:{n}", "a .jsonl file has a JSON object a line"), f"{source}:{n}")
        )

    def where(n: int) -> str:
        return f"{source}:{numbers[n - 1]}"

    return from_records(records, named, source, where, where)


def _from_json(content: str, named: Named, source: str, stem: str) -> list[Text]:
    """Reads a list of objects or strings, a list for each column, or JSON lines in a file that ends in `.json`."""
    if "\n" in content.strip() and _begins_with_an_object(content):
        return _from_json_lines(content, named, source)
    found = _parsed(content, source, "a .json file has a list of objects")
    if isinstance(found, dict):
        found = _by_row(found, source)
    if not isinstance(found, list):
        raise InputError(f"{source}: a .json file has a list of objects; got {shown(found)}")

    def where(n: int) -> str:
        return f"{source}, row {n}"

    records = [{"text": one} if isinstance(one, str) else _object(one, where(n)) for n, one in enumerate(found, 1)]
    return from_records(records, named, source, where, lambda n: f"{stem}-{n}")


def _by_row(table: dict[str, Any], source: str) -> list[dict[str, Any]]:
    """Returns the rows of a table that has a list for each column."""
    lengths = {len(column) if isinstance(column, list) else None for column in table.values()}
    if len(lengths) != 1 or None in lengths:
        raise InputError(
            f"{source}: a .json file has a list of objects, or one list for each column, all of one length; got an "
            f"object of {shown(list(table))}. pandas writes the former with to_json(orient='records')"
        )
    return [dict(zip(table, row, strict=True)) for row in zip(*table.values(), strict=True)]


def _from_cells(content: str, named: Named, source: str, stem: str, tabs: bool) -> list[Text]:
    table = read_cells(content, source, tabs)
    columns = choose_columns(table.header, named, source)
    return from_records(
        table.records(columns.label if columns.gold == "label" else None),
        named,
        source,
        lambda n: table.where(source, n),
        lambda n: f"{stem}-{n}",
        table.header,
    )


def _from_parquet(path: Path, named: Named) -> Sequence[Text]:
    table, columns = load_table(str(path), "train", named)
    return rows_of(table, columns, lambda n: f"{path}, row {n + 1}", lambda n: f"{path.stem}-{n + 1}").checked()


def from_records(
    records: Sequence[Record],
    named: Named,
    source: str,
    where: Where,
    id_of: Where,
    known: Sequence[Hashable] | None = None,
) -> list[Text]:
    """Returns the texts of records, which need not all have the same columns.

    Args:
        records: values by column.
        named: the columns that the user named.
        source: names the data in errors.
        where: names a record in errors, by its number from 1.
        id_of: makes the id of a record without an id, from the number of the record, counted from 1.
        known: all columns; None takes the columns that occur in any record.

    Raises:
        InputError: a column does not exist, or a record is not a text.
    """
    if not records:
        return []
    known = list(dict.fromkeys(column for record in records for column in record)) if known is None else known
    columns = choose_columns(known, named, source)
    return [columns.text_of(record, where(n), id_of(n)) for n, record in enumerate(records, 1)]


def _object(value: Any, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise InputError(f'{where}: a row is an object with a text, such as {{"text": "…"}}; got {shown(value)}')
    return value


def _parsed(content: str, where: str, rule: str) -> Any:
    try:
        return json.loads(content)
    except json.JSONDecodeError as error:
        raise CorruptFileError(f"{where}: not JSON: {error.msg} at character {error.pos}; {rule}") from None
    except (ValueError, RecursionError) as error:  # a number with thousands of digits; a thousand nested brackets
        raise CorruptFileError(f"{where}: not JSON that can be read: {error}; {rule}") from None
