"""Fine-tuning on other tasks than the class of one text: pairs, values, and several labels."""

import random
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import pytest
import toys
from finetunes import Rows, make_base, recipe, small_recipe
from sklearn.metrics import f1_score

import textiba
from textiba.bottleneck.statistics import load_statistics
from textiba.checkpoints.load import ADAPTER, load_base
from textiba.errors import InputError, SettingError
from textiba.model.outcomes import Above, Label, Labels
from textiba.texts.text import Text
from textiba.training.finetune import choice_of, finetune
from textiba.training.fitting import start_at_shares
from textiba.training.labelled import labelled_texts
from textiba.training.measures import correlations, label_f1
from textiba.training.recipe import Recipe

pytestmark = pytest.mark.filterwarnings(
    "ignore::textiba.errors.FewTextsWarning", "ignore::textiba.errors.FreshHeadWarning", "ignore::FutureWarning"
)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_base(tmp_path_factory.mktemp("base"))


def test_a_classifier_of_pairs_learns_and_loads_again(base: Path, tmp_path: Path):
    card = finetune(recipe(base, tmp_path, label_column="y"), tmp_path / "out")
    assert card["test_accuracy"] > 0.9, "the first text says nothing"
    assert card["labels"] == ["few", "many"]
    model = textiba.load(tmp_path / "out")
    [a] = textiba.explain(
        model, textiba.Occlusion(), [("the film was superb", "a superb dog of superb men")], target="many"
    )
    best = max(a.words(), key=lambda word: word.score)
    assert (best.text, best.part) == ("superb", "pair")


def test_a_regression_learns_and_loads_again(base: Path, tmp_path: Path):
    card = finetune(recipe(base, tmp_path, task="value", value_column="z"), tmp_path / "out")
    assert card["test_pearson"] > 0.8
    assert "test_accuracy" not in card
    model = textiba.load(tmp_path / "out")
    assert isinstance(model.outcome, Above)
    assert model.module.config.problem_type == "regression"
    texts = [Text("a dog", pair="a man", value=0.0), Text("a dog", pair="superb superb superb", value=1.0)]
    found = correlations(model, texts)
    assert found["test_pearson"] == pytest.approx(1.0)
    assert "pearson, spearman" in (tmp_path / "out" / "README.md").read_text("utf-8")


def test_a_value_is_a_number_of_every_text(base: Path, tmp_path: Path):
    rows = [{"text": "a dog", "z": 0.5}, {"text": "a man", "z": None}]
    pandas.DataFrame(rows).to_json(tmp_path / "a.jsonl", orient="records", lines=True)
    common: dict[str, Any] = {
        "base": str(base),
        "data": str(tmp_path / "a.jsonl"),
        "task": "value",
        "value_column": "z",
    }
    with pytest.raises(InputError, match="a regression needs a value for every text"):
        finetune(Recipe(**common), tmp_path / "out")
    (tmp_path / "c.csv").write_text("text,z\n" + "".join(f"a dog {i},0.5\n" for i in range(20)))
    with pytest.raises(InputError, match="at least two different values"):
        finetune(Recipe(**{**common, "data": str(tmp_path / "c.csv")}), tmp_path / "out")  # type: ignore[arg-type]
    (tmp_path / "b.csv").write_text("text,z\na dog,high\n")
    common["data"] = str(tmp_path / "b.csv")
    with pytest.raises(InputError, match="row 1 .*a value is a finite number; got 'high'"):
        finetune(Recipe(**common), tmp_path / "out")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"task": "value"}, "task: value and value_column belong together"),
        ({"value_column": "z"}, "task: value and value_column belong together"),
        ({"task": "value", "value_column": "z", "kind": "probe"}, "a probe is a classifier"),
        ({"task": "labels", "kind": "probe"}, "for task: labels use kind: adapter"),
        ({"task": "tags", "kind": "probe"}, "for task: tags use kind: adapter"),
        ({"task": "tags", "value_column": "z"}, "task: value and value_column belong together"),
        ({"max_length": 24, "windows": {"stride": 24}}, "windows of 24 tokens share fewer than 24; got stride 24"),
    ],
)
def test_settings_that_do_not_go_together(settings: dict[str, Any], message: str):
    with pytest.raises(SettingError, match=message):
        Recipe(**settings)


def emotions(count: int) -> Rows:
    """Texts with two independent labels: each of two cues, which may both occur, gives one."""
    draw = random.Random(count)
    rows = []
    for n in range(count):
        held = [cue for i, cue in enumerate(toys.CUES) if n >> i & 1]
        words = [*draw.choices(toys.FILLER, k=6), *held]
        draw.shuffle(words)
        rows.append({"text": " ".join(words), "labels": held})
    return rows


def of_labels(base: Path, folder: Path, **settings: Any) -> Recipe:
    return small_recipe(base, folder, emotions, suffix=".jsonl", task="labels", **settings)


def test_a_multi_label_classifier_learns_and_loads_again(base: Path, tmp_path: Path):
    asked = of_labels(base, tmp_path, saved_as="float16")
    card = finetune(asked, tmp_path / "out")
    assert card["labels"] == ["dreadful", "superb"]
    assert card["test_f1_micro"] > 0.95
    model = textiba.load(tmp_path / "out")
    assert isinstance(model.outcome, Labels)
    assert model.module.config.problem_type == "multi_label_classification"
    test = labelled_texts(choice_of(asked), None).test
    measured = {name: value for name, value in card.items() if name.startswith("test_f1")}
    assert label_f1(model, test) == measured, "the figures are those of the saved numbers"
    assert "f1 micro, f1 macro" in (tmp_path / "out" / "README.md").read_text("utf-8")
    load_statistics(tmp_path / "out").check(model)
    one = textiba.load(tmp_path / "out", outcome=Label(label="superb"))
    [a] = textiba.explain(one, textiba.Occlusion(), ["the dreadful film was superb"], target=1)
    assert max(a.words(), key=lambda word: word.score).text == "superb"


def test_an_adapter_in_float16_has_half_the_size(base: Path, tmp_path: Path):
    sizes = []
    for kind in ("float32", "float16"):
        finetune(of_labels(base, tmp_path, saved_as=kind, epochs=0.1), tmp_path / kind)
        sizes.append((tmp_path / kind / ADAPTER).stat().st_size)
    assert sizes[1] < 0.7 * sizes[0]


def test_the_f1_of_labels_is_that_of_scikit_learn(base: Path, tmp_path: Path):
    asked = of_labels(base, tmp_path, kind="fresh")
    finetune(asked, tmp_path / "out")
    model = textiba.load(tmp_path / "out")
    texts = labelled_texts(choice_of(asked), None).test
    gold = np.array([[k in (text.labels or ()) for k in range(2)] for text in texts])
    held = np.concatenate([(model.logits(model.collate([t])) > 0).numpy() for t in model.tokenize(texts)])
    found = label_f1(model, texts)
    for mean in ("micro", "macro"):
        assert found[f"test_f1_{mean}"] == pytest.approx(f1_score(gold, held, average=mean))


def test_a_fresh_head_begins_with_the_share_of_each_label(base: Path, tmp_path: Path):
    asked = of_labels(base, tmp_path, kind="fresh")
    finetune(asked, tmp_path / "out")
    train = labelled_texts(choice_of(asked), None).train
    shares = [sum(k in (text.labels or ()) for text in train) / len(train) for k in range(2)]
    bias = textiba.load(tmp_path / "out").module.classifier.bias
    assert bias.sigmoid().tolist() == pytest.approx(shares, abs=0.01)
    module, _, _ = load_base(str(base), labels=("a", "b", "never"), problem="multi_label_classification")
    start_at_shares(module, [Text("x", labels=(0, 1)), Text("y", labels=(1,))])
    held = np.array([1.5, 2.5, 0.5])
    np.testing.assert_allclose(module.classifier.bias.detach().numpy(), np.log(held / (3 - held)), rtol=1e-6)


def test_several_labels_need_a_list_in_every_row(base: Path, tmp_path: Path):
    path = tmp_path / "a.jsonl"
    path.write_text('{"text": "a dog", "labels": ["x"]}\n{"text": "a man", "labels": null}\n')
    with pytest.raises(InputError, match=r"needs a list of labels for every text; .*a.jsonl:2 has none; an empty list"):
        finetune(of_labels(base, tmp_path, data=str(path)), tmp_path / "out")
    path.write_text("".join(f'{{"text": "a dog {n}", "labels": [{n % 2}]}}\n' for n in range(20)))
    found = labelled_texts(choice_of(of_labels(base, tmp_path, data=str(path), test_data=None)), None)
    assert found.labels == ("0", "1"), "two labels that are not exclusive are no negative and positive"
