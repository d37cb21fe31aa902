"""Rows and fields of every kind for the property tests, and what has to hold of any of them.

The suite takes some ten seconds of this. For longer: `TEXTIBA_EXAMPLES=20000 pytest tests/test_*_property.py`.
"""

import math
import os
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from textiba.errors import TextibaError
from textiba.texts.columns import Named
from textiba.texts.text import Text

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
