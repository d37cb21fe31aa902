"""Whatever comes in: a result or a `TextibaError` that names the row, and never another exception.

The suite takes some ten seconds of this. For longer: `TEXTIBA_EXAMPLES=20000 pytest tests/test_rows_property.py`.
"""

import json
import math
import os
import random
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tokenizer_kinds import TOKENIZERS

from textiba.bottleneck.statistics import FeatureStatistics
from textiba.errors import TextibaError
from textiba.texts.columns import Named
from textiba.texts.files import SUFFIXES, read_texts
from textiba.texts.inputs import texts_from
from textiba.texts.labels import resolve_labels
from textiba.texts.text import Text
from textiba.texts.tokenizing import tokenize

EXAMPLES = int(os.environ.get("TEXTIBA_EXAMPLES", "70"))
SLOW = (HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large, HealthCheck.large_base_example)
MANY = settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=SLOW, print_blob=True)
FEW = settings(MANY, max_examples=max(10, EXAMPLES // 8))  # for what writes a Parquet file each time
NAMES = ("negative", "neutral", "positive")
FIELDS = ("text", "label", "id", "kind", "rationale")

ANY_TEXT = st.text(st.characters(), max_size=30)  # lone surrogates, control characters and all
UNICODE = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
NUMBERS = st.one_of(st.integers(), st.floats(), st.sampled_from((-1, 0, 1.0, 1.5, 3, math.nan, math.inf, 10**400)))
JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), NUMBERS, ANY_TEXT, st.sampled_from(NAMES)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(ANY_TEXT, inner, max_size=3)),
    max_leaves=6,
)
OTHERS = st.one_of(
    JSON, st.binary(max_size=5), st.tuples(ANY_TEXT, ANY_TEXT), st.complex_numbers(), st.dates(), st.decimals(),
    st.fractions(), st.uuids(), st.timedeltas(), st.sets(st.integers(), max_size=2), st.just(pd.NA), st.just(pd.NaT),
    st.builds(np.float32, st.floats(width=32)), st.builds(np.int64, st.integers(-5, 5)),
    st.just(np.timedelta64(1, "s")), st.just(np.array([[0, 1]])), st.just(np.array("x")), st.just(object()),
)  # fmt: skip
PLACES = st.lists(st.integers(0, 9), max_size=6, unique=True).map(sorted)
APART = PLACES.map(lambda p: [list(span) for span in zip(p[::2], p[1::2], strict=False)])  # beyond the end now and then
SPANS = st.one_of(
    APART,
    APART.flatmap(st.permutations),
    PLACES.map(lambda p: [list(span) for span in zip(p, p[2:], strict=False)]),  # which overlap
    st.lists(st.lists(st.one_of(st.integers(-1, 9), st.just(2.0)), min_size=2, max_size=2), max_size=2),
)
NUMBERED = st.lists(st.one_of(st.integers(-1, 4), st.just(1.0)), max_size=3)  # starts, ends, or a mask
SHAPES = st.one_of(SPANS, NUMBERED, st.lists(st.one_of(SPANS, NUMBERED, st.none()), max_size=3), st.none())
WORDS = st.one_of(st.just(["a", "fine"]), st.just(["déjà", "vu"]), st.lists(ANY_TEXT, max_size=3))
TOKENIZED = st.fixed_dictionaries(
    {"tokens": WORDS},
    optional={"rationale": SHAPES, "rationales": SHAPES, "evidence_starts": SHAPES, "evidence_ends": SHAPES},
)
FIELD = st.one_of(OTHERS, UNICODE, SPANS)
COLUMN = st.one_of(st.sampled_from((*FIELDS, "Text", "sentence", "review", "tokens", "rationales")), ANY_TEXT)
NAMED = st.builds(
    Named, rationale_format=st.sampled_from((None, "characters", "tokens", "mask")),
    annotators=st.sampled_from(("any", "majority")), text=st.sampled_from((None, None, "")),
)  # fmt: skip


def rows(values: st.SearchStrategy[Any], columns: st.SearchStrategy[str] = COLUMN) -> st.SearchStrategy[list[dict]]:
    """Records with their columns in any order: good ones, good ones with one odd field, and random ones."""
    good = st.fixed_dictionaries(
        {"text": st.sampled_from(("a fine", "déjà vu", " 電影 "))},
        optional={
            "label": st.sampled_from((0, 2, 1.0, *NAMES, None)), "id": UNICODE, "kind": UNICODE,
            "rationale": st.sampled_from(([], [[0, 1]], [[0, 2], [2, 3]], None)),
        },
    )  # fmt: skip
    odd = st.one_of(
        st.just({}),
        st.tuples(st.sampled_from(FIELDS), values).map(lambda field: {field[0]: field[1]}),
        st.fixed_dictionaries({"rationale": SPANS}),
        st.fixed_dictionaries({"label": NUMBERS}),
        TOKENIZED,
        st.dictionaries(columns, values, max_size=3),
    )
    row = st.tuples(good, odd).map(lambda parts: parts[0] | parts[1]).flatmap(shuffled)
    return st.lists(st.one_of(row, row, st.dictionaries(columns, values, max_size=3)), min_size=1, max_size=3)


def shuffled(row: dict) -> st.SearchStrategy[dict]:
    """The row with its columns in any order."""
    return st.permutations(list(row.items())).map(dict)


def check(texts: Sequence[Text]) -> None:
    """These are texts that can be tokenized, written, and read again."""
    for text in texts:
        assert type(text.text) is str
        assert text.text.strip()
        assert text.label is None or type(text.label) in (int, str)
        assert not isinstance(text.label, int) or 0 <= text.label < 2**31
        for name in (text.text, text.id, text.kind, str(text.label)):
            assert type(name) is str
            name.encode()
        ends = [0, *(end for _, end in text.rationale)]
        assert all(type(place) is int for span in text.rationale for place in span)
        assert all(
            before <= start < end <= len(text.text) for before, (start, end) in zip(ends, text.rationale, strict=False)
        )


def attempt(read: Callable[[], Any], names: str) -> Any:
    """The result, or None for an error of ours, which is printable and names a row or the whole."""
    try:
        found = list(read())
    except TextibaError as error:
        message = str(error)
    else:
        check(found)
        return found
    message.encode()
    assert names in message
    assert len(message) < 2000
    return None


@MANY
@given(st.one_of(rows(FIELD), st.lists(FIELD, max_size=3), FIELD, st.dictionaries(COLUMN, st.lists(FIELD, max_size=3))))
def test_anything_handed_over(data: Any):
    found = attempt(lambda: texts_from(data), "")
    if found is None or attempt(lambda: resolve_labels(found, NAMES), "text number") is None:
        return
    resolved = list(resolve_labels(found, NAMES))
    assert all(text.label is None or text.label in (0, 1, 2) for text in resolved)
    assert list(resolve_labels(resolved, NAMES)) == resolved


@MANY
@given(
    st.one_of(
        st.tuples(st.sampled_from(FIELDS), OTHERS),
        st.tuples(st.sampled_from(("label", "id")), NUMBERS),
        st.tuples(st.just("rationale"), SPANS),
        st.tuples(st.just("rationale"), SPANS.map(json.dumps)),
    )
)
def test_one_odd_field(field: tuple[str, Any]):
    attempt(lambda: texts_from([{"text": "déjà vu", field[0]: field[1]}]), "text number 0 (counting from 0)")


@MANY
@given(rows(FIELD), TOKENIZED, st.booleans(), NAMED)
def test_rationales_of_any_shape(data: list[dict], tokenized: dict, alone: bool, named: Named):
    attempt(lambda: texts_from([tokenized] if alone else [row | tokenized for row in data], named), "text")


WORD = st.text(st.characters(categories=["L", "N", "P"]), min_size=1, max_size=4)


@MANY
@given(st.data(), st.sampled_from(("any", "majority")), st.booleans(), st.sampled_from((".jsonl", ".csv", ".parquet")))
def test_marks_of_tokens_come_back_from_every_shape_and_every_file(
    data: st.DataObject, annotators: str, joined: bool, suffix: str
):
    """Masks, spans, and starts and ends of the same marks give the same text, whose export is read as that text."""
    tokens = data.draw(st.lists(WORD, min_size=1, max_size=5))
    masks = data.draw(
        st.lists(st.lists(st.booleans(), min_size=len(tokens), max_size=len(tokens)), min_size=1, max_size=4)
    )
    spans = [[[i, i + 1] for i, bit in enumerate(mask) if bit] for mask in masks]
    row: dict[str, Any] = {"tokens": tokens}
    if not joined:
        gaps = data.draw(
            st.lists(st.sampled_from(("", " ", "\n ", "\u3000")), min_size=len(tokens), max_size=len(tokens))
        )
        row["text"] = "".join(part for pair in zip(gaps, tokens, strict=True) for part in pair)
    votes = np.sum(masks, axis=0)
    chosen = [bool(v) if annotators == "any" else v > len(masks) - v for v in votes]
    named = Named(annotators=annotators)
    apart = {"evidence_starts": [[a for a, _ in s] for s in spans], "evidence_ends": [[b for _, b in s] for s in spans]}
    found = [
        *texts_from([row | {"rationales": masks}], named),
        *texts_from([row | {"rationale": spans}], replace(named, rationale_format="tokens")),
        *texts_from([row | apart], named),
    ]
    [text] = set(found)
    check([text])
    places = [i for start, end in text.rationale for i in range(start, end)]
    at = 0
    for token, mark in zip(tokens, chosen, strict=True):
        at = text.text.index(token, at)
        assert all((i in places) == mark for i in range(at, at + len(token)))
        at += len(token)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"mine{suffix}"
        out = {"text": text.text, "rationale": [list(span) for span in text.rationale], "tokens": tokens, "id": "x"}
        frame = pd.DataFrame([out])
        if suffix == ".jsonl":
            path.write_text(json.dumps(out), encoding="utf-8")
        elif suffix == ".csv":
            frame.assign(rationale=json.dumps(out["rationale"])).to_csv(path, index=False)
        else:
            frame.to_parquet(path)
        assert [(again.text, again.rationale) for again in read_texts(path)] == [(text.text, text.rationale)]


@MANY
@given(rows(JSON), st.booleans())
def test_records_of_any_json(data: list[dict], sized: bool):
    found = attempt(lambda: texts_from(data if sized else iter(data)), "text")
    if found is not None:
        assert len(found) == len(data)


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
    st.permutations(FIELDS), st.lists(st.tuples(UNICODE, st.integers(0, 2), UNICODE, UNICODE), min_size=1, max_size=4)
)
def test_the_order_of_columns_changes_nothing(order: Sequence[str], data: list[tuple]):
    wanted = [Text(f"a {text}", label, id=f"i{name}", kind=kind) for text, label, name, kind in data]
    records = [{"text": t.text, "label": t.label, "id": t.id, "kind": t.kind, "rationale": t.rationale} for t in wanted]
    assert list(texts_from([{name: record[name] for name in order} for record in records])) == wanted


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
    st.sampled_from(sorted(TOKENIZERS)),
    st.lists(ANY_TEXT, min_size=1, max_size=3),
    st.integers(3, 12),
    st.integers(0, 9),
)
@pytest.mark.filterwarnings("ignore::textiba.errors.TextibaWarning")
def test_tokens_of_any_text(kind: str, texts: list[str], length: int, start: int):
    tokenizer = TOKENIZERS[kind]
    found, message = [], ""
    try:
        found = tokenize(texts, tokenizer, length, start=start)
    except TextibaError as error:
        message = str(error)
    if not found:
        assert any(f"text number {n} " in message for n in range(start, start + len(texts)))
        return
    for text, tokenized in zip(texts, found, strict=True):
        assert len(tokenized) <= length
        assert list(tokenized.ids) == tokenizer(text, truncation=True, max_length=length)["input_ids"]
        assert sorted(position for word in tokenized.words for position in word) == list(tokenized.content)
        at = 0
        for word in tokenized.words:
            begin, end = tokenized.offsets[word[0]][0], tokenized.offsets[word[-1]][1]
            assert at <= begin <= end <= len(text)
            at = end


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
