"""Checks the files of a run, reports whether the run is complete, and repairs it after a crash or a disk failure."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from textiba.errors import CorruptFileError, InputError
from textiba.store.files import TEMPORARY, busy, claimed, read_table, storage_errors
from textiba.store.folder import ATTRIBUTIONS, Numbers
from textiba.store.manifest import MANIFEST, Manifest, settings_hash

_ASIDE = ".damaged"
_CARD = "card.json"  # written last by a training
_KEY = ("checkpoint", "method", "settings")


@dataclass(frozen=True)
class Health:
    """The state of a run's folder.

    Attributes:
        path: the folder.
        command: the textiba command that made the folder; empty where the manifest does not say.
        rows: the number of rows of all tables.
        files: the number of tables.
        size: the size of all files, bytes.
        busy: whether a process writes to the folder now.
        damaged: files that cannot be read.
        foreign: shards of a run with other settings.
        leftovers: unfinished files of processes that were killed.
        done: the number of results of a sweep, or of tables of a benchmark, each counted once.
        expected: the number of results or tables of the complete run; None if the manifest does not say.
        unbegun: checkpoints that the run has not started.
    """

    path: Path
    command: str
    rows: int
    files: int
    size: int
    busy: bool
    damaged: tuple[Path, ...]
    foreign: tuple[Path, ...]
    leftovers: tuple[Path, ...]
    done: int
    expected: int | None
    unbegun: tuple[str, ...]

    @property
    def sound(self) -> bool:
        """Whether every file can be read and belongs to the run."""
        return not (self.damaged or self.foreign)

    @property
    def whole(self) -> bool:
        """Whether the run has ended, and every result is present and readable."""
        return self.sound and not self.unbegun and self.expected is not None and self.done >= self.expected

    @property
    def state(self) -> str:
        """The state in a few words: "whole", or how much of the run is done, and what is wrong."""
        counts = {"damaged": self.damaged, "of another run": self.foreign, "unfinished files": self.leftovers}
        parts = ["being written to"] if self.busy else []
        parts += [f"{len(files)} {kind}" for kind, files in counts.items() if files]
        if self.unbegun or self.expected is None or self.done < self.expected:
            parts.append(self.extent)
        return ", ".join(parts) or "whole"

    @property
    def extent(self) -> str:
        """How much of the run is done: "64 of 192 results, not begun: general-probe"."""
        noun = {"benchmark": "tables", "readout": "trainings"}.get(self.command, "results")
        of = "" if self.expected is None else f" of {self.expected}"
        late = f", not begun: {', '.join(self.unbegun)}" if self.unbegun else ""
        unknown = ", of an unknown number" if self.expected is None and not self.unbegun else ""
        return f"{self.done}{of} {noun}{unknown}{late}"


def runs(folder: Path) -> Iterator[Path]:
    """Yields the run folders in a folder, sorted by name; the folder itself comes first if it is a run.

    Raises:
        InputError: no such folder.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder")
    candidates = [folder, *sorted(p for p in folder.iterdir() if p.is_dir())]
    yield from (p for p in candidates if (p / MANIFEST).is_file() or (p / ATTRIBUTIONS).is_dir())


def check(path: Path) -> Health:
    """Reads every file of a run, and returns the state of the run.

    Raises:
        InputError: there is no run.
    """
    if path not in runs(path):
        raise InputError(f"{path}: no run here")
    values, damaged = _manifest(path)
    run = settings_hash(values["settings"]) if values else None
    tables = sorted(path.rglob("*.parquet"))
    rows, foreign, sound = 0, [], []
    for table in tables:
        try:
            content = read_table(table, partitioning=None)
        except CorruptFileError:
            damaged.append(table)
            continue
        rows += content.num_rows
        if _of_another(content.schema, run):
            foreign.append(table)
        else:
            sound.append(table)
    now = busy(path)
    size = sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
    leftovers = () if now else tuple(sorted(path.rglob(f"*{TEMPORARY}")))
    command = values.get("command", "sweep" if (path / ATTRIBUTIONS).is_dir() else "")
    done, expected, unbegun = _extent(path, values, sound)
    return Health(
        path, command, rows, len(tables), size, now, tuple(damaged), tuple(foreign), leftovers, done, expected, unbegun
    )


def incomplete(path: Path) -> str | None:
    """Returns a sentence that says how much of an incomplete run is done, and which command continues the run.

    Of the shards, only the columns that identify results are read.

    Returns:
        The sentence; None if the run is complete, or if its manifest does not say how many results to expect.

    Raises:
        InputError: there is no run.
        CorruptFileError: the manifest cannot be read.
    """
    values = Manifest(path, None, "sweep").values
    run, sound = settings_hash(values["settings"]), []
    for table in sorted(path.rglob("*.parquet")):
        try:
            if not _of_another(pq.read_schema(table), run):
                sound.append(table)
        except (pa.ArrowInvalid, OSError):
            continue  # its results count as missing
    done, expected, unbegun = _extent(path, values, sound)
    if not unbegun and (expected is None or done >= expected):
        return None
    command = values.get("command", "sweep")
    extent = Health(path, command, 0, 0, 0, False, (), (), (), done, expected, unbegun).extent
    return f"{path} holds {extent}; textiba {command} with its config and this folder computes the rest"


def repair(path: Path) -> Health:
    """Sets damaged and foreign files aside, removes unfinished files, and rebuilds a lost manifest from the shards.

    Nothing that can be read is lost; the run's own command computes the missing results again.

    Returns:
        The state before the repair.

    Raises:
        InputError: there is no run.
        BusyFolderError: a process writes to the folder.
        CorruptFileError: the manifest is damaged, and no shard contains the settings.
        StorageError: the folder is read-only.
    """
    found = check(path)
    with claimed(path), storage_errors(path):
        for file in found.leftovers:
            file.unlink()
        for file in (*found.damaged, *found.foreign):
            if file.name != MANIFEST:
                set_aside(file)
        if path / MANIFEST in found.damaged or not (path / MANIFEST).is_file():
            settings = _settings_of_shards(path)
            if (path / MANIFEST).is_file():
                set_aside(path / MANIFEST)
            Manifest(path, settings, "sweep")
    return found


def set_aside(file: Path) -> Path:
    """Renames a file so that no run reads it. Returns the new name."""
    return file.rename(file.with_name(file.name + _ASIDE))


def set_aside_damaged(shards: list[Path]) -> list[Path]:
    """Sets aside each shard whose end, where Parquet keeps its schema, cannot be read.

    Returns:
        The new names of the shards that were set aside.

    Raises:
        StorageError: the folder is read-only.
    """
    aside = []
    for shard in shards:
        try:
            pq.read_schema(shard)
        except (pa.ArrowInvalid, OSError):
            with storage_errors(shard):
                aside.append(set_aside(shard))
    return aside


def _of_another(schema: pa.Schema, run: str | None) -> bool:
    """Whether a table belongs to a run with other settings."""
    of = (schema.metadata or {}).get(b"run")
    return run is not None and of is not None and of.decode() != run


def _extent(path: Path, values: dict[str, Any], sound: list[Path]) -> tuple[int, int | None, tuple[str, ...]]:
    """Returns how many results are done, how many are expected, and the checkpoints that were not started."""
    command = values.get("command", "sweep")
    if command == "readout":
        return int((path / _CARD).is_file()), 1, ()
    parts = values.get("expected", {})
    expected = None if not parts or None in parts.values() else sum(parts.values())
    if command == "benchmark":
        return sum(path / "rows" in table.parents for table in sound), expected, ()
    seen: dict[tuple[str, ...], Numbers] = {}
    for shard in (table for table in sound if table.parent.name == ATTRIBUTIONS):
        try:
            columns = read_table(shard, columns=["index", *_KEY]).to_pydict()
        except CorruptFileError:
            continue
        for number, *key in zip(columns["index"], *(columns[name] for name in _KEY), strict=True):
            seen.setdefault(tuple(key), Numbers()).add(number)
    wanted = values.get("settings", {}).get("checkpoints", ())
    unbegun = tuple(name for name in wanted if name not in parts) if parts else ()
    return sum(map(len, seen.values())), expected, unbegun


def _manifest(path: Path) -> tuple[dict[str, Any], list[Path]]:
    """The manifest's values, and a list that holds the manifest's file if the file is damaged."""
    try:
        return Manifest(path, None, "sweep").values, []
    except CorruptFileError:
        return {}, [path / MANIFEST]
    except InputError:
        return {}, []


def _settings_of_shards(path: Path) -> Any:
    for shard in sorted((path / ATTRIBUTIONS).glob("part-*.parquet")):
        if settings := (pq.read_schema(shard).metadata or {}).get(b"settings"):
            return json.loads(settings)
    raise CorruptFileError(
        f"{path / MANIFEST}: damaged, and no result tells the settings; remove the folder and run again"
    )
