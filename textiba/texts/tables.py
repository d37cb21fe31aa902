"""Tables of texts that may be too large for memory: Parquet files and data sets of the hub, read lazily."""

import contextlib
import glob
import hashlib
import random
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

import numpy as np
from jaxtyping import Int

from textiba.errors import CorruptFileError, HubUnavailableError, InputError, TextibaError
from textiba.texts.columns import Columns, Named, choose_columns
from textiba.texts.text import Text

_CHUNK = 256  # rows that are read at once when all rows are read

if TYPE_CHECKING:
    _Texts = Sequence[Text]
else:
    _Texts = Sequence  # a type checker at run time looks at an item of a Sequence[Text], which would read a row


class Rows(_Texts):
    """Texts that are read from the disk lazily; a slice is another `Rows`.

    Args:
        read: function from row numbers to the texts of these rows.
        order: the row numbers [texts].
        names: the names of the classes, by index, if the data set has them (a ClassLabel of `datasets`).
    """

    def __init__(
        self,
        read: Callable[[Sequence[int]], list[Text]],
        order: Int[np.ndarray, " texts"],
        names: tuple[str, ...] = (),
    ):
        self._read = read
        self._order = order
        self.names = names

    @overload
    def __getitem__(self, place: int) -> Text: ...
    @overload
    def __getitem__(self, place: slice) -> "Rows": ...
    def __getitem__(self, place: int | slice) -> "Text | Rows":
        if isinstance(place, slice):
            return Rows(self._read, self._order[place], self.names)
        return self._read([int(self._order[place])])[0]

    def __iter__(self) -> Iterator[Text]:
        for start in range(0, len(self), _CHUNK):
            yield from self._read(self._order[start : start + _CHUNK].tolist())

    def __len__(self) -> int:
        return len(self._order)

    def take(self, places: Int[np.ndarray, " some"]) -> "Rows":
        """Returns the texts at these positions."""
        return Rows(self._read, self._order[places], self.names)

    def map(self, change: Callable[[Text], Text]) -> "Rows":
        """Returns the same texts; `change` is applied to each text when the text is read."""
        return Rows(lambda numbers: [change(text) for text in self._read(numbers)], self._order, self.names)

    def with_labels(self, change: Callable[[Text], Text]) -> "Rows":
        """Like `map`, for a change after which labels are no longer indices into `names`; the result has no names."""
        changed = self.map(change)
        changed.names = ()
        return changed

    def checked(self) -> "Rows":
        """Reads every row once, which raises an error if a row is not a text, and returns this object."""
        for _ in self:
            pass
        return self

    def distinct(self) -> Int[np.ndarray, " some"]:
        """Returns the last position of each distinct text; the texts are in the order in which they first occur."""
        hashes = np.fromiter((text_hash(text.whole) for text in self), np.uint64, len(self))
        _, first = np.unique(hashes, return_index=True)
        _, last = np.unique(hashes[::-1], return_index=True)
        return (len(self) - 1 - last)[np.argsort(first)]

    def shuffled(self, seed: int) -> "Rows":
        """Returns each distinct text once, in a random order that depends on the seed."""
        order = self.distinct().tolist()
        random.Random(seed).shuffle(order)  # noqa: S311 - an order, not a secret
        return self.take(np.asarray(order, dtype=np.int64))


def text_hash(text: str) -> int:
    """Returns a 64-bit hash of a text."""
    return int.from_bytes(hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big")


def rows_of(
    table: Any, columns: Columns, where: Callable[[int], str], id_of: Callable[[int], str] = lambda _: ""
) -> Rows:
    """Returns the rows of a `datasets.Dataset` as texts, which are read and checked lazily.

    Args:
        table: the data set.
        columns: the columns to read; no other column is decoded.
        where: names a row in errors, by its number from 0.
        id_of: makes the id of a row without an id, from the number of the row, counted from 0.
    """
    small = table.select_columns(columns.used).with_format(None)

    def read(numbers: Sequence[int]) -> list[Text]:
        values = _values(small, numbers, where)
        return [
            columns.text_of({name: column[i] for name, column in values.items()}, where(number), id_of(number))
            for i, number in enumerate(numbers)
        ]

    gold = (table.features or {}).get(columns.label)
    names = getattr(getattr(gold, "feature", gold), "names", None)  # of a ClassLabel, or of a list of them
    return Rows(read, np.arange(len(table)), tuple(names or ()))


def load_table(source: str, split: str, named: Named, streaming: bool = False) -> tuple[Any, Columns]:
    """Opens a Parquet file, a folder's Parquet files of one split, or a data set of the hub, and chooses its columns.

    Args:
        source: file, folder or hub id.
        split: the split of a folder or of a data set of the hub.
        named: the columns that the user named.
        streaming: whether data is downloaded only when it is read.

    Returns:
        The result of `datasets.load_dataset`, and the columns to read.

    Raises:
        InputError: the folder has no such files, the data set has no such split, or a column does not exist.
        CorruptFileError: a file is damaged, or is not a Parquet file.
        HubUnavailableError: no such file or folder, and the hub cannot be reached.
    """
    import datasets
    from pyarrow.parquet import read_metadata

    path = Path(source)
    with reading(source, split):
        if is_there(path.exists):
            files = [path] if path.is_file() else sorted(path.glob(f"{split}*.parquet"))
            if not files:
                raise InputError(
                    f"{source}: expected '{split}*.parquet' or '{split}/pos/*.txt' and '{split}/neg/*.txt'; "
                    f"found {sorted(p.name for p in path.iterdir())[:8]}"
                )
            # `datasets` raises an error for files without rows, and logs an error for files that are not Parquet.
            names = [glob.escape(str(file)) for file in files if read_metadata(file).num_rows]
            if not names:
                raise InputError(f"{source}: holds no text")
            table: Any = datasets.load_dataset("parquet", data_files=names, split="train", streaming=streaming)
        else:
            table = datasets.load_dataset(source, split=split, streaming=streaming)
        # For a stream that does not know its columns, the first row shows them.
        return table, choose_columns(table.column_names or list(next(iter(table), ())), named, source)


@contextlib.contextmanager
def reading(source: str, split: str) -> Iterator[None]:
    """Turns errors of `datasets` and pyarrow into errors that say what to do."""
    from datasets.exceptions import DatasetGenerationError
    from pyarrow import ArrowException

    try:
        yield
    except TextibaError:  # an InputError is a ValueError too
        raise
    except (DatasetGenerationError, ArrowException) as error:
        raise CorruptFileError(f"{source}: not readable as Parquet; download it again, or export it again") from error
    except (ConnectionError, OSError) as error:
        if is_there(Path(source).exists):
            raise InputError(f"{source}: cannot be read: {error}") from error
        raise HubUnavailableError(
            f"the data set '{source}' is no file or folder here, and the hub cannot be reached; name a folder or a "
            f"file instead ({type(error).__name__})"
        ) from error
    except ValueError as error:
        raise InputError(f"{source}: no data set with the split '{split}': {_first_line(error)}") from error


def _values(table: Any, numbers: Sequence[int], where: Callable[[int], str]) -> dict[str, list]:
    """Returns some rows, as a list of values for each column."""
    from pyarrow import ArrowException

    try:
        return table[list(numbers)]
    except (ArrowException, ValueError, TypeError, NotImplementedError) as error:
        raise CorruptFileError(f"{where(numbers[0])} or a later row: cannot be read: {_first_line(error)}") from error


def is_there(check: Callable[[], bool]) -> bool:
    """Calls a path's `exists`, `is_file` or `is_dir`; returns False if the path is too long or contains NUL."""
    try:
        return check()
    except (OSError, ValueError):
        return False


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
