"""A label, by index or by name, becomes a class of the model, or is refused with the text that has it."""

import datasets
import pytest

from textiba.errors import InputError
from textiba.texts.inputs import texts_from
from textiba.texts.labels import class_index, resolve_labels
from textiba.texts.tables import Rows
from textiba.texts.text import Text


class TestLabels:
    """Names become indices of the model's classes, and no index names a class that is not meant."""

    names = ("negative", "neutral", "Positive")

    @pytest.mark.parametrize(
        ("label", "index"),
        [(0, 0), (2, 2), ("negative", 0), ("NEUTRAL", 1), ("positive", 2), ("Positive", 2), ("1", 1), ("2.0", 2)],
    )
    def test_a_label_is_an_index_or_a_name(self, label: int | str, index: int):
        assert class_index(label, self.names) == index
        [found] = resolve_labels([Text("A film", label)], self.names)
        assert found.label == index
        assert type(found.label) is int

    @pytest.mark.parametrize(
        ("label", "message"),
        [
            (-1, "an index from 0 to 2, or a name of 0 'negative', 1 'neutral', 2 'Positive'; got -1"),
            (3, "got 3"),
            (10**30, "got 10000"),
            ("good", "a class of the model, 0 'negative', 1 'neutral', 2 'Positive'; got 'good'"),
            ("-1", "an index from 0 to 2.*got -1"),
            ("3", "an index from 0 to 2.*got 3"),
            ("1.5", "got '1.5'"),
            ("9" * 30, "got '999"),
            ("", "got ''"),
        ],
    )
    def test_a_label_that_is_no_class(self, label: int | str, message: str):
        with pytest.raises(InputError, match=rf"text number 1 \(counting from 0; x\): a label is .*{message}"):
            resolve_labels([Text("A film", 0), Text("B", label, id="x")], self.names)

    def test_names_that_are_numbers_are_names_first(self):
        stars = ("1", "2", "3", "4", "5")
        assert [class_index(name, stars) for name in stars] == [0, 1, 2, 3, 4]
        assert class_index(1, stars) == 1
        assert class_index("0", stars) == 0
        with pytest.raises(InputError, match="got 5. To mean the class named '5', write the label as a string"):
            class_index(5, stars)

    @pytest.mark.parametrize(
        ("label", "names"), [("x", ("x", "x")), ("Good", ("good", "GOOD")), ("STRASSE", ("strasse", "straße"))]
    )
    def test_a_name_of_two_classes_is_ambiguous(self, label: str, names: tuple[str, ...]):
        with pytest.raises(InputError, match=r"names the classes \[0, 1\] alike; give the index instead"):
            class_index(label, names)
        assert class_index(1, names) == 1

    def test_truth_values_are_classes_of_two(self):
        assert [class_index(name, ("LABEL_0", "LABEL_1")) for name in ("False", "true", "TRUE")] == [0, 1, 1]
        assert [class_index(name, ("true", "false")) for name in ("False", "True")] == [1, 0]
        with pytest.raises(InputError, match="got 'True'"):
            class_index("True", self.names)

    def test_lists_are_checked_whole_rows_stay_lazy_and_streams_are_streamed(self):
        with pytest.raises(InputError, match="text number 2 "):
            resolve_labels([Text("A"), Text("B", 1), Text("C", 5)], self.names)
        table = datasets.Dataset.from_dict({"text": ["A", "B"], "label": ["positive", None]})
        rows = resolve_labels(texts_from(table), self.names)
        assert isinstance(rows, Rows)
        assert [t.label for t in rows] == [2, None]
        bad = datasets.Dataset.from_dict({"text": ["A", "B"], "label": ["positive", "bad"]})
        with pytest.raises(InputError, match="text number 1 .*got 'bad'"):
            resolve_labels(texts_from(bad), self.names)
        stream = iter(resolve_labels(iter([Text("A", "neutral"), Text("B", "bad")]), self.names))
        assert next(stream).label == 1
        with pytest.raises(InputError, match="text number 1 .*got 'bad'"):
            next(stream)

    def test_indices_stay_as_they_are(self):
        texts = [Text("A", 1), Text("B")]
        once = list(resolve_labels(texts, ("1", "0")))
        assert once == texts == list(resolve_labels(once, ("1", "0")))
