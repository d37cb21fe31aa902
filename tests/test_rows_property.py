"""Whatever is handed over: a result or a `TextibaError` that names the row, and never another exception."""

import json
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from odd_rows import (
    ANY_TEXT,
    COLUMN,
    FIELD,
    FIELDS,
    JSON,
    MANY,
    NAMED,
    NAMES,
    NUMBERS,
    OTHERS,
    SPANS,
    TOKENIZED,
    UNICODE,
    attempt,
    check,
    rows,
)
from tokenizer_kinds import TOKENIZERS

from textiba.errors import TextibaError
from textiba.texts.columns import Named
from textiba.texts.files import read_texts
from textiba.texts.inputs import texts_from
from textiba.texts.labels import resolve_labels
from textiba.texts.text import Text
from textiba.texts.tokenizing import tokenize


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
    st.permutations(FIELDS), st.lists(st.tuples(UNICODE, st.integers(0, 2), UNICODE, UNICODE), min_size=1, max_size=4)
)
def test_the_order_of_columns_changes_nothing(order: Sequence[str], data: list[tuple]):
    wanted = [Text(f"a {text}", label, id=f"i{name}", kind=kind) for text, label, name, kind in data]
    records = [{"text": t.text, "label": t.label, "id": t.id, "kind": t.kind, "rationale": t.rationale} for t in wanted]
    assert list(texts_from([{name: record[name] for name in order} for record in records])) == wanted


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
