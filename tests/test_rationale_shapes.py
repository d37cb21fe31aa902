"""Rationales of every shape become character spans: token spans and masks, of one or several annotators, and pairs."""

import json
import random
from typing import Any

import numpy as np
import pytest
from marks import ACTORS, DULL, JOINED, MASK, TOKENS, WRITTEN, marked

from textiba.errors import InputError
from textiba.texts.columns import Named
from textiba.texts.inputs import texts_from
from textiba.texts.rationales import merged, token_places
from textiba.texts.text import Text


def one(row: dict[str, Any], **named: Any) -> Text:
    """The text of one row."""
    [text] = texts_from([row], Named(**named))
    return text


class TestShapes:
    """One annotator."""

    @pytest.mark.parametrize(
        ("row", "named"),
        [
            ({"evidence_starts": [1, 4], "evidence_ends": [3, 6]}, {}),
            ({"Evidence_Starts": [4, 1, 2], "Evidence_Ends": [6, 3, 3]}, {}),  # in any order, overlapping
            ({"rationale": [DULL, ACTORS]}, {}),
            ({"rationale": [ACTORS, [1, 2], [2, 3]]}, {}),  # spans that touch become one
            ({"rationale": MASK}, {}),
            ({"rationale": [bool(bit) for bit in MASK]}, {}),
            ({"why": np.array(MASK, dtype=float)}, {"rationale": "why"}),
            ({"why": MASK}, {"rationale": "why", "rationale_format": "mask"}),
            ({"first": [1, 4], "last": [3, 6]}, {"rationale": ("first", "last")}),
            ({"first": [1, 4], "last": [3, 6]}, {"rationale": ["first", "last"]}),  # a list of columns, as in configs
            ({"rationale": [[2, 11], [14, 27]]}, {"rationale_format": "characters"}),
            ({"first": [2, 14], "last": [11, 27]}, {"rationale": ("first", "last"), "rationale_format": "characters"}),
            ({"rationale": json.dumps(MASK)}, {}),
            ({"evidence_starts": "[1, 4]", "evidence_ends": np.array([3, 6])}, {}),
        ],
    )
    def test_each_gives_the_same_spans(self, row: dict[str, Any], named: dict[str, Any]):
        text = one({"tokens": TOKENS} | row, **named)
        assert text.text == JOINED
        assert marked(text) == ["dull plot", "superb actors"]

    def test_tokens_are_found_in_a_text_that_has_other_spaces(self):
        text = one({"text": WRITTEN, "tokens": ["A", *TOKENS[1:]], "evidence_starts": [1], "evidence_ends": [5]})
        assert text == Text(WRITTEN, rationale=((3, 20),))

    def test_spans_count_characters_where_there_is_a_text(self):
        row = {"text": WRITTEN, "tokens": ["A", *TOKENS[1:]], "rationale": [[0, 2]]}
        assert one(row).rationale == ((0, 2),)
        assert marked(one(row, rationale_format="tokens")) == ["A  dull"]
        assert marked(one(row, text="", rationale_format="tokens")) == ["A dull"]

    def test_a_row_without_a_rationale(self):
        rows = [{"tokens": TOKENS}, {"tokens": TOKENS, "evidence_starts": None, "evidence_ends": None}]
        rows += [{"tokens": TOKENS, "evidence_starts": [], "evidence_ends": []}, {"tokens": TOKENS, "rationale": []}]
        for row in rows:
            assert one(row) == Text(JOINED)
        assert one({"tokens": TOKENS, "rationale": MASK}, rationale="") == Text(JOINED)

    def test_a_rationale_column_comes_before_evidence_and_evidence_before_masks(self):
        row: dict[str, Any] = {"tokens": TOKENS, "rationales": [MASK]}
        assert marked(one(row)) == ["dull plot", "superb actors"]
        row |= {"evidence_starts": [1], "evidence_ends": [2]}
        assert marked(one(row)) == ["dull"]
        assert marked(one(row | {"rationale": [[0, 1]]})) == ["a"]
        assert marked(one(row, rationale="rationales")) == ["dull plot", "superb actors"]

    def test_without_tokens_a_column_that_is_called_evidence_is_not_read(self):
        assert one({"text": JOINED, "evidence_starts": [1], "evidence_ends": [3]}) == Text(JOINED)

    def test_tokens_without_characters_mark_nothing(self):
        assert one({"tokens": ["a", "", "b"], "rationale": [0, 1, 0]}) == Text("a  b")


class TestAnnotators:
    SPANS = ([DULL, ACTORS], [[2, 3]], [[2, 3], [4, 5]])  # dull 1, plot 3, superb 2, actors 1 of three
    MASKS = tuple([int(any(a <= i < b for a, b in spans)) for i in range(7)] for spans in SPANS)

    @pytest.mark.parametrize(
        ("row", "named"),
        [
            ({"rationale": SPANS}, {}),
            ({"rationales": MASKS}, {}),
            ({"why": np.array(MASKS)}, {"rationale": "why", "rationale_format": "mask"}),
            (
                {
                    "evidence_starts": [[a for a, _ in spans] for spans in SPANS],
                    "evidence_ends": [[b for _, b in spans] for spans in SPANS],
                },
                {},
            ),
        ],
    )
    def test_any_and_majority(self, row: dict[str, Any], named: dict[str, Any]):
        row = {"tokens": TOKENS} | row
        assert marked(one(row, **named)) == ["plot", "superb"]
        assert marked(one(row, annotators="majority", **named)) == ["plot", "superb"]
        assert marked(one(row, annotators="any", **named)) == ["dull plot", "superb actors"]

    def test_characters_of_several_annotators(self):
        row = {"text": JOINED, "rationale": [[[2, 11]], [[7, 11], [14, 20]]]}
        assert one(row).rationale == ((7, 11),)
        assert one(row, annotators="any").rationale == ((2, 11), (14, 20))
        assert one({"text": JOINED, "rationale": [[[7, 11], [2, 8]]]}).rationale == ((2, 11),)

    def test_a_tie_is_no_majority_and_an_empty_rationale_counts(self):
        first, nothing = [0, 1], [0, 0]
        for masks, found in (
            ([first, nothing], []),
            ([first, first, nothing, nothing], []),
            ([first, first, nothing], ["b"]),
            ([first], ["b"]),
            ([first, None], ["b"]),  # who gave no answer does not count
            ([None, None], []),
        ):
            assert marked(one({"tokens": ["a", "b"], "rationales": masks})) == found
        assert marked(one({"tokens": ["a", "b"], "rationale": [[[1, 2]], []]})) == []
        assert marked(one({"tokens": ["a", "b"], "rationale": [[[1, 2]], []]}, annotators="any")) == ["b"]

    @pytest.mark.parametrize("annotators", ["any", "majority"])
    def test_votes_against_counting_one_by_one(self, annotators: str):
        draw = random.Random(0)
        for _ in range(200):
            people, units = draw.randint(1, 5), draw.randint(0, 6)
            marks = [[draw.random() < 0.4 for _ in range(units)] for _ in range(people)]
            slow = []
            for unit in range(units):
                votes = 0
                for person in range(people):
                    if marks[person][unit]:
                        votes += 1
                slow.append(votes >= 1 if annotators == "any" else votes > people - votes)
            assert merged([np.array(one, dtype=bool) for one in marks], annotators).tolist() == slow


class TestPairs:
    def test_each_text_has_its_tokens(self):
        row = {"one": ["a", "b"], "two": ["c", "d"], "why": [0, 1], "why not": [1, 0]}
        names = {"tokens": "one", "pair_tokens": "two", "rationale": "why", "pair_rationale": "why not"}
        assert one(row, **names) == Text("a b", rationale=((2, 3),), pair="c d", pair_rationale=((0, 1),))
        assert one(row | {"text": "ab", "pair": "cd"}, **names).marked == ((1, 2), (3, 4))

    def test_evidence_belongs_to_the_text_that_has_tokens(self):
        row = {"premise": JOINED, "hypothesis": "bad", "tokens": TOKENS, "evidence_starts": [1], "evidence_ends": [2]}
        assert one(row) == Text(JOINED, pair="bad", rationale=((2, 6),))
        swapped = row | {"premise": "bad", "hypothesis": JOINED}
        assert one(swapped, pair_tokens="tokens") == Text("bad", pair=JOINED, pair_rationale=((2, 6),))

    def test_a_query_about_tokens_is_a_pair(self):
        row = {"query": "is it", "tokens": TOKENS, "evidence_starts": [1], "evidence_ends": [2]}
        assert one(row) == Text("is it", pair=JOINED, pair_rationale=((2, 6),))
        assert one(row, pair="", text="query", rationale="") == Text("is it")


def test_a_token_is_never_found_at_a_wrong_place():
    assert token_places(["a", "b"], " a - b!", False, "") == [(1, 2), (5, 6)]
    assert token_places([".", ".."], ". ..", False, "") == [(0, 1), (2, 4)]
    for tokens in (["a", "cat"], ["cat"], ["a", "at"]):
        with pytest.raises(InputError, match="not found"):
            token_places(tokens, "at a cat", False, "")


def test_one_record_of_tokens_is_one_text():
    assert list(texts_from({"tokens": ["a", "b"], "rationale": [0, 1]})) == [Text("a b", rationale=((2, 3),))]
    assert list(texts_from({"tokens": [["a", "b"], ["c"]]})) == [Text("a b"), Text("c")]
