"""Looks at what a run has on disk, and puts in order what a crash or a failing disk left behind."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from textiba.errors import CorruptFileError, InputError
from textiba.store.files import TEMPORARY, busy, claimed, read_table
from textiba.store.folder import ATTRIBUTIONS
from textiba.store.manifest import MANIFEST, Manifest, settings_hash

_ASIDE = ".damaged"


@dataclass(frozen=True)
class Health:
    """What was found in a run's folder.

    Attributes:
        path: the folder.
        command: of textiba, which made it; empty where the manifest does not say.
        rows: of all its tables.
        files: how many tables.
        size: of all files, bytes.
        busy: whether a process writes to it now.
        damaged: files that cannot be read.
        foreign: shards of a run with other settings.
        leftovers: unfinished files of processes that were killed.
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

    @property
    def sound(self) -> bool:
        """Whether all can be read and belongs together."""
        return not (self.damaged or self.foreign)


def runs(folder: Path) -> Iterator[Path]:
    """The runs in a folder, by name; the folder itself where it is one.

    Raises:
        InputError: no such folder.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder")
    candidates = [folder, *sorted(p for p in folder.iterdir() if p.is_dir())]
    yield from (p for p in candidates if (p / MANIFEST).is_file() or (p / ATTRIBUTIONS).is_dir())


def check(path: Path) -> Health:
    """Reads every file of a run.

    Raises:
        InputError: there is no run.
    """
    if path not in runs(path):
        raise InputError(f"{path}: no run here")
    values, damaged = _manifest(path)
    run = settings_hash(values["settings"]) if values else None
    tables = sorted(path.rglob("*.parquet"))
    rows, foreign = 0, []
    for table in tables:
        try:
            content = read_table(table, partitioning=None)
        except CorruptFileError:
            damaged.append(table)
            continue
        rows += content.num_rows
        of = (content.schema.metadata or {}).get(b"run")
        if run is not None and of is not None and of.decode() != run:
            foreign.append(table)
    now = busy(path)
    size = sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
    leftovers = () if now else tuple(sorted(path.rglob(f"*{TEMPORARY}")))
    command = values.get("command", "sweep" if (path / ATTRIBUTIONS).is_dir() else "")
    return Health(path, command, rows, len(tables), size, now, tuple(damaged), tuple(foreign), leftovers)


def repair(path: Path) -> Health:
    """Sets aside what is damaged or foreign, removes what is unfinished, and makes a lost manifest from the shards.

    Nothing that can be read is lost; the run's own command computes again what is missing.

    Returns:
        What was found before.

    Raises:
        InputError: there is no run, or a process writes to it.
        CorruptFileError: the manifest is damaged, and no shard tells the settings.
    """
    found = check(path)
    with claimed(path):
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
    """Gives a file a name under which no run looks for it."""
    return file.rename(file.with_name(file.name + _ASIDE))


def set_aside_damaged(shards: list[Path]) -> list[Path]:
    """Looks at each shard's end, where Parquet keeps its plan, and sets aside those without one.

    Returns:
        The new names of those set aside.
    """
    aside = []
    for shard in shards:
        try:
            pq.read_schema(shard)
        except (pa.ArrowInvalid, OSError):
            aside.append(set_aside(shard))
    return aside


def _manifest(path: Path) -> tuple[dict[str, Any], list[Path]]:
    """Its values, and itself where it is damaged."""
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
