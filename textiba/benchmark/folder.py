"""The folder of a benchmark: one small Parquet file for each data set, checkpoint, method and chunk of texts.

run/
manifest.json                                   settings, versions, fingerprints
rows/<data>/<checkpoint>/<method>/00000.parquet a row for each text: scores, metrics, cost; written whole or not at all
leaderboard.csv  leaderboard.md  *.png          written again from the rows after each textiba benchmark
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from textiba.benchmark.config import BenchmarkConfig
from textiba.errors import SettingError
from textiba.store import Manifest, read_rows, write_table
from textiba.store.processes import ALONE, Processes

Row = dict[str, Any]
SUBSETS, SANITY = "_subsets", "_sanity "  # no method's label starts with an underscore


@dataclass(frozen=True, slots=True)
class Place:
    """The place of rows in the folder.

    Attributes:
        data: the name of the data set.
        checkpoint: the model's name.
        label: a method's label, `SUBSETS`, or `SANITY` + a label.
    """

    data: str
    checkpoint: str
    label: str


class BenchmarkFolder:
    """Writes and reads the rows of a benchmark.

    Args:
        path: the folder; made if it is missing.
        config: the benchmark to run; None reads an existing folder.
        processes: the processes that share the run; the first process writes the manifest.

    Raises:
        InputError: the rows in the folder were made with other shared settings; or there is no config, and the folder
            holds no benchmark.
        CorruptFileError: the folder's manifest cannot be read.
        SettingError: the names of two checkpoints would give the same folder.
    """

    def __init__(self, path: str | Path, config: BenchmarkConfig | None = None, processes: Processes = ALONE):
        self.path = Path(path)
        shared = None if config is None else config.shared
        self.manifest = Manifest(self.path, shared, "benchmark CONFIG", processes.main)
        if config is not None:
            self.manifest.values["config"] = config.model_dump(mode="json")
            self.manifest.save()
        self.config = config or BenchmarkConfig.from_mapping(self.manifest.values["config"], str(self.path))
        if len({plain_name(c) for c in self.config.checkpoints}) < len(self.config.checkpoints):
            raise SettingError(
                "the names of checkpoints must differ by more than punctuation, since they name folders; got "
                f"{list(self.config.checkpoints)}. Rename a checkpoint's folder, or run one benchmark for each"
            )

    def has(self, place: Place, chunk: int) -> bool:
        """Whether the rows of a chunk are on disk."""
        return self._file(place, chunk).is_file()

    def write(self, place: Place, chunk: int, rows: Sequence[Row]) -> None:
        """Writes the rows of a chunk: all rows or none."""
        file = self._file(place, chunk)
        file.parent.mkdir(parents=True, exist_ok=True)
        # pyarrow takes the columns from the first row, but the row of a text without a rationale lacks some columns.
        names = dict.fromkeys(name for row in rows for name in row)
        write_table(file, pa.Table.from_pylist([{name: row.get(name) for name in names} for row in rows]))

    def read(self, place: Place) -> Iterator[Row]:
        """The rows of all chunks, in order; one chunk is in memory at a time.

        Raises:
            CorruptFileError: a file cannot be read.
        """
        for file in sorted(self._file(place, 0).parent.glob("*.parquet")):
            yield from read_rows(file, partitioning=None)

    def _file(self, place: Place, chunk: int) -> Path:
        folder = self.path / "rows" / place.data / plain_name(place.checkpoint) / place.label
        return folder / f"{chunk:05d}.parquet"


def plain_name(checkpoint: str) -> str:
    """A checkpoint's name with only characters that are allowed in a path."""
    return re.sub(r"[^\w.-]+", "_", checkpoint)
