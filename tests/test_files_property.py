"""Whatever stands in a file: a result or a `TextibaError` that names the file, and never another exception."""

import json
import math
import random
import tempfile
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from odd_rows import FEW, FIELDS, JSON, MANY, NUMBERS, UNICODE, attempt, rows

from textiba.bottleneck.statistics import FeatureStatistics
from textiba.errors import TextibaError
from textiba.texts.files import SUFFIXES, read_texts


@MANY
@given(
    rows(JSON), st.sampled_from((".jsonl", ".json")), st.booleans(), st.sampled_from(("utf-8", "utf-8-sig", "utf-16"))
)
def test_json_files_with_any_value_in_any_field(data: list[dict], suffix: str, escaped: bool, encoding: str):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"mine{suffix}"
        written = [json.dumps(row, ensure_ascii=escaped) for row in data]
        content = "\n".join(written) + "\n" if suffix == ".jsonl" else f"[{','.join(written)}]"
        path.write_bytes(content.encode(encoding, "surrogatepass" if not encoding.endswith("sig") else "replace"))
        found = attempt(lambda: read_texts(path), "mine")
        assert found is None or len(found) == len(data)


@MANY
@given(rows(st.one_of(UNICODE, NUMBERS, st.none(), st.booleans())), st.sampled_from((".csv", ".tsv")))
def test_tables_that_pandas_writes(data: list[dict], suffix: str):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"mine{suffix}"
        try:
            pd.DataFrame(data).to_csv(path, index=False, sep="," if suffix == ".csv" else "\t")
        except (UnicodeEncodeError, ValueError):
            return  # pandas cannot write what this asks for
        attempt(lambda: read_texts(path), "mine")


@MANY
@given(
    st.binary(max_size=200), st.sampled_from(SUFFIXES), st.sampled_from((b"", b"\xef\xbb\xbf", b"\xff\xfe", b"PAR1"))
)
def test_files_of_random_bytes(content: bytes, suffix: str, mark: bytes):
    with tempfile.TemporaryDirectory() as folder:
        (path := Path(folder) / f"mine{suffix}").write_bytes(mark + content)
        attempt(lambda: read_texts(path), "mine")


SYNTAX = st.text(st.sampled_from("text,label;\t\"'\n\r[]{}:0123.eE-+truefalsn\\u d8Nai\u2028\x85\ufeff"), max_size=80)


@MANY
@given(
    SYNTAX, st.sampled_from(SUFFIXES[:5]), st.sampled_from(("", "text,label\n", "text\tlabel\n", '{"text": "x"', "["))
)
def test_files_of_random_syntax(content: str, suffix: str, beginning: str):
    with tempfile.TemporaryDirectory() as folder:
        (path := Path(folder) / f"mine{suffix}").write_text(beginning + content, "utf-8", newline="")
        attempt(lambda: read_texts(path), "mine")


@FEW
@given(st.data())
def test_damaged_parquet_files(data: st.DataObject):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "mine.parquet"
        pd.DataFrame({"text": ["a film", "b", "c"], "label": [1, 0, None]}).to_parquet(path)
        content = bytearray(path.read_bytes())
        for place in data.draw(st.lists(st.integers(0, len(content) - 1), max_size=4)):
            content[place] = data.draw(st.integers(0, 255))
        path.write_bytes(content[: data.draw(st.sampled_from((len(content), len(content) - 5, len(content) // 2)))])
        attempt(lambda: read_texts(path), "mine")


@FEW
@given(
    st.dictionaries(
        st.sampled_from((*FIELDS, "more")),
        st.sampled_from(("texts", "ints", "floats", "bools", "lists", "nulls", "bytes", "dates", "spans", "names")),
        min_size=1,
    ),
    st.randoms(use_true_random=False),
)
def test_parquet_columns_of_any_type(columns: dict[str, str], draw: random.Random):
    kinds: dict[str, list[Any]] = {
        "texts": ["a film", "b\u2028c", "déjà vu"], "ints": [0, 2, 1], "floats": [1.0, math.nan, 2.5],
        "lists": [[1], [], [2]], "bools": [True, False, None], "nulls": [None, None, None],
        "bytes": [b"a", b"\xff", None], "dates": [pd.Timestamp(0), pd.NaT, pd.Timestamp(1)],
        "spans": [[[0, 1]], [], None], "names": ["negative", None, "1"],
    }  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "mine.parquet"
        names = list(columns)
        draw.shuffle(names)
        pd.DataFrame({name: kinds[columns[name]] for name in names}).to_parquet(path)
        attempt(lambda: read_texts(path), "mine")


@MANY
@given(
    st.binary(max_size=300),
    st.sampled_from((b"", b"\x10\x00\x00\x00\x00\x00\x00\x00{", b"\x02\x00\x00\x00\x00\x00\x00\x00{}")),
)
def test_statistics_of_random_bytes(content: bytes, beginning: bytes):
    with tempfile.TemporaryDirectory() as folder:
        (path := Path(folder) / "s.safetensors").write_bytes(beginning + content)
        with pytest.raises(TextibaError, match=r"s\.safetensors: not a statistics file"):
            FeatureStatistics.load(path)
