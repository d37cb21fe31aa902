"""Attributions leave as files, JSON and data frames, and come back as they were."""

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import toys
from hypothesis import given
from hypothesis import strategies as st
from pictures import TEXT, WORDS, attribution, tokenized
from test_imports import loaded_by

import textiba
from textiba.attribution import Attribution, Attributions, BitsDetails, EvidenceDetails, GateDetails
from textiba.errors import CorruptFileError, InputError, NotFiniteError, StorageError
from textiba.methods import Evidence, PerSampleBottleneck
from textiba.store.rows import SCHEMA, to_row
from textiba.texts.sources import Text

THIRDS = (1 / 3, -2 / 3, 0.0, 1e-30, 0.1, 7.0, -1e30)


def numbers(*values: float | list[float]) -> np.ndarray:
    """A float32 array, as methods give."""
    return np.asarray(values, dtype=np.float32)


TRACES = numbers(0.7, 1 / 3), numbers(9.1, 3.3)
BITS = BitsDetails(numbers(0.1, 1), *TRACES, False, 0.9, 0.25, math.nan, numbers([1 / 3, 2], [3, 4]))
VARIED = (
    attribution(THIRDS, settings={"nodes": 4, "layers": [1, 2], "beta": None}),
    attribution(THIRDS, "bits", beta=1e-4, details=BITS, layer=None, labels=("a", "b", "ć\n"), predicted=2),
    attribution(THIRDS, details=GateDetails(numbers(0.5, 1 / 3))),
    attribution(THIRDS, "score", details=None, checkpoint="<b>", target=2),
    attribution(text=tokenized(Text('"quoted" naïve 東京 😀\u2028 text', None), cut=3)),
    attribution(asked="label joy"),
    attribution(text=tokenized().hide([2, 1])),
)


def same(a: Attribution, b: Attribution) -> bool:
    """Equal in every field, arrays bit by bit."""

    def exact(value: Any) -> Any:
        if isinstance(value, np.ndarray):
            return value.dtype, value.shape, value.tobytes()
        if isinstance(value, BitsDetails | GateDetails | EvidenceDetails):
            return type(value), {name: exact(part) for name, part in vars(value).items()}
        if isinstance(value, dict):
            return json.dumps(value, sort_keys=True)
        return repr(value)  # tells 1 from 1.0 and from True, and NaN is the same as NaN

    return {name: exact(v) for name, v in vars(a).items()} == {name: exact(v) for name, v in vars(b).items()}


@pytest.mark.parametrize("shown", VARIED)
def test_every_field_comes_back_from_a_dict_and_from_json(shown: Attribution):
    assert same(Attribution.from_dict(shown.to_dict()), shown)
    assert same(Attribution.from_json(shown.to_json()), shown)
    assert same(Attribution.from_json(shown.to_json(indent=1)), shown)


@pytest.mark.parametrize("shown", VARIED)
def test_every_field_comes_back_from_a_file(shown: Attribution, tmp_path: Path):
    path = shown.save(tmp_path / "new" / "one.parquet")
    assert same(Attribution.load(path), shown)


def test_a_list_comes_back_as_one(tmp_path: Path):
    found = Attributions(VARIED)
    for back in (
        Attributions.load(found.save(tmp_path / "all.parquet")),
        Attributions.from_dict(found.to_dict()),
        Attributions.from_json(found.to_json()),
    ):
        assert type(back) is Attributions
        assert len(back) == len(found)
        assert all(map(same, back, found))
    for empty in (
        Attributions.load(Attributions().save(tmp_path / "no.parquet")),
        Attributions.from_dict({"attributions": []}),
    ):
        assert empty == []


def test_what_explain_returns_comes_back(tmp_path: Path, planted: toys.Trained):
    model, statistics = planted
    for method in (Evidence(nodes=2), PerSampleBottleneck(steps=2)):
        found = textiba.explain(model, method, ["the film was superb .", "a dreadful plot"], statistics)
        assert all(map(same, Attributions.load(found.save(tmp_path / "x.parquet")), found))
        assert all(map(same, Attributions.from_json(found.to_json()), found))


def test_json_is_json_whatever_the_scores_and_texts_are():
    shown = Attributions([attribution(), attribution(text=tokenized(Text("half \ud83d of one")))])

    def refuse(constant: str) -> None:
        raise AssertionError(f"JSON has no {constant}")

    values = json.loads(shown.to_json(), parse_constant=refuse)
    assert values["attributions"][0]["scores"][0] is None  # of a special token
    shown.to_json().encode("ascii")
    assert same(Attributions.from_json(shown.to_json())[1], shown[1])
    with pytest.raises(NotFiniteError, match="no infinity"):
        attribution([math.inf] * 7).to_json()


@given(st.text(min_size=1).filter(str.strip), st.floats(width=32, allow_nan=False, allow_infinity=False))
def test_any_text_and_any_score_come_back(text: str, score: float):
    made = tokenized(Text(f"a {text}"))
    shown = attribution([score] * len(made.content), text=made)
    assert same(Attribution.from_json(shown.to_json()), shown)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"scores": [1.0]}, "lists of lengths .*'scores': 1"),
        ({"scores": "abc"}, "could not convert"),
        ({"target": "positive"}, "'target' is 'positive'"),
        ({"text": None}, "NoneType"),
        ({"details": {"kind": "other"}}, "KeyError: 'other'"),
        ({"details": {"kind": "gates"}}, "missing .* required"),
    ],
)
def test_what_is_no_attribution_is_refused(changes: dict[str, Any], message: str):
    with pytest.raises(InputError, match=message):
        Attribution.from_dict(attribution().to_dict() | changes)


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"attributions": 3}', "null"])
def test_other_json_is_refused(text: str):
    with pytest.raises(InputError, match="(are|is) read from"):
        Attributions.from_json(text)
    with pytest.raises(InputError, match="(are|is) read from"):
        Attribution.from_json(text)


def test_files_that_cannot_be_written_or_read_say_why(tmp_path: Path):
    found = Attributions([attribution(), attribution()])
    with pytest.raises(InputError, match=r"the name ends in \.parquet; got '\.json'"):
        found.save(tmp_path / "x.json")
    (tmp_path / "folder.parquet").mkdir()
    with pytest.raises(InputError, match="is a folder; name a file in it"):
        found.save(tmp_path / "folder.parquet")
    file = tmp_path / "file"
    file.write_text("old")
    with pytest.raises(StorageError, match="could not be written"):
        found.save(file / "x.parquet")
    with pytest.raises(InputError, match="lone surrogate"):
        attribution(text=tokenized(Text("half \ud83d"))).save(tmp_path / "x.parquet")
    assert [p.name for p in tmp_path.iterdir() if p.is_file()] == ["file"]
    with pytest.raises(InputError, match="no such file"):
        Attributions.load(tmp_path / "x.parquet")
    with pytest.raises(InputError, match="has 2 attributions"):
        Attribution.load(found.save(tmp_path / "two.parquet"))
    with pytest.raises(CorruptFileError, match="damaged, or not a file that Attributions.save wrote"):
        Attributions.load(file)
    pq.write_table(pa.table({"text": ["a"]}), tmp_path / "other.parquet")
    with pytest.raises(CorruptFileError, match="KeyError"):
        Attributions.load(tmp_path / "other.parquet")


def test_a_run_s_own_files_can_be_loaded(tmp_path: Path):
    shown = attribution()
    pq.write_table(pa.Table.from_pylist([to_row(5, shown)], SCHEMA), tmp_path / "part.parquet")
    assert same(Attribution.load(tmp_path / "part.parquet"), shown)


def test_a_data_frame_has_a_row_for_each_word():
    bits = attribution((0.5, 1.0, 0.0, 0.25, 1.0, 2.0, 0.0), "bits", layer=None, predicted=0)
    frame = Attributions([bits, attribution()]).to_pandas()
    assert frame["word"].tolist() == [*WORDS, *WORDS]
    assert frame["text"].tolist() == [0] * 6 + [1] * 6
    first = frame.iloc[:6]
    assert first["score"].tolist() == [0.5, 1.0, 0.0, 0.25, 3.0, 0.0]  # "wonderful" is two tokens
    assert first["marked"].tolist() == [True, True, False, False, True, False]
    assert [TEXT.text[a:b] for a, b in zip(first["start"], first["end"], strict=True)] == list(WORDS)
    shared = first.iloc[0].drop(["text", "position", "word", "part", "start", "end", "marked", "score"]).to_dict()
    assert shared.pop("layer") is None
    assert shared == {
        "id": "r1", "checkpoint": "fine-tuned", "method": "per_sample", "beta": 1e-3, "target": "positive",
        "probability": 0.9, "predicted": "negative", "gold": "positive", "unit": "bits",
    }  # fmt: skip
    assert frame["layer"].tolist()[6:] == [1] * 6
    part = replace(TEXT, rationale=((25, 28),))  # the second token of "wonderful"
    assert attribution(text=tokenized(part)).to_pandas()["marked"].tolist() == [False] * 4 + [True, False]
    pandas.testing.assert_frame_equal(bits.to_pandas(), first.reset_index(drop=True))


def test_a_data_frame_has_a_row_for_each_token_where_asked():
    frame = attribution((0.5, 1.0, 0.0, 0.25, 1.0, 2.0, 0.0), "bits").to_pandas("token")
    assert frame["token"].tolist() == ["[X]", "Never", "dull", ",", "always", "wond", "erful", ".", "[X]"]
    assert frame["word_position"].tolist() == [pandas.NA, 0, 1, 2, 3, 4, 4, 5, pandas.NA]
    np.testing.assert_array_equal(frame["score"], [np.nan, 0.5, 1, 0, 0.25, 1, 2, 0, np.nan])
    assert list(Attributions().to_pandas("token").columns) == list(frame.columns)
    assert list(Attributions().to_pandas().columns) == list(attribution().to_pandas().columns)
    with pytest.raises(InputError, match="'word' or each 'token'; got by='sentence'"):
        attribution().to_pandas("sentence")


def test_results_load_neither_pandas_nor_pyarrow_before_they_are_asked():
    made = f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r}); from pictures import attribution"
    assert not loaded_by(f"{made}; attribution().to_json()") & {"pandas", "pyarrow", "spacy", "matplotlib"}


def test_fields_that_rows_of_runs_lack_are_kept_too(tmp_path: Path):
    shown = replace(attribution(), text=replace(tokenized(), unattended=frozenset({3})))
    [row] = pq.read_table(shown.save(tmp_path / "x.parquet")).to_pylist()
    assert json.loads(row["rest"])["text"]["unattended"] == [3]
    [row] = pq.read_table(attribution().save(tmp_path / "x.parquet")).to_pylist()
    assert row["rest"] is None
