"""A run's folder: a manifest, and attributions as Parquet shards that survive a kill at any moment."""

import json
import time
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from textiba.attribution import Attribution, Curve
from textiba.errors import InputError
from textiba.store.files import read_rows, write_table, write_whole
from textiba.store.manifest import Manifest
from textiba.store.processes import ALONE, Processes
from textiba.store.rows import SCHEMA, from_row, settings_key, to_row

if TYPE_CHECKING:
    from datasets import Dataset

Key = tuple[str, str, str]  # checkpoint, method, settings as `settings_key` gives them
ATTRIBUTIONS = "attributions"
_SHARD = 256  # rows held before they are written
_SECONDS = 60.0  # and the longest that they are held


class Numbers:
    """A set of text numbers: a byte for each number up to the largest."""

    def __init__(self) -> None:
        self._there = bytearray()
        self._count = 0

    def add(self, number: int) -> bool:
        """Puts a number in, and says whether it is new."""
        if number >= len(self._there):
            self._there.extend(bytes(number + 1 - len(self._there)))
        new = not self._there[number]
        self._there[number] = 1
        self._count += new
        return new

    def __contains__(self, number: int) -> bool:
        return number < len(self._there) and bool(self._there[number])

    def __len__(self) -> int:
        return self._count


class RunFolder:
    """Writes and reads a run.

    Args:
        path: the folder; made when missing.
        settings: of the run. A folder that already holds a run must have been made with the same.
        processes: those that share the run; each writes shards of its own.

    Raises:
        InputError: the folder holds a run with other settings.
        CorruptFileError: its manifest cannot be read.
    """

    def __init__(self, path: str | Path, settings: dict[str, Any] | None = None, processes: Processes = ALONE):
        self.path = Path(path)
        self._rows: list[dict[str, Any]] = []
        self._since = time.monotonic()
        self._rank = processes.rank
        self.manifest = Manifest(self.path, settings, "sweep", processes.main)
        (self.path / ATTRIBUTIONS).mkdir(exist_ok=True)

    def append(self, results: Iterable[tuple[int, Attribution]]) -> None:
        """Adds results that belong together: all go to disk or none; `flush` writes what is still held.

        Raises:
            StorageError: the disk is full, or cannot be written to.
        """
        self._rows += [to_row(index, attribution) for index, attribution in results]
        if len(self._rows) >= _SHARD or time.monotonic() - self._since > _SECONDS:
            self.flush()

    def flush(self) -> None:
        """Writes what is held as a shard of its own.

        Raises:
            StorageError: the disk is full, or cannot be written to.
        """
        self._since = time.monotonic()
        if not self._rows:
            return
        folder, prefix = self.path / ATTRIBUTIONS, f"part-{self._rank:04d}-"
        numbers = [int(shard.stem.removeprefix(prefix)) for shard in folder.glob(f"{prefix}*.parquet")]
        target = folder / f"{prefix}{max(numbers, default=-1) + 1:06d}.parquet"
        schema = SCHEMA.with_metadata(
            {"run": self.manifest.run, "settings": json.dumps(self.manifest.values["settings"])}
        )
        write_table(target, pa.Table.from_pylist(self._rows, schema))
        self._rows = []

    def groups(self) -> dict[Key, Numbers]:
        """For each checkpoint, method and settings: the numbers of the texts that are on disk.

        Raises:
            CorruptFileError: a shard cannot be read.
        """
        found: dict[Key, Numbers] = {}
        for shard in self.shards():
            for row in read_rows(shard, columns=["index", "checkpoint", "method", "settings"]):
                found.setdefault((row["checkpoint"], row["method"], row["settings"]), Numbers()).add(row["index"])
        return found

    def read(self, only: Key | None = None) -> Iterator[tuple[int, Attribution]]:
        """Every result once, with the number of its text; a shard is in memory at a time.

        Args:
            only: a checkpoint, method and settings, as `groups` names them.

        Raises:
            CorruptFileError: a shard cannot be read.
        """
        for row in self._every_row(only):
            yield row["index"], from_row(row)

    def dataset(self) -> "Dataset":
        """Every result as a row of a `datasets.Dataset`, memory-mapped; the columns are those of the shards.

        Raises:
            InputError: there is no result yet.
            CorruptFileError: a shard cannot be read.
        """
        from datasets import Dataset

        if not self.groups():  # reads every shard, so that a damaged one is named
            raise InputError(f"{self.path} holds no result yet; run its command first")
        return Dataset.from_parquet([str(shard) for shard in self.shards()])  # type: ignore[return-value]

    def export(self, target: Path) -> int:
        """Writes every result as a line of JSON: the columns of the shards without those that are empty.

        Returns:
            How many.

        Raises:
            CorruptFileError: a shard cannot be read.
            StorageError: the disk is full, or cannot be written to.
        """
        count = 0

        def write(path: Path) -> None:
            nonlocal count
            with path.open("w", encoding="utf-8") as file:
                for row in self._every_row(None):
                    full = {name: value for name, value in row.items() if value is not None}
                    file.write(json.dumps(full | {"settings": json.loads(row["settings"])}, ensure_ascii=False) + "\n")
                    count += 1

        write_whole(target, write)
        return count

    def save_curves(self, curves: list[Curve]) -> None:
        """Writes degradation curves as one Parquet file for each way of removal, whole or not at all."""
        rows = [
            {**asdict(c), "steps": c.steps.tolist(), "probability": c.probability.tolist(),
             "correct": c.correct.tolist(), "texts": list(c.texts), "settings": settings_key(c.settings)}
            for c in curves
        ]  # fmt: skip
        for removal in {row["removal"] for row in rows}:
            table = pa.Table.from_pylist([row for row in rows if row["removal"] == removal])
            write_table(self.path / f"curves-{removal}.parquet", table)

    def read_curves(self, removal: str = "delete") -> list[Curve]:
        """What `save_curves` wrote of a way of removal; folders made before curves had them name no texts.

        Raises:
            InputError: there are none yet.
            CorruptFileError: the file cannot be read.
        """
        path = self.path / f"curves-{removal}.parquet"
        if not path.is_file():
            raise InputError(f"{path}: none yet; make them with: textiba degrade {self.path} --removal {removal}")
        out = []
        for row in read_rows(path):
            arrays = {k: np.asarray(row[k], dtype=np.float64) for k in ("steps", "probability", "correct")}
            known = {"texts": tuple(row.get("texts") or ()), "settings": json.loads(row["settings"])}
            out.append(Curve(**{**row, **arrays, **known}))
        return out

    def removals(self) -> list[str]:
        """The ways of removal that `save_curves` has written."""
        return sorted(path.stem.removeprefix("curves-") for path in self.path.glob("curves-*.parquet"))

    def shards(self) -> list[Path]:
        """The files of attributions."""
        return sorted((self.path / ATTRIBUTIONS).glob("part-*.parquet"))

    def _every_row(self, only: Key | None) -> Iterator[dict[str, Any]]:
        """Every row once, whatever is on disk."""
        seen: dict[Key, Numbers] = {}
        filters = None if only is None else list(zip(("checkpoint", "method", "settings"), "===", only, strict=True))
        for shard in self.shards():
            for row in read_rows(shard, filters=filters):
                if seen.setdefault((row["checkpoint"], row["method"], row["settings"]), Numbers()).add(row["index"]):
                    yield row
