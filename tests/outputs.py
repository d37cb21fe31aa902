"""What the tests of outputs share: every output of every command, whether a file is whole, and a refusal."""

import csv
import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from commands import Answer, World, command, make_world
from safetensors import safe_open

OLD = b"what was there before"


@dataclass(frozen=True)
class Output:
    """One output of one command: the arguments that bring it to a place, and the suffixes of files."""

    name: str
    arguments: Callable[[World, Path], list[object]]
    suffix: str = ""  # empty for a folder
    slow: bool = False  # so that a full disk is tried at the first file only


def _explain(option: str) -> Callable[[World, Path], list[object]]:
    return lambda world, place: ["explain", "the film", "-c", world.model, option, place]


def _configured(words: list[str], name: str, **values: Any) -> Callable[[World, Path], list[object]]:
    def arguments(world: World, place: Path) -> list[object]:
        named = {"model": str(world.model), "texts": str(world.texts), "folder": str(world.folder)}
        full = json.loads(json.dumps(values), object_hook=lambda d: {k: _filled(v, named) for k, v in d.items()})
        return [*words, world.config(name, **full), "-o", place]

    return arguments


def _filled(value: Any, named: dict[str, str]) -> Any:
    if isinstance(value, list):
        return [_filled(part, named) for part in value]
    return named.get(value[1:], value) if isinstance(value, str) and value.startswith("$") else value


RANDOM = [{"name": "random"}]
TEXTS = {"source": "$texts", "limit": 3}
READOUT = {
    "checkpoint": "$model", "data": "$folder", "validation": 8, "layers": [1], "widths": [8, 4], "steps": 2,
    "evaluate_every": 1, "shortest": 3,
}  # fmt: skip
OUTPUTS = (
    Output("explain --html", _explain("--html"), ".html"),
    Output("explain --png", _explain("--png"), ".png"),
    Output("explain --png .svg", _explain("--png"), ".svg"),
    Output("explain --json", _explain("--json"), ".json"),
    Output("explain --json .jsonl", _explain("--json"), ".jsonl"),
    Output("explain --csv", _explain("--csv"), ".csv"),
    Output(
        "estimate", lambda w, p: ["estimate", "-c", w.model, "--data", w.texts, "--limit", 3, "-o", p], ".safetensors"
    ),
    Output("report", lambda w, p: ["report", w.folder / "run", "-o", p], ".html"),
    Output("export .jsonl", lambda w, p: ["runs", "export", w.folder / "run", "-o", p], ".jsonl"),
    Output("export .csv", lambda w, p: ["runs", "export", w.folder / "run", "-o", p], ".csv"),
    Output("export .parquet", lambda w, p: ["runs", "export", w.folder / "run", "-o", p], ".parquet"),
    Output("sweep", _configured(["sweep"], "a", checkpoints=["$model"], data=TEXTS, methods=RANDOM)),
    Output(
        "benchmark",
        _configured(
            ["benchmark"], "b", checkpoints=["$model"], data={"mine": TEXTS}, methods=RANDOM, reference="random",
            removals=["delete"], chunk=2,
        ),
    ),
    Output(
        "corpus",
        _configured(
            ["corpus"], "c", checkpoint="$model", data={"source": "$texts", "limit": 20}, methods=RANDOM, tagger=None,
            min_count=2, top=3,
        ),
        slow=True,
    ),
    Output(
        "finetune",
        _configured(
            ["finetune"], "f", kind="fresh", base="$model", data="$folder", limit=8, statistics=4, test_limit=4,
            max_length=16,
        ),
    ),
    Output("readout train", _configured(["readout", "train"], "t", **READOUT), slow=True),
    Output("demo", lambda _, p: ["demo", "-o", p], slow=True),
)  # fmt: skip
FILES = [output for output in OUTPUTS if output.suffix]
FOLDERS = [output for output in OUTPUTS if not output.suffix]
QUICK = [output for output in FOLDERS if output.name != "demo"]  # which takes minutes


def world_with_a_run(folder: Path) -> World:
    """A world whose folder has a run in it, with its degradation."""
    made = make_world(folder)
    answer = command("sweep", made.sweep(), "-o", made.folder / "run")
    assert answer.code == 0, answer.err
    answer = command("degrade", made.folder / "run", "--steps", "0,1")
    assert answer.code == 0, answer.err
    return made


def refused(answer: Answer, *words: str) -> None:
    """The command ended with one line that says why."""
    assert answer.code == 2, answer.err
    [line] = answer.errors
    assert "Traceback" not in answer.err
    for word in words:
        assert word in line


def whole(file: Path) -> bool:
    """Whether a file ends where it should."""
    content = file.read_bytes()
    match file.suffix:
        case ".json" | ".yaml":
            return json.loads(content) is not None
        case ".jsonl":
            return content.endswith(b"\n") and all(json.loads(line) for line in content.splitlines())
        case ".csv":
            return content.endswith(b"\n") and len(list(csv.reader(io.StringIO(content.decode())))) > 1
        case ".parquet":
            return pq.read_table(file).num_rows >= 0
        case ".png":
            return content.endswith(b"IEND\xaeB`\x82")
        case ".svg":
            return content.rstrip().endswith(b"</svg>")
        case ".html":
            return content.rstrip().endswith(b"</html>")
        case ".safetensors":
            with safe_open(str(file), "pt") as opened:
                return bool(opened.keys())
        case ".md":
            return content.endswith(b"\n")
        case _:
            return file.suffix == ".lock"
