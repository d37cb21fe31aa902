"""Making checkpoints, on a model small enough to train in seconds."""

import json
import random
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
import toys
from transformers import BertConfig, BertForSequenceClassification

from textiba.bottleneck.statistics import load_statistics
from textiba.checkpoints.find import CARD
from textiba.checkpoints.load import load, load_base
from textiba.errors import InputError
from textiba.texts.sources import imdb
from textiba.texts.text import Text
from textiba.training.finetune import choice_of, finetune
from textiba.training.fitting import head_features, train_adapter
from textiba.training.labelled import labelled_texts
from textiba.training.measures import accuracy
from textiba.training.recipe import Recipe

pytestmark = pytest.mark.filterwarnings(
    "ignore::textiba.errors.FewTextsWarning", "ignore::textiba.errors.FreshHeadWarning", "ignore::FutureWarning"
)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A bare model's folder, and IMDB's layout with texts that one word decides."""
    folder = tmp_path_factory.mktemp("world")
    tokenizer = toys.tokenizer()
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(tokenizer), hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64
    )
    BertForSequenceClassification(config).bert.save_pretrained(folder / "base")
    tokenizer.save_pretrained(folder / "base")
    generator = torch.Generator().manual_seed(0)

    def text(cue: str) -> str:
        filler = [toys.FILLER[int(i)] for i in torch.randint(len(toys.FILLER), (8,), generator=generator)]
        return " ".join([*filler[:4], cue, *filler[4:]])

    for split, n in (("train", 200), ("test", 60)):
        rows = [{"text": text(toys.CUES[i % 2]), "label": i % 2} for i in range(n)]
        pq.write_table(pa.Table.from_pylist(rows), folder / f"{split}-00000.parquet")
    return folder / "base", folder


def _recipe(world: tuple[Path, Path], **settings: object) -> Recipe:
    base, data = world
    common = {"base": str(base), "data": str(data), "max_length": 16, "test_limit": 60, "statistics": 50}
    return Recipe(**{**common, **settings})


def test_an_adapter_learns_and_loads_again(world: tuple[Path, Path], tmp_path: Path):
    recipe = _recipe(world, kind="adapter", epochs=10, learning_rate=5e-3, batch_size=16)
    card = finetune(recipe, tmp_path / "adapter")
    assert card["test_accuracy"] > 0.9
    assert card["loss"][0]["loss"] > card["loss"][-1]["loss"]
    model = load(tmp_path / "adapter", 16)
    test = imdb(str(world[1]), "test", 60, recipe.seed)
    assert accuracy(model, test)["test_accuracy"] == card["test_accuracy"]
    load_statistics(tmp_path / "adapter").check(model)
    text = (tmp_path / "adapter" / "README.md").read_text()
    assert f"{card['test_accuracy']:.4f} on" in text
    assert card["sha256"] in text


def test_a_probe_is_the_regression_it_was_fitted_as(world: tuple[Path, Path], tmp_path: Path):
    from sklearn.linear_model import LogisticRegression

    recipe = _recipe(world, kind="probe")
    finetune(recipe, tmp_path / "probe")
    model = load(tmp_path / "probe", 16)
    features, labels = head_features(model, imdb(str(world[1]), "train", None, recipe.seed))
    predicted = model.module.classifier(torch.from_numpy(features)).argmax(dim=1).numpy()
    learnt = (predicted == labels).mean()
    assert learnt >= LogisticRegression(C=1e-4).fit(features, labels).score(features, labels)
    assert learnt > 0.6


def test_a_fresh_head_depends_on_its_seed_only(world: tuple[Path, Path], tmp_path: Path):
    finetune(_recipe(world, kind="fresh"), tmp_path / "a")
    finetune(_recipe(world, kind="fresh"), tmp_path / "b")
    finetune(_recipe(world, kind="fresh", seed=1), tmp_path / "c")
    prints = [load(tmp_path / name).fingerprint for name in "abc"]
    assert prints[0] == prints[1] != prints[2]
    assert '"train_texts": 0' in (tmp_path / "a" / CARD).read_text()


def test_texts_without_labels_are_refused(world: tuple[Path, Path], tmp_path: Path):
    base, tokenizer, _ = load_base(str(world[0]))
    with pytest.raises(InputError, match=r"needs a label \(or a value\) for every text"):
        train_adapter(_recipe(world), [Text("x")], tmp_path, base, tokenizer)


WORDS = ("dreadful", "superb", "film")


def _file(path: Path, count: int, names: Sequence[object], seed: int = 0) -> Path:
    """A file of texts that one word decides, and the label of each; sorted by label, as files often are."""
    draw = random.Random(seed)
    rows = []
    for n in range(count):
        label = n * len(names) // count
        filler = draw.choices(toys.FILLER[6:], k=8)
        rows.append({"comment": " ".join([*filler[:4], WORDS[label], *filler[4:]]), "stars": names[label]})
    frame = pd.DataFrame(rows)
    if path.suffix == ".jsonl":
        frame.to_json(path, orient="records", lines=True)
    elif path.suffix == ".parquet":
        frame.to_parquet(path)
    else:
        frame.to_csv(path, index=False)
    return path


class TestOneFile:
    """A file of the user's own has no test part: a share is held out, or another file is given."""

    @pytest.mark.parametrize(
        ("name", "names"), [("a.csv", ("bad", "good")), ("a.jsonl", (0, 1)), ("a.parquet", ("1", "5"))]
    )
    def test_a_share_is_held_out_and_said(
        self, world: tuple[Path, Path], tmp_path: Path, name: str, names: tuple[object, object]
    ):
        data = _file(tmp_path / name, 80, names)
        recipe = _recipe(world, kind="fresh", data=str(data), **COLUMNS)
        card = finetune(recipe, tmp_path / "made")
        assert card["test_texts"] == 8
        assert card["tested_on"] == f"10% of {data}, held out with seed 0"
        assert card["labels"] == (["negative", "positive"] if name == "a.jsonl" else [str(name) for name in names])
        assert f"8 test texts (10% of {data}, held out with seed 0)" in (tmp_path / "made" / "README.md").read_text()
        assert load(tmp_path / "made", 16).labels == tuple(card["labels"])

    def test_a_probe_learns_three_classes_with_the_data_s_names(self, world: tuple[Path, Path], tmp_path: Path):
        data = _file(tmp_path / "a.csv", 240, ("bad", "good", "other"))
        recipe = _recipe(world, kind="probe", data=str(data), test_share=0.25, **COLUMNS)
        card = finetune(recipe, tmp_path / "probe")
        assert card["test_texts"] == 60
        assert card["test_accuracy"] > 0.6, "chance is a third"
        model = load(tmp_path / "probe", 16)
        assert model.labels == ("bad", "good", "other")
        texts = labelled_texts(choice_of(recipe), None)
        assert accuracy(model, texts.test)["test_accuracy"] == card["test_accuracy"]
        assert accuracy(model, texts.train)["test_accuracy"] != card["test_accuracy"]
        load_statistics(tmp_path / "probe").check(model)

    @pytest.mark.parametrize("classes", [2, 3])
    def test_a_probe_gives_the_regression_s_probabilities(self, world: tuple[Path, Path], tmp_path: Path, classes: int):
        from sklearn.linear_model import LogisticRegressionCV
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler

        data = _file(tmp_path / "a.csv", 90, ("a", "b", "c")[:classes])
        recipe = _recipe(world, kind="probe", data=str(data), **COLUMNS)
        finetune(recipe, tmp_path / "probe")
        model = load(tmp_path / "probe", 16)
        features, labels = head_features(model, labelled_texts(choice_of(recipe), None).train)
        regression = LogisticRegressionCV(Cs=7, cv=3, max_iter=2000, random_state=0)
        wanted = make_pipeline(StandardScaler(), regression).fit(features, labels).predict_proba(features)
        found = model.module.classifier(torch.from_numpy(features)).softmax(dim=1)
        np.testing.assert_allclose(found.detach().numpy(), wanted, atol=2e-3)

    def test_an_adapter_learns_three_classes(self, world: tuple[Path, Path], tmp_path: Path):
        data = _file(tmp_path / "a.jsonl", 240, ("bad", "good", "other"))
        settings = {"epochs": 8, "learning_rate": 5e-3, "batch_size": 16, "test_share": 0.2} | COLUMNS
        card = finetune(_recipe(world, kind="adapter", data=str(data), **settings), tmp_path / "adapter")
        assert card["test_accuracy"] > 0.9
        assert load(tmp_path / "adapter", 16).labels == ("bad", "good", "other")

    def test_a_file_of_test_texts_without_those_of_the_training(self, world: tuple[Path, Path], tmp_path: Path):
        train, test = _file(tmp_path / "a.csv", 40, ("bad", "good")), _file(tmp_path / "b.csv", 20, ("bad", "good"), 1)
        with test.open("a") as file:
            file.writelines(train.read_text().splitlines(keepends=True)[1:4])
        recipe = _recipe(world, kind="fresh", data=str(train), test_data=str(test), **COLUMNS)
        card = finetune(recipe, tmp_path / "made")
        assert (card["test_texts"], card["tested_on"]) == (
            20, f"{test}; 3 of its texts are in the training data too, and were left out",
        )  # fmt: skip
        with pytest.raises(InputError, match="test_data is the training data, .*a share of the data is held out then"):
            finetune(recipe.model_copy(update={"test_data": str(train)}), tmp_path / "same")
        shutil.copy(train, tmp_path / "copy.csv")
        with pytest.raises(InputError, match="every text of .*copy.csv is in .*a.csv too"):
            finetune(recipe.model_copy(update={"test_data": str(tmp_path / "copy.csv")}), tmp_path / "same")

    def test_a_base_with_a_head_of_its_own(self, world: tuple[Path, Path], tmp_path: Path):
        own = toys.classifier(labels=2)
        own.config.id2label = {0: "bad", 1: "good"}
        own.save_pretrained(tmp_path / "base")
        toys.tokenizer().save_pretrained(tmp_path / "base")
        kept = _recipe(world, base=str(tmp_path / "base"), kind="fresh", **COLUMNS)
        for name, names, wanted in (
            ("a.csv", ("good", "Bad"), ("bad", "good")),  # the same classes in another order and spelling
            ("b.csv", ("ham", "spam"), ("ham", "spam")),
            ("c.csv", ("bad", "good", "other"), ("bad", "good", "other")),
        ):
            data = _file(tmp_path / name, 60, names)
            finetune(kept.model_copy(update={"data": str(data)}), tmp_path / f"made {name}")
            made = load(tmp_path / f"made {name}", 16)
            assert made.labels == wanted
            alike = made.n_labels == 2 and torch.equal(made.module.classifier.weight, own.classifier.weight)
            assert alike == (name == "a.csv"), "a head for other classes is a fresh one"

    def test_a_probe_says_which_class_has_too_few_texts(self, world: tuple[Path, Path], tmp_path: Path):
        path = tmp_path / "a.csv"
        path.write_text("text,label\n" + "".join(f"the film {i},{'x' if i else 'rare'}\n" for i in range(20)))
        with pytest.raises(InputError, match="3 training texts of each class; there are 1 of 'rare'"):
            finetune(_recipe(world, kind="probe", data=str(path)), tmp_path / "probe")


COLUMNS = {"text_column": "comment", "label_column": "stars"}


def test_a_tokenizer_without_a_padding_token(world: tuple[Path, Path], tmp_path: Path):
    base = tmp_path / "base"
    shutil.copytree(world[0], base)
    settings = json.loads((base / "tokenizer_config.json").read_text())
    (base / "tokenizer_config.json").write_text(json.dumps(settings | {"pad_token": None}))
    assert load_base(str(base), warn=False)[1].pad_token is None
    data = _file(tmp_path / "a.csv", 40, ("bad", "good"))
    for kind in ("adapter", "probe"):
        recipe = _recipe(world, kind=kind, base=str(base), data=str(data), epochs=1, **COLUMNS)
        assert 0 <= finetune(recipe, tmp_path / kind)["test_accuracy"] <= 1
