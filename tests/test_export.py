"""Exports by suffix: valid JSON, CSV and Parquet that can be read again, as texts and as results."""

import csv
import io
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from commands import World, command, make_world

from textiba.errors import InputError
from textiba.store import RunFolder
from textiba.store.export import json_line
from textiba.store.rows import from_row
from textiba.texts.sources import read_texts

BREAKS = "a\x85b\u2028c\u2029 film\x0b"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    world: World = make_world(tmp_path_factory.mktemp("world"))
    rows = [
        {"text": f'the film, "{BREAKS}" was\n dreadful', "label": 1, "id": "a,b", "rationale": [[4, 8]]},
        {"text": "a superb plot", "id": "é☃"},
    ]
    world.texts.write_text("".join(json.dumps(row) + "\n" for row in rows))
    methods = [{"name": "evidence"}, {"name": "per_sample", "settings": {"steps": 1}}, {"name": "random"}]
    answer = command("sweep", world.sweep(methods=methods), "-o", world.folder / "run")
    assert answer.code == 0, answer.err
    return RunFolder(world.folder / "run")


def exported(run: RunFolder, target: Path) -> Path:
    answer = command("runs", "export", run.path, "-o", target)
    assert answer.code == 0, answer.err
    assert "6 attributions are in" in answer.out
    return target


def not_json(constant: str) -> None:
    raise AssertionError(f"{constant} is no JSON")


def test_json_lines_are_strict_and_have_every_score(run: RunFolder, tmp_path: Path):
    text = exported(run, tmp_path / "out.jsonl").read_text("utf-8")
    lines = text.splitlines()
    assert len(lines) == 6, "no line break of Unicode within a line"
    rows = [json.loads(line, parse_constant=not_json) for line in lines]
    expected = {(i, a.method): a for i, a in run.read()}
    for row in rows:
        a = expected[row["index"], row["method"]]
        assert [i for i, score in enumerate(row["scores"]) if score is None] == [0, len(a.text) - 1]
        np.testing.assert_array_equal(np.asarray(row["scores"], dtype=np.float32), a.scores)
        assert row["settings"] == dict(a.settings)


def test_the_texts_of_an_export_can_be_explained_again(run: RunFolder, tmp_path: Path):
    sources = {a.text.source.id: a.text.source for _, a in run.read()}
    for suffix in (".jsonl", ".csv", ".parquet"):
        found = read_texts(exported(run, tmp_path / f"out{suffix}"))
        assert len(found) in (2, 6)
        for text in found:
            known = sources[text.id]
            assert text.text == known.text, suffix
            assert str(text.label) == str(known.label), "CSV has no numbers; the label is looked up in the model"
            if suffix == ".jsonl":
                assert text.rationale == known.rationale


def test_parquet_holds_the_results_exactly(run: RunFolder, tmp_path: Path):
    table = pq.read_table(exported(run, tmp_path / "out.parquet"))
    expected = {(i, a.method): a for i, a in run.read()}
    for row in table.to_pylist():
        a, b = from_row(row), expected[row["index"], row["method"]]
        np.testing.assert_array_equal(a.scores, b.scores)
        assert (a.text, a.settings, a.target, a.probability) == (b.text, b.settings, b.target, b.probability)
        assert type(a.details) is type(b.details)


def test_csv_has_empty_cells_and_json_lists(run: RunFolder, tmp_path: Path):
    content = exported(run, tmp_path / "out.csv").read_bytes().decode()
    rows = list(csv.DictReader(io.StringIO(content)))
    assert len(rows) == 6
    by_method: dict[str, dict[str, Any]] = {row["method"]: row for row in rows if row["id"] == "a,b"}
    assert by_method["random"]["closed"] == by_method["random"]["gates"] == ""
    assert by_method["evidence"]["closed"] != ""
    scores = json.loads(by_method["evidence"]["scores"], parse_constant=not_json)
    assert scores[0] is None
    assert all(isinstance(score, float) for score in scores[1:-1])


@pytest.mark.parametrize("name", ["out.json", "out.xlsx", "out", "out.jsonl.gz"])
def test_another_suffix_is_refused_before_anything_is_read(name: str, run: RunFolder, tmp_path: Path):
    with pytest.raises(InputError, match=r"the name ends in \.jsonl, \.csv or \.parquet"):
        run.export(tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_what_json_lacks_becomes_null_at_any_depth():
    value = {"a": [1.5, math.nan, (math.inf, None)], "b": {"c": -math.inf}, "d": "NaN \u2028"}
    assert json_line(value) == '{"a": [1.5, null, [null, null]], "b": {"c": null}, "d": "NaN \\u2028"}'
