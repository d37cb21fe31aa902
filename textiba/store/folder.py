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
from textiba.store.export import SUFFIXES, export_rows
from textiba.store.files import file_place, read_rows, storage_errors, write_table
from textiba.store.manifest import Manifest
from textiba.store.processes import ALONE, Processes
from textiba.store.rows import SCHEMA, from_row, settings_key, to_row

if TYPE_CHECKING:
    from datasets import Dataset

Key = tuple[str, str, str]  # checkpoint, method, settings as `settings_key` gives them
ATTRIBUTIONS = "attributions"
_UNFINISHED = "unfinished-"  # prefix of a file with the curves of an unfinished degradation test
_SHARD = 256  # rows that are kept in memory before they are written
_SECONDS = 60.0  # the longest time that rows are kept in memory


class Numbers:
    """A set of text numbers, with one byte for each number up to the largest."""

    def __init__(self) -> None:
        self._there = bytearray()
        self._count = 0

    def add(self, number: int) -> bool:
        """Adds a number. Returns whether the number is new."""
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
    """Writes and reads the folder of a sweep.

    Args:
        path: the folder; made when missing.
        settings: settings of the run, which must equal those of a run that the folder already holds; None opens an
            existing run.
        processes: the processes that share the run; each writes its own shards.

    Raises:
        InputError: the folder holds a run of another command or with other settings, or (if `settings` is None) no run.
        CorruptFileError: the manifest cannot be read.
        StorageError: the folder cannot be written.
    """

    def __init__(self, path: str | Path, settings: dict[str, Any] | None = None, processes: Processes = ALONE):
        self.path = Path(path)
        self._rows: list[dict[str, Any]] = []
        self._since = time.monotonic()
        self._rank = processes.rank
        self.manifest = Manifest(self.path, settings, "sweep", processes.main)
        if (command := self.manifest.values.get("command", "sweep")) != "sweep":
            raise InputError(
                f"{self.path}: the folder of a sweep is needed; textiba {command} made this one. Make a sweep with "
                "textiba sweep CONFIG"
            )
        if settings is not None:
            with storage_errors(self.path):
                (self.path / ATTRIBUTIONS).mkdir(exist_ok=True)

    def append(self, results: Iterable[tuple[int, Attribution]]) -> None:
        """Adds results that are written together or not at all; `flush` writes the results that are still in memory.

        Raises:
            StorageError: a shard cannot be written.
        """
        self._rows += [to_row(index, attribution) for index, attribution in results]
        if len(self._rows) >= _SHARD or time.monotonic() - self._since > _SECONDS:
            self.flush()

    def flush(self) -> None:
        """Writes the results in memory as a new shard.

        Raises:
            StorageError: the shard cannot be written.
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
        """Returns the numbers of the texts that have results on disk, for each checkpoint, method and settings.

        Raises:
            CorruptFileError: a shard cannot be read.
        """
        found: dict[Key, Numbers] = {}
        for shard in self.shards():
            for row in read_rows(shard, columns=["index", "checkpoint", "method", "settings"]):
                found.setdefault((row["checkpoint"], row["method"], row["settings"]), Numbers()).add(row["index"])
        return found

    def read(self, only: Key | None = None) -> Iterator[tuple[int, Attribution]]:
        """Yields every result once, with the number of its text; one shard is in memory at a time.

        Args:
            only: one checkpoint, method and settings; None reads all.

        Raises:
            CorruptFileError: a shard cannot be read.
        """
        for row in self._every_row(only):
            yield row["index"], from_row(row)

    def dataset(self) -> "Dataset":
        """Returns a memory-mapped `datasets.Dataset` with a row for each result and the columns of the shards.

        Raises:
            InputError: there is no result yet.
            CorruptFileError: a shard cannot be read.
        """
        from datasets import Dataset

        if not self.groups():  # reads every shard, so that the error names a damaged one
            raise InputError(f"{self.path} holds no result yet; run its command first")
        return Dataset.from_parquet([str(shard) for shard in self.shards()])  # type: ignore[return-value]

    def export(self, target: str | Path) -> int:
        """Writes every result as a row of one file; the suffix selects the format (see `textiba.store.export`).

        Returns:
            The number of rows.

        Raises:
            InputError: the suffix is none of .jsonl, .csv and .parquet.
            CorruptFileError: a shard cannot be read.
            StorageError: the file cannot be written.
        """
        target = file_place(target, SUFFIXES)
        return export_rows(self._every_row(None), target)

    def save_curves(self, curves: list[Curve], unfinished: bool = False) -> None:
        """Writes degradation curves as one Parquet file for each way of removal (`Curve.way`), whole or not at all.

        Args:
            curves: the curves.
            unfinished: whether to write to a separate file, and leave the file of finished curves unchanged.

        Raises:
            StorageError: a file cannot be written.
        """
        rows = [
            {**asdict(c), "steps": c.steps.tolist(), "probability": c.probability.tolist(),
             "correct": c.correct.tolist(), "texts": list(c.texts), "settings": settings_key(c.settings)}
            for c in curves
        ]  # fmt: skip
        for way in {curve.way for curve in curves}:
            table = pa.Table.from_pylist([row for row, curve in zip(rows, curves, strict=True) if curve.way == way])
            write_table(self._curves(way, unfinished), table)
            if not unfinished:
                self._curves(way, unfinished=True).unlink(missing_ok=True)

    def read_curves(self, way: str = "delete", unfinished: bool = False) -> list[Curve]:
        """Returns the curves that `save_curves` wrote for one way of removal (`Curve.way`).

        Raises:
            InputError: there are no such curves yet.
            CorruptFileError: the file cannot be read.
        """
        path = self._curves(way, unfinished)
        if not path.is_file():
            removal, _, part = way.partition("-")
            only = f" --part {part}" if part else ""
            raise InputError(
                f"{path}: no curves yet; make them with: textiba degrade {self.path} --removal {removal}{only}"
            )
        out = []
        for row in read_rows(path):
            arrays = {k: np.asarray(row[k], dtype=np.float64) for k in ("steps", "probability", "correct")}
            known = {"texts": tuple(row["texts"]), "settings": json.loads(row["settings"])}
            out.append(Curve(**{**row, **arrays, **known}))
        return out

    def removals(self) -> list[str]:
        """Returns the ways of removal (`Curve.way`) that have finished curves."""
        return sorted(path.stem.removeprefix("curves-") for path in self.path.glob("curves-*.parquet"))

    def shards(self) -> list[Path]:
        """The files of attributions."""
        return sorted((self.path / ATTRIBUTIONS).glob("part-*.parquet"))

    def _curves(self, way: str, unfinished: bool) -> Path:
        return self.path / f"{_UNFINISHED if unfinished else ''}curves-{way}.parquet"

    def _every_row(self, only: Key | None) -> Iterator[dict[str, Any]]:
        """Yields every row once, even if several shards hold the row."""
        seen: dict[Key, Numbers] = {}
        filters = None if only is None else list(zip(("checkpoint", "method", "settings"), "===", only, strict=True))
        for shard in self.shards():
            for row in read_rows(shard, filters=filters):
                if seen.setdefault((row["checkpoint"], row["method"], row["settings"]), Numbers()).add(row["index"]):
                    yield row
