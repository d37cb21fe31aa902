"""What can be meant by texts is taken; what cannot is refused with what to do."""

import datetime
from collections import deque
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pandas as pd
import pytest

from textiba.errors import EmptyTextError, InputError
from textiba.texts.columns import Named
from textiba.texts.inputs import texts_from
from textiba.texts.tables import Rows
from textiba.texts.text import Text

FRAME = pd.DataFrame({"review": ["A film", "B"], "label": [1, None], "id": [7, 8]})
TABLE = [Text("A film", 1, id="7"), Text("B", id="8")]
PLAIN = [Text("A film"), Text("B")]


class TestTaken:
    """Everything that holds texts."""

    @pytest.mark.parametrize(
        "data",
        [
            ["A film", "B"],
            ("A film", Text("B")),
            deque(["A film", "B"]),
            iter(["A film", "B"]),
            {"A film": 0, "B": 1}.keys(),
            np.array(["A film", "B"]),
            np.array(["A film", "B"], dtype=object),
            pd.Series(["A film", "B"], index=[5, 5]),
            pd.Series(["A film", "B"]).astype("category"),
            pd.Index(["A film", "B"]),
            [{"sentence": "A film"}, {"sentence": "B", "more": 1}],
            [{"text": "A film"}, "B"],
            {"text": ["A film", "B"]},
            {"text": pd.Series(["A film", "B"])},
        ],
    )
    def test_texts_alone(self, data: Any):
        assert list(texts_from(data)) == PLAIN

    @pytest.mark.parametrize(
        "data",
        [
            FRAME,
            FRAME.rename(index={0: "x", 1: "x"}),
            datasets.Dataset.from_pandas(FRAME),
            datasets.Dataset.from_pandas(FRAME).with_format("numpy"),
            datasets.Dataset.from_pandas(FRAME).to_iterable_dataset(),
            FRAME.to_dict("records"),
            FRAME.to_dict("list"),
        ],
    )
    def test_tables_with_labels_and_ids(self, data: Any):
        assert list(texts_from(data)) == TABLE
        assert list(texts_from(data, Named(text="review", label="label", id="id"))) == TABLE
        assert [t.id for t in texts_from(data, Named(id="review"))] == ["A film", "B"]

    def test_one_text_is_one_text_and_not_its_letters(self):
        assert list(texts_from("A film")) == [Text("A film")]
        assert list(texts_from(Text("A film", 1))) == [Text("A film", 1)]
        assert list(texts_from({"text": "A film", "label": 1})) == [Text("A film", 1)]

    def test_a_path_is_a_file(self, tmp_path: Path):
        (tmp_path / "mine.csv").write_text("words,label\nA film,1\nB,0\n")
        assert [t.label for t in texts_from(tmp_path / "mine.csv", Named(text="words"))] == [1, 0]

    def test_a_generator_is_read_as_the_texts_are_consumed(self):
        given: list[int] = []

        def endless() -> Iterator[str]:
            for n in range(10**9):
                given.append(n)
                yield f"text {n}"

        texts = iter(texts_from(endless()))
        assert given == []
        assert next(texts) == Text("text 0")
        assert next(texts) == Text("text 1")
        assert given == [0, 1]

    def test_rows_stay_rows(self):
        rows = texts_from(datasets.Dataset.from_pandas(FRAME))
        assert isinstance(rows, Rows)
        assert texts_from(rows) is rows

    def test_nothing_is_nothing(self):
        for data in ([], (), iter([]), pd.Series([], dtype=str), FRAME[:0], {"text": []}):
            assert list(texts_from(data)) == []

    @pytest.mark.parametrize(
        ("value", "label"),
        [
            (1, 1), (1.0, 1), (np.int64(1), 1), (np.float32(2), 2), (Decimal("1.0"), 1), ("good", "good"),
            (" good ", "good"), (True, "True"), (np.bool_(False), "False"), (None, None), (float("nan"), None),
            (pd.NA, None), ("", None),
        ],
    )  # fmt: skip
    def test_labels_of_other_types(self, value: object, label: int | str | None):
        [found] = texts_from([{"text": "A film", "label": value}])
        assert found.label == label
        assert type(found.label) is type(label)

    @pytest.mark.parametrize(
        ("value", "name"),
        [
            (7, "7"), (7.0, "7"), (1e10, "10000000000"), (7.5, "7.5"), (np.int64(2**60 + 1), str(2**60 + 1)),
            (None, ""), (float("nan"), ""), (datetime.date(2024, 1, 2), "2024-01-02"), (Decimal("1.50"), "1.50"),
            (True, "True"),
        ],
    )  # fmt: skip
    def test_ids_of_other_types(self, value: object, name: str):
        [found] = texts_from([{"text": "A film", "id": value, "kind": value}])
        assert (found.id, found.kind) == (name, name)

    @pytest.mark.parametrize(
        "value", [((0, 1), (2, 6)), [[0, 1], [2.0, 6.0]], np.array([[0, 1], [2, 6]]), [np.array([0, 1]), (2, 6)]]
    )
    def test_rationales_of_other_types(self, value: object):
        [found] = texts_from([{"text": "A film", "rationale": value}])
        assert found.rationale == ((0, 1), (2, 6))


class TestRefused:
    """Everything else, with a reason."""

    @pytest.mark.parametrize(
        ("data", "message"),
        [
            (None, "texts are a list of strings, or another iterable; got None"),
            (float("nan"), "got nan, of type float"),
            (5, "got 5, of type int"),
            (b"A film", "texts are strings; got bytes. Decode them first"),
            (bytearray(b"A film"), "got bytearray. Decode them first"),
            ({"A film", "B"}, r"texts have an order, and a set has none; give sorted\(texts\)"),
            (np.array("A film"), "of type ndarray"),
            (datasets.DatasetDict({"train": datasets.Dataset.from_pandas(FRAME)}), r"\['train'\]; give one of them"),
            (
                FRAME.rename(columns={"review": "words"}),
                r"DataFrame: no column.*columns are \['words', 'label', 'id'\]",
            ),
            (pd.DataFrame([["A", "B"]]), r"columns are \[0, 1\]"),
            (pd.DataFrame([["A", "B"]], columns=["text", "text"]), "two columns are called 'text'"),
            ({"words": ["A"]}, r"the mapping: no column.*\['words'\]"),
            (
                {"text": ["A", "B"], "label": [1]},
                r"columns of a mapping have one length; got \{'text': 2, 'label': 1\}",
            ),
            ({"text": ["A", "B"], "label": "01"}, r"got \{'text': 2, 'label': 0\}"),
            ({"text": 5}, "got 5, of type int"),
            (FRAME["review"].to_frame().T, r"no column.*columns are \[0, 1\]"),
        ],
    )
    def test_what_holds_no_texts(self, data: Any, message: str):
        with pytest.raises(InputError, match=message):
            texts_from(data)

    @pytest.mark.parametrize(
        ("item", "message"),
        [
            (None, "a text is a string; got None, a missing value. Remove it, or fill it in"),
            (float("nan"), "got nan, a missing value"),
            (pd.NA, "got <NA>, a missing value"),
            (pd.NaT, "got NaT, a missing value"),
            (b"A film", r"got bytes, b'A film'. Decode them first: text.decode\('utf-8'\)"),
            (7, "got 7, of type int"),
            (("A film", "B", "C"), "got a tuple of 3, .*A pair of texts is a tuple of two strings"),
            (["A film", "B"], "got a list of 2, .*A pair of texts is a tuple of two strings"),
            (("A film", None), "got None, a missing value"),
            ("  ", "the text is empty, '  '"),
            ("\u2028\x85", "the text is empty"),
            ("half \ud83d an emoji", r"a lone surrogate, '\\ud83d', at character 5: half of a character"),
            ("\udc80", r"a lone surrogate, '\\udc80', at character 0"),
            (Text("A film", label=-1), "a label is an index from 0 on, or a name; got -1. Many data sets mark"),
            (Text("A film", label=2**40), "got 1099511627776"),
            (Text("A film", label="\ud83d"), "the label has a lone surrogate"),
            (Text("A film", id="\ud83d"), "the id has a lone surrogate"),
            (Text("A film", kind="\ud83d"), "the kind has a lone surrogate"),
            (Text("A film", rationale=((2, 9),)), r"0 ≤ start < end ≤ 6, the text's length.*got \[2, 9\]"),
            (Text("A film", rationale=((-2, 3),)), r"got \[-2, 3\]"),
            (Text("A film", rationale=((3, 3),)), r"got \[3, 3\]"),
            (Text("A film", rationale=((2, 6), (0, 1))), r"sorted and do not overlap; \[0, 1\] comes after"),
            (Text("A film", rationale=((0, 3), (2, 6))), r"\[2, 6\] comes after one that ends at 3"),
            ({"text": "A film", "label": 1.5}, "a label is a whole number from 0 on, or a name; got 1.5"),
            ({"text": "A film", "label": float("inf")}, "got inf"),
            ({"text": "A film", "label": [1]}, r"got \[1\]"),
            ({"text": "A film", "label": {"a": 1}}, "got {'a': 1}"),
            ({"text": "A film", "label": 10**5000}, "got a number of 16610 bits"),
            ({"text": "A film", "label": np.timedelta64(1, "s")}, "a label is a whole number"),
            ({"text": "A film", "id": [1]}, r"the id is a string, or a number of up to 100 digits; got \[1\]"),
            ({"text": "A film", "id": 10**5000}, "the id is a string, or a number of up to 100 digits"),
            ({"text": "A film", "kind": {}}, "the kind is a string"),
            ({"text": "A film", "rationale": 3}, r"a rationale is a list of \[start, end\]; got 3"),
            ({"text": "A film", "rationale": [[0, True]]}, "whole numbers; got"),
            ({"text": "A film", "rationale": [["0", "1"]]}, "whole numbers; got"),
            ({"text": "A film", "rationale": [{"start": 0}]}, "whole numbers; got"),
            ({"words": "A film"}, r"no column is called 'text'.*\['words'\]"),
        ],
    )  # fmt: skip
    def test_an_item_that_is_no_text_is_named_by_its_number(self, item: Any, message: str):
        with pytest.raises(InputError, match=rf"text number 1 \(counting from 0\): .*{message}"):
            list(texts_from(iter(["A film", item])))
        if not isinstance(item, dict):
            with pytest.raises(InputError, match=rf"text number 1 .*{message}"):
                texts_from(["A film", item])  # before anything is consumed

    @pytest.mark.parametrize("value", [None, float("nan"), 5])
    def test_a_row_of_a_table_is_named(self, value: object):
        frame = pd.DataFrame({"text": ["A film", "B", value]}, index=["x", "y", "z"])
        with pytest.raises(InputError, match=r"text number 2 \(counting from 0\) \(row 'z'\): a text is a string; got"):
            texts_from(frame)
        with pytest.raises(InputError, match=r"text number 2 \(counting from 0\): a text is a string; got"):
            texts_from(frame["text"])
        with pytest.raises(InputError, match=r"text number 2 \(counting from 0\): a text is a string; got"):
            texts_from(frame.to_dict("list"))

    def test_a_column_that_does_not_exist(self):
        for data in (FRAME, datasets.Dataset.from_pandas(FRAME), FRAME.to_dict("list"), FRAME.to_dict("records")):
            for name in ("text", "label", "id"):
                with pytest.raises(InputError, match=r"no column 'reviw'; the columns are \['review', 'label', 'id'\]"):
                    texts_from(data, Named(**{name: "reviw"}))
        with pytest.raises(InputError, match="'A film' has no columns to name; leave text_column and the like out"):
            texts_from(["A film"], Named(text="review"))

    def test_an_empty_text_is_an_empty_text_error(self):
        with pytest.raises(EmptyTextError):
            texts_from([""])
