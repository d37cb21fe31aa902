"""Fine-tuning on other tasks than the class of one text: pairs, and values."""

import random
from pathlib import Path
from typing import Any

import pandas
import pytest
import toys

import textiba
from textiba.errors import InputError, SettingError
from textiba.model.outcomes import Above
from textiba.texts.text import Text
from textiba.training.finetune import correlations, finetune
from textiba.training.recipe import Recipe

pytestmark = pytest.mark.filterwarnings(
    "ignore::textiba.errors.FewTextsWarning", "ignore::textiba.errors.FreshHeadWarning", "ignore::FutureWarning"
)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("base")
    toys.classifier(labels=2, initializer_range=0.02, biases=False).bert.save_pretrained(folder)
    toys.tokenizer().save_pretrained(folder)
    return folder


def pairs(count: int, folder: Path, name: str) -> Path:
    """Pairs whose second text alone decides: by its cue the class, by the number of its cues the value."""
    draw = random.Random(count)
    rows = []
    for n in range(count):
        cues = n % 4
        words = [*draw.choices(toys.FILLER, k=6 - cues), *["superb"] * cues]
        draw.shuffle(words)
        one, label = draw.choices(toys.FILLER, k=5), "many" if cues > 1 else "few"
        rows.append({"one": " ".join(one), "two": " ".join(words), "y": label, "z": cues / 3})
    path = folder / name
    pandas.DataFrame(rows).to_parquet(path)
    return path


def recipe(base: Path, folder: Path, **settings: Any) -> Recipe:
    common: dict[str, Any] = {
        "base": str(base), "data": str(pairs(320, folder, "train.parquet")), "text_column": "one", "pair_column": "two",
        "test_data": str(pairs(81, folder, "test.parquet")), "max_length": 24, "epochs": 6, "learning_rate": 5e-3,
        "statistics": 50,
    }  # fmt: skip
    return Recipe(**{**common, **settings})


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
    ],
)
def test_settings_that_do_not_go_together(settings: dict[str, Any], message: str):
    with pytest.raises(SettingError, match=message):
        Recipe(**settings)
