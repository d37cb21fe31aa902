"""Texts to explain: IMDB, movie rationales, and the ones bundled with the project."""

import hashlib
import json
import random
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

import numpy as np
from jaxtyping import Int

from textiba.errors import CorruptFileError, HubUnavailableError, InputError

LABELS = ("negative", "positive")
IMDB = "stanfordnlp/imdb"
_BREAK = re.compile(r"(?:\s*<br\s*/?>\s*)+")
_PACKAGE = Path(__file__).parent.parent
_BUNDLED = (_PACKAGE / "checkpoints" / "builtin" / "reviews.jsonl", _PACKAGE.parent / "data" / "reviews.jsonl")


@dataclass(frozen=True, slots=True)
class Text:
    """A text, its gold label (0 negative, 1 positive), and the spans that a person marked as the reason for it.

    Attributes:
        text: the text.
        label: gold class, or None when unknown.
        rationale: character spans `(start, end)`, end exclusive, in order and without overlap.
        id: a stable name within its source.
        kind: what makes it interesting (bundled reviews: plain, mixed, negation, irony, plot, names).
    """

    text: str
    label: int | None = None
    rationale: tuple[tuple[int, int], ...] = ()
    id: str = ""
    kind: str = ""


def bundled_reviews(kind: str | None = None) -> list[Text]:
    """The texts written for this project, with rationales; see data/README.md.

    Args:
        kind: keep only this kind (plain, mixed, negation, irony, plot, names).
    """
    path = next((p for p in _BUNDLED if p.is_file()), None)
    if path is None:
        raise CorruptFileError(f"the bundled reviews are missing (looked at {_BUNDLED}); reinstall textiba")
    texts = [_from_json(line, f"{path}:{n}") for n, line in enumerate(path.read_text("utf-8").splitlines(), 1)]
    return [r for r in texts if kind is None or r.kind == kind]


def imdb(source: str = IMDB, split: str = "test", limit: int | None = None, seed: int = 0) -> list[Text]:
    """IMDB reviews (Maas et al., ACL 2011), with HTML line breaks replaced and repeated texts dropped.

    Args:
        source: a hub id; or a folder: the hub's Parquet files (`test-*.parquet`) or the aclImdb layout
            (`test/pos/*.txt`); or one Parquet file with columns `text` and `label`.
        split: "train" or "test".
        limit: how many, drawn without replacement; None keeps all.
        seed: of the order. Texts are always shuffled, since IMDB comes sorted by label; the first n of a
            larger limit are the n of a smaller one.

    Raises:
        InputError: the folder has neither layout, or a column is missing.
        HubUnavailableError: the hub cannot be reached.
    """
    return list(imdb_rows(source, split, seed)[:limit])


def imdb_rows(source: str = IMDB, split: str = "test", seed: int = 0) -> "Rows":
    """What `imdb` gives, read from the disk when it is asked for. Arguments and errors as there."""
    rows = _imdb_rows(source, split)
    order = rows.distinct().tolist()
    random.Random(seed).shuffle(order)  # noqa: S311 - an order, not a secret
    return rows.take(np.asarray(order))


def imdb_stream(source: str = IMDB, split: str = "test") -> Iterator[Text]:
    """IMDB reviews in the order of the file, which is that of their labels, and repeated ones too.

    Nothing is downloaded before it is needed, and nothing is held. Arguments and errors as of `imdb`.
    """
    table = _table(source, split, ("text", "label"), streaming=True)
    return (_imdb_review(row, split, n) for n, row in enumerate(table))


if TYPE_CHECKING:
    _Reviews = Sequence[Text]
else:
    _Reviews = Sequence  # a checker at run time that looks at an item of it would read a file


class Rows(_Reviews):
    """Texts that are read from the disk when they are asked for; a slice of it is another.

    Args:
        read: gives the text of a number.
        order: the numbers [texts].
    """

    def __init__(self, read: Callable[[int], Text], order: Int[np.ndarray, " texts"]):
        self._read = read
        self._order = order

    @overload
    def __getitem__(self, place: int) -> Text: ...
    @overload
    def __getitem__(self, place: slice) -> "Rows": ...
    def __getitem__(self, place: int | slice) -> "Text | Rows":
        if isinstance(place, slice):
            return Rows(self._read, self._order[place])
        return self._read(int(self._order[place]))

    def __len__(self) -> int:
        return len(self._order)

    def take(self, places: Int[np.ndarray, " some"]) -> "Rows":
        """The texts at these places."""
        return Rows(self._read, self._order[places])

    def distinct(self) -> Int[np.ndarray, " some"]:
        """A place for each text, in the order in which they first come; of repeated ones the last place."""
        hashes = np.fromiter((_hash(text.text) for text in self), np.uint64, len(self))
        _, first = np.unique(hashes, return_index=True)
        _, last = np.unique(hashes[::-1], return_index=True)
        return (len(self) - 1 - last)[np.argsort(first)]


def movie_rationales(source: str = "eraser-benchmark/movie_rationales", split: str = "validation") -> list[Text]:
    """Movie reviews with human rationales (Zaidan et al., 2007; ERASER, DeYoung et al., ACL 2020).

    Args:
        source: a hub id, or a folder with `<split>.parquet`: id, tokens, label, evidence_starts, evidence_ends.
        split: "train" or "validation".
    """
    columns = ("id", "tokens", "label", "evidence_starts", "evidence_ends")
    return [_from_tokens(row) for row in _table(source, split, columns)]


def read_texts(path: str | Path) -> list[Text]:
    """Texts from a file: `.jsonl` (`text`, and what else `Text` has), `.parquet`, or `.txt` (one a line).

    Raises:
        InputError: no such file, or an ending that is none of these.
        CorruptFileError: a line or a column that cannot be read.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path}: no such file")
    if path.suffix == ".parquet":
        return list(_imdb_rows(str(path), ""))
    lines = [(n, line) for n, line in enumerate(_read(path).splitlines(), 1) if line.strip()]
    if path.suffix == ".jsonl":
        return [_from_json(line, f"{path}:{n}") for n, line in lines]
    if path.suffix == ".txt":
        return [Text(line.strip(), id=f"{path.stem}-{n}") for n, line in lines]
    raise InputError(f"{path}: texts come as .jsonl, .parquet or .txt; got '{path.suffix}'")


def _imdb_rows(source: str, split: str) -> Rows:
    folder = Path(source) / split
    if (folder / "pos").is_dir() and (folder / "neg").is_dir():
        files = [(f, y) for y, name in ((0, "neg"), (1, "pos")) for f in sorted((folder / name).glob("*.txt"))]

        def read(number: int) -> Text:
            file, label = files[number]
            return Text(_clean(_read(file)), label, id=f"{split}-{file.parent.name}-{file.stem}")

        return Rows(read, np.arange(len(files)))
    table = _table(source, split, ("text", "label"))
    return Rows(lambda number: _imdb_review(table[number], split, number), np.arange(len(table)))


def _imdb_review(row: dict, split: str, number: int) -> Text:
    return Text(_clean(row["text"]), row["label"], id=f"{split}-{number}")


def _hash(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big")


def _table(source: str, split: str, columns: tuple[str, ...], streaming: bool = False) -> Any:
    """The rows of a Parquet file, of a folder's Parquet files for `split`, or of a hub data set."""
    import datasets
    from datasets.exceptions import DatasetGenerationError
    from pyarrow import ArrowInvalid

    path = Path(source)
    try:
        if path.exists():
            files = [path] if path.is_file() else sorted(path.glob(f"{split}*.parquet"))
            if not files:
                raise InputError(
                    f"{source}: expected '{split}*.parquet' or '{split}/pos/*.txt' and '{split}/neg/*.txt'; "
                    f"found {sorted(p.name for p in path.iterdir())[:8]}"
                )
            names = [str(f) for f in files]
            table = datasets.load_dataset("parquet", data_files=names, split="train", streaming=streaming)
        else:
            table = datasets.load_dataset(source, split=split, streaming=streaming)
        known = table.column_names or list(next(iter(table), ()))
    except (ConnectionError, OSError) as error:
        if path.exists():
            raise InputError(f"{source}: cannot be read: {error}") from error
        raise HubUnavailableError(
            f"the data set '{source}' is no folder here and the hub cannot be reached; name a folder or a "
            f"Parquet file instead ({type(error).__name__})"
        ) from error
    except (DatasetGenerationError, ArrowInvalid) as error:
        raise CorruptFileError(f"{source}: not readable as Parquet; download it again") from error
    missing = [c for c in columns if c not in known]
    if missing:
        raise InputError(f"{source}: column {missing} is missing; it has {known}")
    return table


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except UnicodeDecodeError as error:
        raise CorruptFileError(f"{path}: not UTF-8 ({error}); convert it first") from None


def _clean(text: str) -> str:
    return _BREAK.sub("\n", text).strip()


def _from_json(line: str, where: str) -> Text:
    try:
        row = json.loads(line)
        if not isinstance(row["text"], str):
            raise TypeError(f"text is a string; got {row['text']!r}")
        label = row.get("label")
        if isinstance(label, str):
            if label not in LABELS:
                raise ValueError(f"a label is one of {LABELS}, or their index; got {label!r}")
            label = LABELS.index(label)
        spans = tuple((int(start), int(end)) for start, end in row.get("rationale", ()))
        return Text(row["text"], label, spans, row.get("id", where), row.get("kind", ""))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise CorruptFileError(f"{where}: not a text: {type(error).__name__}: {error}") from None


def _from_tokens(row: dict) -> Text:
    """Joins tokens with single spaces and turns token spans into character spans."""
    starts, at = [], 0
    for token in row["tokens"]:
        starts.append(at)
        at += len(token) + 1
    ends = [start + len(token) for start, token in zip(starts, row["tokens"], strict=True)]
    marked = sorted({i for s, e in zip(row["evidence_starts"], row["evidence_ends"], strict=True) for i in range(s, e)})
    runs: list[tuple[int, int]] = []
    for i in marked:
        if runs and runs[-1][1] == i:
            runs[-1] = (runs[-1][0], i + 1)
        else:
            runs.append((i, i + 1))
    spans = tuple((starts[a], ends[b - 1]) for a, b in runs)
    return Text(" ".join(row["tokens"]), row["label"], spans, row["id"])
