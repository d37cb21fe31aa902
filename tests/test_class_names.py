"""The names that a data set has for its classes: they count before the indices, which need not be the model's."""

from pathlib import Path
from typing import Any

import datasets
import pytest
import toys

import textiba
from textiba.errors import InputError
from textiba.model.view import Model
from textiba.texts.columns import Named
from textiba.texts.inputs import texts_from
from textiba.texts.labels import _moved, resolve_labels
from textiba.texts.sources import read_texts
from textiba.training.labelled import Choice, labelled_texts

NAMES = ["contradiction", "entailment", "neutral"]  # alphabetical; the model's order is another
OWN = ("entailment", "neutral", "contradiction")


def table(names: list[str] = NAMES, labels: tuple[int | None, ...] = (0, 1, 2, 1, 2, 0)) -> datasets.Dataset:
    features = datasets.Features({"text": datasets.Value("string"), "label": datasets.ClassLabel(names=names)})
    texts = [f"a dog number {i}" for i in range(len(labels))]
    return datasets.Dataset.from_dict({"text": texts, "label": list(labels)}, features=features)


def model() -> Model:
    names = {"id2label": dict(enumerate(OWN)), "label2id": {name: i for i, name in enumerate(OWN)}}
    return Model(toys.classifier(**names), toys.tokenizer())


@pytest.mark.parametrize("stored", [False, True])
def test_labels_are_the_models_class_of_the_same_name(stored: bool, tmp_path: Path):
    data = table()
    data.to_parquet(tmp_path / "data.parquet")
    texts = read_texts(tmp_path / "data.parquet") if stored else texts_from(data)
    assert [text.label for text in resolve_labels(texts, OWN)] == [2, 0, 1, 0, 1, 2]
    again = resolve_labels(resolve_labels(texts, OWN), OWN)
    assert [text.label for text in again] == [2, 0, 1, 0, 1, 2], "to do it twice changes nothing"


def test_the_gold_class_is_explained():
    found = textiba.explain(model(), textiba.Random(), table(), target="gold")
    assert [a.target for a in found] == [2, 0, 1, 0, 1, 2]


@pytest.mark.parametrize(
    "names",
    [
        ["a", "b", "c"],
        ["contradiction", "entailment", "other"],
        ["neutral", "Neutral", "entailment"],  # two classes of the data set would be one of the model's
    ],
)
def test_other_names_leave_the_indices(names: list[str]):
    assert [text.label for text in resolve_labels(texts_from(table(names)), OWN)] == [0, 1, 2, 1, 2, 0]


def test_upper_and_lower_case_do_not_matter():
    assert [t.label for t in resolve_labels(texts_from(table([name.upper() for name in NAMES])), OWN)][:2] == [2, 0]


def test_a_data_set_may_have_fewer_classes_than_the_model():
    texts = texts_from(table(["contradiction", "entailment"], (0, 1, 1)))
    assert [text.label for text in resolve_labels(texts, OWN)] == [2, 0, 0]


def test_a_text_without_a_label_stays_without():
    texts = texts_from(table(labels=(0, None, 1)))
    assert [text.label for text in resolve_labels(texts, OWN)] == [2, None, 0]


def test_an_index_beyond_the_data_set_s_own_names_is_refused():
    # Of one text: the type checks of the tests read some text of a table, and would raise in the middle of their check.
    with pytest.raises(InputError, match="text 'data-3': label 3 is none of the data set's 3 classes"):
        _moved(textiba.Text("a dog", 3, id="data-3"), [2, 0, 1])


def test_no_class_of_the_model():
    with pytest.raises(InputError, match="a label is an index from 0 to 1"):
        resolve_labels(texts_from(table(["a", "b", "c"])), ("negative", "positive"))


def test_fine_tuning_takes_the_names(tmp_path: Path):
    table(labels=(0, 1, 2) * 10).to_parquet(tmp_path / "data.parquet")
    choice = Choice(str(tmp_path / "data.parquet"), None, 0.2, Named(), (), None, None, 0)
    found = labelled_texts(choice, None)
    assert found.labels == tuple(NAMES)
    moved = labelled_texts(choice, OWN)
    assert moved.labels == OWN
    by_text = {text.text: text.label for text in (*found.train, *found.test)}
    for text in (*moved.train, *moved.test):
        own, given = text.label, by_text[text.text]
        assert isinstance(own, int)
        assert isinstance(given, int)
        assert OWN[own] == NAMES[given]


@pytest.mark.parametrize("own", [None, ("LABEL_0", "LABEL_1", "LABEL_2")])
@pytest.mark.parametrize("given", [(), ("one", "two", "three")])
def test_other_names_that_are_known_are_of_the_indices(given: tuple[str, ...], own: Any, tmp_path: Path):
    table(labels=(0, 1, 2) * 10).to_parquet(tmp_path / "data.parquet")
    found = labelled_texts(Choice(str(tmp_path / "data.parquet"), None, 0.2, Named(), given, None, None, 0), own)
    assert found.labels == (given or own or tuple(NAMES))
    indices = {f"a dog number {i}": i % 3 for i in range(30)}
    assert all(text.label == indices[text.text] for text in (*found.train, *found.test))
