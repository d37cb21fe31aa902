"""A run's folder: a manifest, and attributions as Parquet shards that survive a kill at any moment.

run/
manifest.json        settings, versions, seed, fingerprints, timings
attributions/        part-00000.parquet, …; each appears whole or not at all
curves-….parquet    degradation curves by way of removal, where `textiba degrade` has been there
"""

import json
import os
import platform
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from textiba.attribution import Attribution, BitsDetails, Curve, Details, EvidenceDetails, GateDetails
from textiba.data import Review
from textiba.errors import CorruptFileError, InputError
from textiba.text import EncodedReview

Key = tuple[str, str, str]  # checkpoint, method, settings as `settings_key` gives them
_SHARD = 256  # rows held before they are written
_PACKAGES = ("textiba", "torch", "transformers", "peft", "datasets", "numpy", "captum", "shap", "scikit-learn")


class Manifest:
    """What a folder's results were made with: settings, versions, fingerprints. Anything else is refused.

    Args:
        path: the folder; made when missing.
        settings: of the run, or None to read a folder that must be there. A folder that holds a run must have been made
            with the same.
        command: of textiba, which makes such a folder.

    Attributes:
        values: as they are in manifest.json.

    Raises:
        InputError: the folder holds a run with other settings, or none where one must be.
        CorruptFileError: its manifest cannot be read.
    """

    def __init__(self, path: Path, settings: dict[str, Any] | None, command: str):
        self.path = path
        file = path / "manifest.json"
        if file.is_file():
            try:
                self.values: dict[str, Any] = json.loads(file.read_text("utf-8"))
            except ValueError as error:
                raise CorruptFileError(f"{file}: not readable ({error}); remove the folder and run again") from None
            if settings is not None and self.values["settings"] != json.loads(json.dumps(settings)):
                raise InputError(f"{path} holds a run with other settings; name another folder or remove it")
        elif settings is None:
            raise InputError(f"{path}: no run here (manifest.json is missing); make one with textiba {command}")
        else:
            self.values = {"settings": settings, "versions": versions(), "checkpoints": {}, "seconds": {}}
            path.mkdir(parents=True, exist_ok=True)
            self.save()

    def hold(self, what: str, name: str, identity: str) -> None:
        """Writes down what a run rests on.

        Raises:
            InputError: it has rested on another so far.
        """
        known = self.values.setdefault(what, {}).get(name)
        if known is None:
            self.values[what][name] = identity
            self.save()
        elif known != identity:
            raise InputError(
                f"{self.path} was made with another '{name}' ({known}, now {identity}); "
                "name another folder or remove it"
            )

    def save(self) -> None:
        """Writes manifest.json, whole or not at all."""
        temporary = self.path / f"manifest.json.{os.getpid()}.tmp"
        temporary.write_text(json.dumps(self.values, indent=1) + "\n", encoding="utf-8")
        temporary.rename(self.path / "manifest.json")


class RunFolder:
    """Writes and reads a run.

    Args:
        path: the folder; made when missing.
        settings: of the run. A folder that already holds a run must have been made with the same.

    Raises:
        InputError: the folder holds a run with other settings.
        CorruptFileError: its manifest cannot be read.
    """

    def __init__(self, path: str | Path, settings: dict[str, Any] | None = None):
        self.path = Path(path)
        self._rows: list[dict[str, Any]] = []
        self.manifest = Manifest(self.path, settings, "sweep")
        (self.path / "attributions").mkdir(exist_ok=True)

    def append(self, index: int, attribution: Attribution) -> None:
        """Adds a result; every 256 go to disk, and `flush` writes the rest."""
        self._rows.append(_to_row(index, attribution))
        if len(self._rows) >= _SHARD:
            self.flush()

    def flush(self) -> None:
        """Writes what is held as a shard of its own."""
        if not self._rows:
            return
        shards = self._shards()
        number = int(shards[-1].stem.removeprefix("part-")) + 1 if shards else 0
        target = self.path / "attributions" / f"part-{number:05d}.parquet"
        write_table(target, pa.Table.from_pylist(self._rows, _SCHEMA))
        self._rows = []

    def groups(self) -> dict[Key, set[int]]:
        """For each checkpoint, method and settings: the numbers of the reviews that are on disk.

        Raises:
            CorruptFileError: a shard cannot be read.
        """
        found: dict[Key, set[int]] = {}
        for shard in self._shards():
            for row in read_rows(shard, columns=["index", "checkpoint", "method", "settings"]):
                found.setdefault((row["checkpoint"], row["method"], row["settings"]), set()).add(row["index"])
        return found

    def read(self, only: Key | None = None) -> Iterator[tuple[int, Attribution]]:
        """Every result once, with the number of its review; a shard is in memory at a time.

        Args:
            only: a checkpoint, method and settings, as `groups` names them.

        Raises:
            CorruptFileError: a shard cannot be read.
        """
        seen: dict[Key, set[int]] = {}
        filters = None if only is None else list(zip(("checkpoint", "method", "settings"), "===", only, strict=True))
        for shard in self._shards():
            for row in read_rows(shard, filters=filters):
                have = seen.setdefault((row["checkpoint"], row["method"], row["settings"]), set())
                if row["index"] not in have:
                    have.add(row["index"])
                    yield row["index"], _from_row(row)

    def save_curves(self, curves: list[Curve]) -> None:
        """Writes degradation curves as one Parquet file for each way of removal, whole or not at all."""
        rows = [
            {**asdict(c), "steps": c.steps.tolist(), "probability": c.probability.tolist(),
             "correct": c.correct.tolist(), "settings": settings_key(c.settings)}
            for c in curves
        ]  # fmt: skip
        for removal in {row["removal"] for row in rows}:
            table = pa.Table.from_pylist([row for row in rows if row["removal"] == removal])
            write_table(self.path / f"curves-{removal}.parquet", table)

    def read_curves(self, removal: str = "delete") -> list[Curve]:
        """What `save_curves` wrote of a way of removal.

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
            out.append(Curve(**{**row, **arrays, "settings": json.loads(row["settings"])}))
        return out

    def _shards(self) -> list[Path]:
        return sorted((self.path / "attributions").glob("part-*.parquet"))


def versions() -> dict[str, str]:
    """What a result depends on: Python, the machine, and the packages."""
    found = {"python": platform.python_version(), "machine": platform.machine()}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def settings_key(settings: Mapping[str, Any]) -> str:
    """Settings as one string, equal for equal settings."""
    return json.dumps(dict(settings), sort_keys=True)


def read_rows(shard: Path, **choice: Any) -> list[dict[str, Any]]:
    """The rows of a Parquet file; `choice` goes to pyarrow.

    Raises:
        CorruptFileError: it cannot be read.
    """
    try:
        return pq.read_table(shard, **choice).to_pylist()
    except (pa.ArrowInvalid, OSError) as error:
        raise CorruptFileError(f"{shard}: damaged ({error}); remove it and run again to resume") from None


def write_table(target: Path, table: pa.Table) -> None:
    """Writes a Parquet file, whole or not at all."""
    temporary = target.with_suffix(f".{os.getpid()}.tmp")  # two processes may write to one folder
    pq.write_table(table, temporary)
    temporary.rename(target)


_FLOATS, _INTS = pa.list_(pa.float32()), pa.list_(pa.int32())
_SCHEMA = pa.schema(
    [
        ("index", pa.int64()), ("id", pa.string()), ("text", pa.string()), ("label", pa.int32()),
        ("kind", pa.string()), ("rationale", pa.list_(_INTS)), ("checkpoint", pa.string()), ("method", pa.string()),
        ("settings", pa.string()), ("layer", pa.int32()), ("target", pa.int32()), ("predicted", pa.int32()),
        ("labels", pa.list_(pa.string())), ("probability", pa.float64()), ("unit", pa.string()),
        ("signed", pa.bool_()), ("scores", _FLOATS),
        ("ids", _INTS), ("type_ids", _INTS), ("tokens", pa.list_(pa.string())), ("offsets", pa.list_(_INTS)),
        ("word_ids", _INTS), ("cut", pa.int32()),
        ("gates", _FLOATS), ("cross_entropy", _FLOATS), ("information", _FLOATS), ("converged", pa.bool_()),
        ("kept", pa.float64()), ("special_bits", pa.float64()), ("loss", pa.float64()),
        ("by_layer", pa.list_(_FLOATS)),
        ("closed", pa.float64()), ("opened", pa.float64()), ("special", pa.float64()), ("residual", pa.float64()),
    ]
)  # fmt: skip
_RENAMED = {"probability": "kept"}  # a detail whose name is taken by a column of its own
_LISTS = ("gates", "cross_entropy", "information")


def _to_row(index: int, a: Attribution) -> dict[str, Any]:
    review = a.review
    row: dict[str, Any] = {
        "index": index, "id": review.review.id, "text": review.review.text, "label": review.review.label,
        "kind": review.review.kind, "rationale": review.review.rationale, "checkpoint": a.checkpoint,
        "method": a.method, "settings": settings_key(a.settings), "layer": a.layer,
        "target": a.target, "predicted": a.predicted,
        "labels": a.labels, "probability": a.probability, "unit": a.unit,
        "signed": a.signed, "scores": a.scores, "ids": review.ids, "type_ids": review.type_ids,
        "tokens": review.tokens, "offsets": review.offsets, "word_ids": review.word_ids, "cut": review.cut,
    }  # fmt: skip
    details = {} if a.details is None else asdict(a.details)
    if (by_layer := details.get("by_layer")) is not None:
        details["by_layer"] = list(by_layer)  # pyarrow takes a list of rows, and no matrix
    return row | {_RENAMED.get(name, name): value for name, value in details.items()}


def _from_row(row: dict[str, Any]) -> Attribution:
    spans = tuple((a, b) for a, b in row["rationale"])
    review = Review(row["text"], row["label"], spans, row["id"], row["kind"])
    encoded = EncodedReview(
        review, tuple(row["ids"]), tuple(row["type_ids"]), tuple(row["tokens"]),
        tuple((a, b) for a, b in row["offsets"]), tuple(row["word_ids"]), row["cut"],
    )  # fmt: skip
    details: Details | None = None
    if row["converged"] is not None:
        lists = {name: np.asarray(row[name], dtype=np.float32) for name in _LISTS}
        layers = None if row["by_layer"] is None else np.asarray(row["by_layer"], dtype=np.float32)
        details = BitsDetails(
            **lists, converged=row["converged"], probability=row["kept"], special_bits=row["special_bits"],
            loss=row["loss"], by_layer=layers,
        )  # fmt: skip
    elif row["gates"] is not None:
        details = GateDetails(np.asarray(row["gates"], dtype=np.float32))
    elif row["closed"] is not None:
        details = EvidenceDetails(row["closed"], row["opened"], row["special"], row["residual"])
    same = ("checkpoint", "method", "layer", "target", "probability", "predicted", "unit", "signed")
    return Attribution(
        review=encoded,
        settings=json.loads(row["settings"]),
        labels=tuple(row["labels"]),
        scores=np.asarray(row["scores"], dtype=np.float32),
        details=details,
        **{name: row[name] for name in same},
    )
