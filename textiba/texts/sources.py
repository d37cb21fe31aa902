"""Data sets to explain: IMDB, movie rationales, the bundled reviews, and the user's own files and data sets."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from textiba.errors import CorruptFileError, EmptyTextError
from textiba.texts.columns import Columns, Named
from textiba.texts.files import STANDARD_INPUT, SUFFIXES, read_named, read_texts, read_unicode
from textiba.texts.labels import with_index
from textiba.texts.rows import checked_text
from textiba.texts.tables import Rows, is_there, load_table, reading, rows_of
from textiba.texts.text import Text
from textiba.texts.values import shown

LABELS = ("negative", "positive")
IMDB = "stanfordnlp/imdb"
BUNDLED = "bundled"
_BREAK = re.compile(r"(?:\s*<br\s*/?>\s*)+")
_PACKAGE = Path(__file__).parent.parent
_BUNDLED = (_PACKAGE / "checkpoints" / "builtin" / "reviews.jsonl", _PACKAGE.parent / "data" / "reviews.jsonl")


def bundled_reviews(kind: str | None = None) -> list[Text]:
    """The reviews that were written for this project, with rationales; see data/README.md.

    Args:
        kind: keep only this kind (plain, mixed, negation, irony, plot, names).
    """
    path = next((p for p in _BUNDLED if p.is_file()), None)
    if path is None:
        raise CorruptFileError(f"the bundled reviews are missing (looked at {_BUNDLED}); reinstall textiba")
    return [with_index(text, LABELS) for text in read_texts(path) if kind is None or text.kind == kind]


def open_texts(source: str, split: str = "test", seed: int = 0, named: Named | None = None) -> Sequence[Text]:
    """The texts of a source: the bundled reviews, a file, a folder, or a data set of the hub.

    A data set of the hub, a folder and a Parquet file are read as `imdb_rows` reads IMDB: texts are shuffled,
    repeated texts are dropped, HTML line breaks are replaced, and rows are read lazily. Other files keep their order
    and content.

    Args:
        source: "bundled"; a file (see `read_texts`), or "-" for standard input; or a folder or hub id (see `imdb`).
        split: the split of a folder or of a data set of the hub.
        seed: seed of the order, if texts are shuffled.
        named: the columns that the user named.

    Raises:
        InputError, CorruptFileError, HubUnavailableError: see `read_texts` and `imdb`.
    """
    named = named or Named()
    if source == BUNDLED:
        return bundled_reviews()
    if is_file(source) and not (is_there(Path(source).is_file) and Path(source).suffix.lower() == ".parquet"):
        return read_named(source, named)
    return imdb_rows(source, split, seed, named)


def is_file(source: str) -> bool:
    """Whether a source is one file or standard input. The others (folders, data sets of the hub) have splits."""
    path = Path(source)
    named = path.suffix.lower() in SUFFIXES and not is_there(path.is_dir)
    return source == STANDARD_INPUT or named or is_there(path.is_file)


def imdb(source: str = IMDB, split: str = "test", limit: int | None = None, seed: int = 0) -> list[Text]:
    """IMDB reviews (Maas et al., ACL 2011), with HTML line breaks replaced and repeated texts dropped.

    Args:
        source: a hub id; a folder that has the hub's Parquet files (`test-*.parquet`) or the aclImdb layout
            (`test/pos/*.txt`); or one Parquet file with columns `text` and `label`.
        split: "train" or "test".
        limit: number of texts, drawn without replacement; None keeps all.
        seed: seed of the order. Texts are always shuffled, since IMDB is sorted by label. A limit of n gives the
            first n texts of any larger limit.

    Raises:
        InputError: the folder has neither layout, a column is missing, or a row is not a text.
        HubUnavailableError: the hub cannot be reached.
    """
    return list(imdb_rows(source, split, seed)[:limit])


def imdb_rows(source: str = IMDB, split: str = "test", seed: int = 0, named: Named | None = None) -> Rows:
    """Returns the texts of `imdb`.

    Every row is checked first; afterwards each text is read from the disk again when it is used.


    Args:
        source: see `imdb`; any data set in one of the layouts that `imdb` reads.
        split: see `imdb`.
        seed: see `imdb`.
        named: the columns that the user named.

    Raises:
        InputError, HubUnavailableError: see `imdb`.
    """
    return _imdb_rows(source, split, named or Named()).shuffled(seed)


def imdb_stream(source: str = IMDB, split: str = "test", named: Named | None = None) -> Iterator[Text]:
    """Returns an iterator over the texts of `imdb` in the order of the file; repeated texts are kept.

    IMDB's files are sorted by label. Data is downloaded only when it is needed, only one row is held in memory, and
    each row is checked when it is read.

    Args:
        source: see `imdb_rows`.
        split: see `imdb`.
        named: the columns that the user named.

    Raises:
        InputError, HubUnavailableError: see `imdb`.
    """
    table, columns = load_table(source, split, named or Named(), streaming=True)
    return _clean_rows(table, columns, source, split)


def movie_rationales(source: str = "eraser-benchmark/movie_rationales", split: str = "validation") -> list[Text]:
    """Movie reviews with human rationales (Zaidan et al., 2007; ERASER, DeYoung et al., ACL 2020).

    Args:
        source: a hub id, or a folder with `<split>.parquet`, which has the columns id, tokens, label, evidence_starts
            and evidence_ends.
        split: "train" or "validation".

    Raises:
        InputError: a column is missing, or a row is not a list of tokens with token spans.
        HubUnavailableError: the hub cannot be reached.
    """
    spans = ("evidence_starts", "evidence_ends")
    table, columns = load_table(source, split, Named("", "label", "id", rationale=spans, tokens="tokens"))
    return list(rows_of(table, columns, lambda n: f"{source}, row {n + 1}"))


def _imdb_rows(source: str, split: str, named: Named) -> Rows:
    folder = Path(source) / split
    if is_there((folder / "pos").is_dir) and is_there((folder / "neg").is_dir):
        files = [(f, y) for y, name in ((0, "neg"), (1, "pos")) for f in sorted((folder / name).glob("*.txt"))]

        def read(numbers: Sequence[int]) -> list[Text]:
            return [_from_file(*files[number], split) for number in numbers]

        return Rows(read, np.arange(len(files)))
    table, columns = load_table(source, split, named)
    rows = rows_of(table, columns, lambda n: f"{source}, row {n + 1}", lambda n: f"{split}-{n}")
    return rows.map(_cleaned)


def _from_file(file: Path, label: int, split: str) -> Text:
    name = f"{split}-{file.parent.name}-{file.stem}"
    return _cleaned(checked_text(read_unicode(file), label, None, name, None, str(file)))


def _clean_rows(table: Iterable[dict[str, Any]], columns: Columns, source: str, split: str) -> Iterator[Text]:
    with reading(source, split):
        for n, row in enumerate(table):
            yield _cleaned(columns.text_of(row, f"{source}, row {n + 1}", f"{split}-{n}"))


def _cleaned(text: Text) -> Text:
    """Replaces HTML line breaks; a text with a rationale or tags is not changed, so that its spans stay valid."""
    if text.rationale or text.pair_rationale or text.tags is not None:
        return text
    return replace(text, text=_clean(text.text, text.id), pair=text.pair and _clean(text.pair, text.id))


def _clean(text: str, name: str) -> str:
    clean = _BREAK.sub("\n", text).strip()
    if not clean:
        raise EmptyTextError(f"{name}: the text is empty, {shown(text)}; a text needs a word. Remove it")
    return clean
