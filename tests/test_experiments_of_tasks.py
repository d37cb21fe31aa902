"""The experiments on emotions and tags run on small data, and their accounts say what their results say."""

import copy
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import pytest
import torch
import toys
from test_experiments import NUMBER, _forms, _numbers
from transformers import AutoModelForTokenClassification

import textiba
from experiments.emotions import two_emotions
from experiments.emotions.bag_of_words import best_threshold, f1, hot
from experiments.study import ROOT
from experiments.tags import bag_of_words, context
from textiba.bottleneck.statistics import estimate_statistics
from textiba.model.outcomes import Above
from textiba.model.places import Tag
from textiba.model.view import Model
from textiba.texts.text import Text
from textiba.training.measures import tag_sequences

pytestmark = pytest.mark.filterwarnings("ignore::textiba.errors.FewTextsWarning")
FOLDERS = ("emotions", "tags")


@pytest.mark.parametrize("name", FOLDERS)
def test_every_number_with_decimals_in_an_account_is_in_its_results(name: str):
    values = [json.loads(path.read_text("utf-8")) for path in (ROOT / name).rglob("*.json")]
    known = {form for value in _numbers(values) for form in _forms(value)}
    readme = re.sub(r"```.*?```|`[^`]*`|\]\([^)]*\)", " ", (ROOT / name / "README.md").read_text("utf-8"), flags=re.S)
    told = [number.replace("−", "-") for number in NUMBER.findall(readme) if "." in number or "," in number]
    assert told
    assert [number for number in told if number not in known] == []


@pytest.mark.parametrize("name", FOLDERS)
def test_an_account_shows_its_figures_and_the_adapter_fits_its_card(name: str):
    readme = (ROOT / name / "README.md").read_text("utf-8")
    figures = list((ROOT / name).glob("*.png"))
    assert figures
    for figure in figures:
        assert f"]({figure.name})" in readme
    assert json.loads((ROOT / name / "model/card.json").read_text("utf-8"))["recipe"]["task"] in ("labels", "tags")


def test_two_emotions_are_compared(tmp_path: Path):
    model = Model(toys.classifier(labels=3, problem_type="multi_label_classification"), toys.tokenizer())
    rows = [
        {"text": text, "labels": [n % 3, (n + 1) % 3]} for n, text in enumerate(toys.texts(6, shortest=9, longest=9))
    ]
    for part in ("test", "validation"):
        pandas.DataFrame(rows).to_parquet(tmp_path / f"{part}.parquet")
    statistics = estimate_statistics(model, [model.forward(b) for b in model.batches(model.tokenize(toys.texts(20)))])
    found = two_emotions.answer(model, statistics, tmp_path, tmp_path, limit=5)
    assert found["texts"] == 5
    assert found.keys() == json.loads((ROOT / "emotions" / "result.json").read_text("utf-8")).keys()
    assert (tmp_path / "two_emotions.png").is_file()


def test_words_of_a_context_are_removed(tmp_path: Path):
    names = {0: "B-place", 1: "B-person", 2: "O"}
    config = copy.deepcopy(toys.CONFIGS["bert"])
    config.id2label, config.label2id = names, {name: index for index, name in names.items()}
    torch.manual_seed(0)
    model = Model(AutoModelForTokenClassification.from_config(config), toys.tokenizer(), outcome=Tag(word=0))
    texts = toys.texts(6, shortest=9, longest=9)
    statistics = estimate_statistics(model, [model.forward(b) for b in model.batches(model.tokenize(texts))])
    _, predicted = tag_sequences(model, [Text(text, tags=(0,) * 9) for text in texts])
    rows = [{"tokens": text.split(), "ner_tags": tags} for text, tags in zip(texts, predicted, strict=True)]
    pandas.DataFrame(rows).to_parquet(tmp_path / "test.parquet")
    found = context.answer(model, statistics, str(tmp_path), tmp_path, limit=5)
    committed = json.loads((ROOT / "tags" / "result.json").read_text("utf-8"))
    assert found["all"].keys() == committed["all"].keys()
    assert found["all"]["entities"] == 5
    assert (tmp_path / "context.png").is_file()


def test_agreement_by_hand():
    one, other = np.array([1.0, 2.0, 3.0, 4.0]), np.array([10.0, 20.0, 40.0, 30.0])
    assert two_emotions.correlation(one, one) == pytest.approx(1.0)
    assert two_emotions.correlation(one, -one) == pytest.approx(-1.0)
    assert two_emotions.correlation(one, other) == pytest.approx(0.8)
    assert two_emotions.correlation(one, np.ones(4)) == 0.0
    assert two_emotions.shared_top(one, one) == pytest.approx(1 - 1 / 4)
    assert two_emotions.shared_top(one, other) == pytest.approx(-1 / 4)


def test_the_threshold_is_the_one_with_the_best_micro_f1():
    gold, odds = hot([[0], [1], [0, 1]], 2), np.array([[-1.0, -2.5], [-2.5, -1.0], [-1.0, -1.0]])
    threshold = best_threshold(gold, odds)
    assert -2.5 <= threshold < -1
    assert f1(gold, odds, threshold) == {"micro": 1.0, "macro": 1.0}
    assert f1(gold, odds, 0.0) == {"micro": 0.0, "macro": 0.0}


def test_the_baselines_of_tags_learn_a_word():
    data = [(["we", "saw", "Rome"], ["O", "O", "B-place"]), (["Rome", "is", "far"], ["B-place", "O", "O"])] * 20
    assert bag_of_words.most_frequent(data, data) == 1.0
    assert bag_of_words.regression(data, data, data, shape=True) == 1.0


@pytest.mark.parametrize(
    ("name", "outcome", "text"),
    [
        ("nli", None, ("Two dogs run on the beach.", "The dogs are asleep.")),
        ("similarity", Above(threshold=2.5), ("A man plays a guitar.", "Somebody makes music.")),
        ("emotions", None, "Thank you so much!"),
        ("tags", Tag(word=1), "In Lisbon it rains."),
        ("documents", None, "The jury said on Friday that the election had been fair."),
    ],
)
def test_each_committed_adapter_loads_and_is_at_most_a_megabyte(name: str, outcome: Any, text: Any):
    folder = ROOT / name / "model"
    assert (folder / "adapter_model.safetensors").stat().st_size <= 1_000_000
    model = textiba.load(folder, outcome=outcome)
    [found] = textiba.explain(model, textiba.Evidence(nodes=2), [text], textiba.load_statistics(folder))
    assert np.isfinite(found.total)
