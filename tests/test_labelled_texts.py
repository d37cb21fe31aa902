"""Labelled texts of a user's file are split into training and test, and their classes have names."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from textiba.errors import InputError
from textiba.texts.columns import Named
from textiba.training.labelled import Choice, class_names, labelled_texts


class TestLabelledTexts:
    """Which texts are for training, which for the test, and what the classes are."""

    def choice(self, path: Path, **changes: Any) -> Choice:
        settings = {"test_data": None, "test_share": 0.1, "labels": (), "limit": None, "test_limit": None, "seed": 0}
        return Choice(data=str(path), named=Named(), **(settings | changes))

    def test_the_split_keeps_each_class_s_share_and_no_text_twice(self, tmp_path: Path):
        rows = [{"text": f"text {i}", "label": "rare" if i % 10 == 0 else "often"} for i in range(100)]
        path = tmp_path / "a.jsonl"
        path.write_text("".join(json.dumps(row) + "\n" for row in rows * 2))
        found = labelled_texts(self.choice(path, test_share=0.2), None)
        assert Counter(text.label for text in found.test) == {0: 18, 1: 2}
        assert Counter(text.label for text in found.train) == {0: 72, 1: 8}
        assert not {text.text for text in found.test} & {text.text for text in found.train}
        again, other = (labelled_texts(self.choice(path, test_share=0.2, seed=seed), None) for seed in (0, 1))
        assert again == found
        assert {text.text for text in other.test} != {text.text for text in found.test}
        few = labelled_texts(self.choice(path, test_share=0.2, limit=7, test_limit=3), None)
        assert (few.train, few.test) == (found.train[:7], found.test[:3])

    def test_a_class_of_one_text_is_for_training_and_of_two_for_both(self, tmp_path: Path):
        path = tmp_path / "a.csv"
        path.write_text("text,label\nA,x\nB,y\nC,y\nD,z\nE,z\n")
        found = labelled_texts(self.choice(path), None)
        assert sorted(Counter(text.label for text in found.train).items()) == [(0, 1), (1, 1), (2, 1)]
        assert sorted(Counter(text.label for text in found.test).items()) == [(1, 1), (2, 1)]

    @pytest.mark.parametrize(
        ("content", "message"),
        [
            ("text,label\nA,x\nB,x\nC,\nD,y\n", "needs a label for every text; a-3 has none"),
            ("text,label\nA,x\nB,x\n", r"at least two classes; the labels are \['x'\]"),
            ("text\nA\nB\n", "needs a label for every text; a-[12] has none"),
            (
                "text,label\nA,0\nB,2\nC,0\nD,2\n",
                r"class indices, 0 to .*the labels are \[0, 2\]. Write them as strings",
            ),
            ("text,label\nA,Good\nB,good\nC,good\n", r"differ by upper and lower case alone; .*\['Good', 'good'\]"),
            ("text,label\nA,x\nB,y\n", "2 texts are too few to hold any out for the test; name a file of test texts"),
        ],
    )
    def test_data_that_cannot_be_used(self, tmp_path: Path, content: str, message: str):
        (tmp_path / "a.csv").write_text(content)
        with pytest.raises(InputError, match=message):
            labelled_texts(self.choice(tmp_path / "a.csv"), None)

    @pytest.mark.parametrize(
        ("found", "given", "own", "wanted"),
        [
            ({0, 1}, (), None, ("negative", "positive")),
            ({0, 1, 2}, (), None, ("0", "1", "2")),
            ({"spam", "ham"}, (), None, ("ham", "spam")),
            ({"10", "9", "1"}, (), None, ("1", "9", "10")),
            ({"True", "False"}, (), None, ("False", "True")),
            ({0, 1}, ("no", "yes"), None, ("no", "yes")),
            ({0, 1}, (), ("no", "yes", "maybe"), ("no", "yes", "maybe")),
            ({"YES", "no"}, (), ("no", "yes"), ("no", "yes")),
            ({"spam", "no"}, (), ("no", "yes"), ("no", "spam")),
        ],
    )
    def test_class_names(
        self, found: set[int | str], given: tuple[str, ...], own: tuple[str, ...] | None, wanted: tuple[str, ...]
    ):
        assert class_names(found, given, own) == wanted

    def test_names_and_indices_do_not_mix(self):
        with pytest.raises(InputError, match=r"all names or all class indices; the labels are \[0, 'x'\]"):
            class_names({0, "x"}, (), None)
        with pytest.raises(InputError, match=r"labels names at least two classes; got \['x'\]"):
            class_names({0}, ("x",), None)
