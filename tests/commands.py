"""What the tests of the command line share: a way to give a command, and a small world of files for it to work on."""

import contextlib
import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pyarrow as pa
import pyarrow.parquet as pq
import toys
import yaml

from textiba import cli

ENVIRONMENT = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(Path(cli.__file__).parents[2])}


@dataclass(frozen=True)
class Answer:
    """What a command did."""

    code: int
    out: str
    err: str

    @property
    def errors(self) -> list[str]:
        """The lines on stderr that are no notes and no progress."""
        return [line for line in self.err.splitlines() if line.startswith(("error: ", "Traceback"))]


def command(*arguments: object) -> Answer:
    """Gives a command in this process, as the console script does."""
    out, err = _stream(), _stream()
    with (
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
        patch.object(sys, "argv", ["textiba", *map(str, arguments)]),
    ):
        try:
            cli.main()
            code = 0
        except SystemExit as stop:
            code = stop.code if isinstance(stop.code, int) else 0 if stop.code is None else 1
        out.flush()
        err.flush()
    return Answer(code, _text(out), _text(err))


def _stream() -> io.TextIOWrapper:
    return io.TextIOWrapper(io.BytesIO(), "utf-8", newline="")


def _text(stream: io.TextIOWrapper) -> str:
    return stream.buffer.getvalue().decode()  # type: ignore[attr-defined]


def start(*arguments: object, **more: Any) -> "subprocess.Popen[str]":
    """Starts a command in a process of its own; it writes a shard for every 16 results."""
    code = "import textiba.store.folder as f; f._SHARD = 16; from textiba.cli import main; main()"
    return subprocess.Popen(  # noqa: S603
        [sys.executable, "-c", code, *map(str, arguments)],
        env=ENVIRONMENT | more.pop("env", {}), text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **more,
    )  # fmt: skip


@dataclass(frozen=True)
class World:
    """A toy model's folder with statistics, texts, and configs of every command.

    Attributes:
        folder: where all of it is.
        model: a Hugging Face folder.
        texts: a .jsonl file of labelled texts.
    """

    folder: Path
    model: Path
    texts: Path

    def config(self, name: str, **values: Any) -> Path:
        """Writes a config. Returns its file."""
        file = self.folder / f"{name}.yaml"
        file.write_text(yaml.safe_dump(values), encoding="utf-8")
        return file

    def sweep(self, **changes: Any) -> Path:
        """The config of a small sweep."""
        values: dict[str, Any] = {
            "checkpoints": [str(self.model)], "data": {"source": str(self.texts), "limit": 4},
            "methods": [{"name": "random"}, {"name": "evidence", "settings": {"nodes": 1}}],
        }  # fmt: skip
        return self.config("sweep", **(values | changes))


def make_world(folder: Path) -> World:
    """Makes the files of a `World`."""
    model = folder / "model"
    classifier = toys.classifier(labels=2)
    classifier.config.id2label, classifier.config.label2id = {0: "bad", 1: "good"}, {"bad": 0, "good": 1}
    classifier.save_pretrained(model)
    toys.tokenizer().save_pretrained(model)
    from textiba import load

    toys.statistics(load(model)).save(model / "statistics.safetensors")
    rows = [{"text": text, "label": i % 2, "id": f"t{i}"} for i, text in enumerate(toys.texts(40, seed=3))]
    (folder / "texts.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    for split, some in (("train", rows[:30]), ("test", rows[30:])):
        plain = [{"text": row["text"], "label": row["label"]} for row in some]
        pq.write_table(pa.Table.from_pylist(plain), folder / f"{split}-00000.parquet")
    return World(folder, model, folder / "texts.jsonl")


def files_in(folder: Path) -> Iterator[Path]:
    """Every file below a folder."""
    return (path for path in sorted(folder.rglob("*")) if path.is_file())


def contents(paths: Sequence[Path]) -> dict[Path, bytes]:
    """The content of every file."""
    return {path: path.read_bytes() for path in paths}
