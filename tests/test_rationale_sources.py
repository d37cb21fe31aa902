"""Rationales from every source, by a config and by the command line; what does not fit is named with its row."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import datasets
import pandas as pd
import pytest
from commands import World, command, make_world
from marks import ACTORS, DULL, JOINED, MASK, TOKENS, WRITTEN, marked

from textiba.errors import InputError, SettingError
from textiba.runs.config import DataChoice
from textiba.texts.columns import Named
from textiba.texts.files import read_texts
from textiba.texts.inputs import texts_from
from textiba.texts.text import Text

ROWS: list[dict[str, Any]] = [
    {"text": WRITTEN, "words": ["A", *TOKENS[1:]], "one": [1, 4], "two": [3, 6], "masks": [MASK, [1] * 7], "id": "a"},
    {"text": "b c", "words": ["b", "c"], "one": None, "two": None, "masks": None, "id": "b"},
]
SOURCES: dict[str, Callable[[Path], Any]] = {
    "records": lambda _: ROWS,
    "generator": lambda _: iter(ROWS),
    "columns": lambda _: {name: [row[name] for row in ROWS] for name in ROWS[0]},
    "frame": lambda _: pd.DataFrame(ROWS),
    "data set": lambda _: datasets.Dataset.from_list(ROWS),
    ".jsonl": lambda path: path.write_text("".join(json.dumps(row) + "\n" for row in ROWS), encoding="utf-8"),
    ".json": lambda path: path.write_text(json.dumps(ROWS), encoding="utf-8"),
    ".csv": lambda path: pd.DataFrame([_cells(row) for row in ROWS]).to_csv(path, index=False),
    ".parquet": lambda path: pd.DataFrame(ROWS).to_parquet(path),
}


def _cells(row: dict[str, Any]) -> dict[str, Any]:
    return {name: json.dumps(value) if isinstance(value, list) else value for name, value in row.items()}


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("rationale", [("one", "two"), "masks"])
def test_every_source_is_read_alike(source: str, rationale: Any, tmp_path: Path):
    made = SOURCES[source](path := tmp_path / f"mine{source if source.startswith('.') else ''}")
    named = Named(tokens="words", rationale=rationale, rationale_format="mask" if rationale == "masks" else None)
    texts = list(texts_from(path if path.exists() else made, named))
    assert texts == [Text(WRITTEN, rationale=((3, 12), (14, 27)), id="a" if texts[0].id else ""), texts[1]]
    assert (texts[1].text, texts[1].rationale) == ("b c", ())


class TestErrors:
    @pytest.mark.parametrize(
        ("row", "message"),
        [
            ({"rationale": [[1, 8]]}, r"0 ≤ start < end ≤ 7, the number of tokens of the row; got \[1, 8\]"),
            ({"rationale": [[3, 2]]}, r"0 ≤ start < end ≤ 7.*got \[3, 2\]"),
            ({"rationale": [[3, 3]]}, r"0 ≤ start < end ≤ 7.*got \[3, 3\]"),
            ({"rationale": [[-1, 3]]}, r"got \[-1, 3\]"),
            ({"rationale": [[1.5, 3]]}, r"a list of \[start, end\], whole numbers; got \[1\.5, 3\] in it"),
            ({"rationale": 5}, r"a rationale is a list of \[start, end\]; got 5"),
            ({"rationale": "dull"}, r"a rationale is a list of \[start, end\]; got 'dull'"),
            (
                {"rationale": [[[1, 2]], [2, 3]]},
                r"or a list of these for several annotators; got both kinds in one lis",
            ),
            ({"rationale": [[[1, 2]], [[2, 9]]]}, r"annotator 2: a span .* got \[2, 9\]"),
            ({"rationale": MASK[:-1]}, "a mask has a 0 or 1 for each token; got 6 values, where the row has 7 tokens"),
            ({"rationale": [*MASK[:-1], 2]}, "a rationale is a 0 or 1 for each token; got 2 in it"),
            ({"rationale": [MASK, MASK]}, r"got \[0, 1, 1, 0, \.\.\.\] in it.*set rationale_format: mask"),
            ({"rationales": [MASK, MASK[1:]]}, "annotator 2: a mask .* got 6 values"),
            ({"rationales": [*MASK[:-1], MASK]}, "a 0 or 1 for each token, or a list of these .* got both kinds"),
            ({"rationales": [DULL, ACTORS]}, "annotator 1: a rationale is a 0 or 1 for each token; got 3 in it"),
            ({"evidence_starts": [1], "evidence_ends": None}, r"got the starts \[1\] and the ends None"),
            ({"evidence_starts": None, "evidence_ends": [1]}, r"got the starts None and the ends \[1\]"),
            ({"evidence_starts": [1, 4], "evidence_ends": [3]}, r"there are 2 starts and 1 ends.*\[1, 4\] and \[3\]"),
            ({"evidence_starts": 1, "evidence_ends": [3]}, "starts and the ends of a rationale are lists.*got 1"),
            (
                {"evidence_starts": [[1], [2]], "evidence_ends": [[3], [3, 4]]},
                "annotator 2: there are 1 starts and 2 e",
            ),
            ({"evidence_starts": [[1], 2], "evidence_ends": [[3], 3]}, "got both kinds in one list"),
            ({"tokens": "dull"}, "tokens are a list of strings; got 'dull'"),
            ({"tokens": ["a", 1]}, r"tokens are a list of strings; got \['a', 1\]"),
            ({"tokens": None}, "tokens are a list of strings; got None"),
            (
                {"text": "a dull", "rationale": MASK, "tokens": TOKENS},
                r"token number 2 \(counting from 0\), 'plot', is ",
            ),
            (
                {"text": "a very dull plot", "rationale": MASK},
                "'dull', is not found at character 1 of the text, ' very ",
            ),
            ({"text": f"{JOINED} And", "rationale": MASK}, "goes on after the last of its 7 tokens, at character 29"),
            (
                {"text": JOINED, "tokens": None, "evidence_starts": [1], "evidence_ends": [2]},
                "tokens are a list of str",
            ),
        ],
    )
    def test_the_row_is_named_with_what_was_found(self, row: dict[str, Any], message: str, tmp_path: Path):
        row = {"tokens": TOKENS} | row
        sound = dict.fromkeys(row) | {"tokens": TOKENS} | ({"text": JOINED} if "text" in row else {})
        path = tmp_path / "mine.jsonl"
        path.write_text(f"{json.dumps(sound)}\n{json.dumps(row)}\n", encoding="utf-8")
        with pytest.raises(InputError, match=message) as caught:
            read_texts(path)
        assert str(caught.value).startswith(f"{path}:2")

    @pytest.mark.parametrize(
        ("named", "message"),
        [
            ({"rationale": ("first", "last")}, "'first' and 'last' count tokens, and no column holds the tokens"),
            ({"rationale": "first", "rationale_format": "tokens"}, "'first' counts tokens, and no column holds the to"),
            ({"rationale": "first", "rationale_format": "mask"}, r"Name the column of the tokens, tokens_column"),
            ({"rationale": ("first", "last"), "rationale_format": "mask"}, "a mask is one column; 'first' and 'last'"),
            ({"rationale": ("first", "lats")}, "there is no column 'lats'.*Did you mean 'last'"),
            ({"rationale": ("first", "last", "text")}, "one column, or two, for starts and ends; got 3"),
            ({"tokens": "token"}, "there is no column 'token'"),
            ({"text": ""}, "an empty text_column makes the texts from tokens, and no column holds tokens"),
        ],
    )
    def test_columns_that_do_not_fit(self, named: dict[str, Any], message: str):
        with pytest.raises(InputError, match=message):
            texts_from([{"text": JOINED, "first": [1], "last": [2]}], Named(**named))

    def test_a_setting_of_another_name(self):
        with pytest.raises(SettingError, match="annotators is one of any, majority; got 'all'"):
            Named(annotators="all")
        with pytest.raises(SettingError, match="rationale_format is one of characters, tokens, mask; got 'words'"):
            Named(rationale_format="words")
        with pytest.raises(SettingError, match="annotators"):
            DataChoice(source="mine.jsonl", annotators="all")  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return make_world(tmp_path_factory.mktemp("world"))


class TestRuns:
    def test_a_config_and_the_command_line_take_the_same_names(self, world: World, tmp_path: Path):
        path = tmp_path / "mine.jsonl"
        rows = [
            {"words": ["the", "film", "was", "good"], "first": [[3], [2]], "last": [[4], [4]]},
            {"words": ["a", "bad", "film"], "first": [[1], []], "last": [[2], []]},
        ]
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        columns = {"tokens_column": "words", "rationale_column": ["first", "last"], "annotators": "any"}
        config = world.sweep(data={"source": str(path), **columns}, methods=[{"name": "random"}])
        assert command("sweep", config, "-o", tmp_path / "run").code == 0
        assert command("sweep", config, "-o", tmp_path / "run").code == 0, "a second run resumes"
        assert command("runs", "export", tmp_path / "run", "-o", tmp_path / "found.jsonl").code == 0
        again = read_texts(tmp_path / "found.jsonl")
        assert [marked(text) for text in again] == [["was good"], ["bad"]]

        file = ("--file", path, "--tokens-column", "words", "--html", tmp_path / "out.html")
        spans = ("--rationale-column", "first", "--rationale-column", "last")
        for more, wanted in ((("--annotators", "any"), ["was", "good", "bad"]), ((), ["good"])):
            answer = command("explain", *file, *spans, *more, "-c", world.model, "-m", "random")
            assert answer.code == 0, answer.err
            page = (tmp_path / "out.html").read_text("utf-8")
            assert re.findall(r"<mark [^>]*solid[^>]*>(\w+)</mark>", page) == wanted

    def test_the_errors_of_the_command_line(self, world: World, tmp_path: Path):
        path = tmp_path / "mine.jsonl"
        path.write_text('{"text": "a film", "a": [0], "b": [1], "c": [2]}\n')
        for options, message in (
            (("--rationale-column", "a", "--rationale-column", "b"), "no column holds the tokens"),
            (("--rationale-column", "a", "--rationale-column", "b", "--rationale-column", "c"), "one column, or two"),
            (("--annotators", "all"), "annotators is one of any, majority; got 'all'"),
            (("--rationale-format", "words"), "rationale_format is one of characters, tokens, mask; got 'words'"),
        ):
            answer = command("explain", "--file", path, *options, "-c", world.model, "-m", "random")
            assert answer.code == 2
            assert message in answer.err
        answer = command("explain", "a film", "--annotators", "any", "-c", world.model)
        assert "--annotators is about the columns of --file; name the file too" in answer.err
