"""Fine-tuning on other tasks than the class of one text: pairs, values, several labels, and tags."""

import random
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import pytest
import torch
import toys
from commands import command
from sklearn.metrics import f1_score

import textiba
from textiba.bottleneck.statistics import load_statistics
from textiba.checkpoints.load import ADAPTER, load_base
from textiba.errors import InputError, SettingError
from textiba.model.outcomes import Above, Label, Labels
from textiba.model.places import Tag
from textiba.texts.text import Text
from textiba.texts.tokenizing import tokenize
from textiba.texts.windows import Windows
from textiba.training.examples import examples, token_tags
from textiba.training.finetune import choice_of, finetune
from textiba.training.fitting import start_at_shares
from textiba.training.labelled import labelled_texts
from textiba.training.measures import correlations, label_f1, tag_measures, tag_sequences
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
        ({"task": "labels", "kind": "probe"}, "for task: labels use kind: adapter"),
        ({"task": "tags", "kind": "probe"}, "for task: tags use kind: adapter"),
        ({"task": "tags", "value_column": "z"}, "task: value and value_column belong together"),
        ({"max_length": 24, "windows": {"stride": 24}}, "windows of 24 tokens share fewer than 24; got stride 24"),
    ],
)
def test_settings_that_do_not_go_together(settings: dict[str, Any], message: str):
    with pytest.raises(SettingError, match=message):
        Recipe(**settings)


def emotions(count: int, folder: Path, name: str) -> Path:
    """Texts with two independent labels: each of two cues, which may both occur, gives one."""
    draw = random.Random(count)
    rows = []
    for n in range(count):
        held = [cue for i, cue in enumerate(toys.CUES) if n >> i & 1]
        words = [*draw.choices(toys.FILLER, k=6), *held]
        draw.shuffle(words)
        rows.append({"text": " ".join(words), "labels": held})
    path = folder / name
    pandas.DataFrame(rows).to_json(path, orient="records", lines=True)
    return path


def of_labels(base: Path, folder: Path, **settings: Any) -> Recipe:
    common: dict[str, Any] = {
        "task": "labels", "base": str(base), "data": str(emotions(320, folder, "train.jsonl")),
        "test_data": str(emotions(81, folder, "test.jsonl")), "max_length": 24, "epochs": 6, "learning_rate": 5e-3,
        "statistics": 50,
    }  # fmt: skip
    return Recipe(**{**common, **settings})


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


def tagged(count: int, folder: Path, name: str) -> Path:
    """Sentences in which a cue names a thing, of two tokens if another cue follows."""
    draw = random.Random(count)
    rows = []
    for n in range(count):
        tokens = [*draw.choices(toys.FILLER, k=3), "superb", *["dreadful"] * (n % 2), *draw.choices(toys.FILLER, k=3)]
        tokens[0] = tokens[0] + "."  # a word of its own for the tokenizer
        tags = {"superb": "B-thing", "dreadful": "I-thing"}
        rows.append({"tokens": tokens, "ner_tags": [tags.get(token, "O") for token in tokens]})
    path = folder / name
    pandas.DataFrame(rows).to_parquet(path)
    return path


def of_tags(base: Path, folder: Path, **settings: Any) -> Recipe:
    common: dict[str, Any] = {
        "task": "tags", "base": str(base), "data": str(tagged(160, folder, "train.parquet")),
        "test_data": str(tagged(41, folder, "test.parquet")), "max_length": 24, "epochs": 6, "learning_rate": 5e-3,
        "statistics": 50,
    }  # fmt: skip
    return Recipe(**{**common, **settings})


def test_a_tagger_learns_and_loads_again(base: Path, tmp_path: Path):
    asked = of_tags(base, tmp_path)
    card = finetune(asked, tmp_path / "out")
    assert card["labels"] == ["B-thing", "I-thing", "O"]
    assert card["test_entity_f1"] > 0.9
    model = textiba.load(tmp_path / "out", outcome=Tag(word=4))
    load_statistics(tmp_path / "out").check(model)
    test = labelled_texts(choice_of(asked), None).test
    assert tag_measures(model, test) == {name: card[name] for name in ("test_tag_accuracy", "test_entity_f1")}
    text = "the. film plot superb the film dog"
    [a] = textiba.explain(model, textiba.Occlusion(), [text])
    assert model.labels[a.predicted] == "B-thing"
    answer = command("explain", text, "-c", tmp_path / "out", "--tag", "4:B-thing", "-m", "occlusion")
    assert answer.code == 0, answer.err
    assert "B-thing" in answer.out


def test_the_loss_and_tag_read_the_same_token(base: Path):
    text = Text("the U.K. film was", tags=(0, 1, 2, 0))
    [found] = tokenize([text], toys.tokenizer(), 24)
    read = [(place, tag) for place, tag in enumerate(token_tags(found)) if tag >= 0]
    assert [tag for _, tag in read] == [0, 1, 2, 0]
    module, tokenizer, _ = load_base(str(base), labels=("a", "b", "c"), kind="AutoModelForTokenClassification")
    for place, _ in read:
        word = found.word_ids[place]
        assert word is not None
        model = textiba.Model(module, tokenizer, outcome=Tag(word=word))
        batch = model.collate(model.tokenize([text]))
        whole = model.module(**model.inputs(batch)).logits[0, place]
        np.testing.assert_allclose(model.logits(batch)[0].numpy(), whole.detach().numpy(), atol=1e-5)


@pytest.mark.filterwarnings("ignore::textiba.errors.TruncationWarning")
def test_a_token_that_was_cut_is_outside_of_all_entities(base: Path):
    names = ("B-x", "O")
    module, tokenizer, _ = load_base(str(base), labels=names, kind="AutoModelForTokenClassification")
    module.classifier.bias.data = module.classifier.bias.data + module.classifier.bias.new_tensor([50.0, 0.0])
    model = textiba.Model(module, tokenizer, max_length=5, outcome=Tag(word=0))
    texts = [Text("the film was a plot", tags=("B-x", "O", 0, 1, "O")), Text("a dog", tags=(1, 1))]
    gold, found = tag_sequences(model, texts)
    assert gold == [["B-x", "O", "B-x", "O", "O"], ["O", "O"]]
    assert found == [["B-x", "B-x", "B-x", "O", "O"], ["B-x", "B-x"]]
    assert tag_measures(model, texts)["test_tag_accuracy"] == pytest.approx(4 / 7)


class TestWindows:
    """Training on long texts: each window is an example of its own, and the test is of whole texts."""

    def test_each_window_has_the_gold_answer_of_its_text(self, base: Path, tmp_path: Path):
        long, short = " ".join(["film"] * 60), "a dog"
        module, tokenizer, _ = load_base(str(base), labels=("a", "b"))
        made = recipe(base, tmp_path, label_column="y", max_length=16, windows=Windows(stride=4))
        rows, _ = examples(made, [Text(long, 1), Text(short, 0)], module.config, tokenizer)
        assert rows["label"] == [1] * 6 + [0]
        assert [len(ids) for ids in rows["input_ids"]] == [16] * 6 + [4]
        assert all(ids[0] == tokenizer.cls_token_id and ids[-1] == tokenizer.sep_token_id for ids in rows["input_ids"])

    def test_each_tag_stays_with_its_word(self, base: Path, tmp_path: Path):
        words = ["film", "superb"] * 20
        module, tokenizer, _ = load_base(
            str(base), labels=("O", "B-x"), kind="AutoModelForTokenClassification", problem=None
        )
        made = recipe(base, tmp_path, task="tags", max_length=16, windows=Windows(stride=4))
        text = Text(" ".join(words), tags=(0, 1) * 20)
        rows, _ = examples(made, [text], module.config, tokenizer)
        superb = tokenizer.convert_tokens_to_ids("superb")
        for ids, tags in zip(rows["input_ids"], rows["labels"], strict=True):
            inner = list(zip(ids, tags, strict=True))[1:-1]
            assert all(tag == (token == superb) for token, tag in inner)

    @pytest.mark.filterwarnings("error::textiba.errors.TruncationWarning")
    def test_a_long_text_is_learnt_and_tested_whole(self, base: Path, tmp_path: Path):
        draw = random.Random(0)
        rows = []
        for n in range(160):
            cue = toys.CUES[n % 2]
            words = [word for _ in range(5) for word in (*draw.choices(toys.FILLER, k=7), cue)]
            rows.append({"text": " ".join(words), "label": "good" if n % 2 else "bad"})
        path = tmp_path / "long.parquet"
        pandas.DataFrame(rows).to_parquet(path)
        made = Recipe(
            base=str(base), data=str(path), max_length=16, windows=Windows(stride=4), epochs=3, learning_rate=5e-3,
            statistics=50,
        )  # fmt: skip
        card = finetune(made, tmp_path / "out")
        assert card["test_accuracy"] > 0.9

    def test_not_for_a_probe(self, base: Path, tmp_path: Path):
        with pytest.raises(SettingError, match="a probe has one row of features"):
            Recipe(kind="probe", windows=Windows(stride=4))

    def test_each_tag_is_measured_where_tag_reads_it(self, base: Path):
        module, tokenizer, _ = load_base(
            str(base), labels=("O", "B-x", "I-x"), kind="AutoModelForTokenClassification", problem=None
        )
        module.classifier.weight.data.normal_(generator=torch.Generator().manual_seed(0))
        lines = [*toys.texts(2, seed=1, shortest=70, longest=90), "a dog"]  # longer than the model's 64 positions
        texts = [Text(line, tags=("O",) * len(line.split())) for line in lines]
        model = textiba.Model(module, tokenizer, max_length=16, windows=Windows(stride=4), outcome=Tag(word=0))
        _, found = tag_sequences(model, texts)
        assert len(set(found[0])) > 1
        for text, tags in zip(texts, found, strict=True):
            for word, tag in enumerate(tags):
                asked = model.asking(Tag(word=word))
                [logits] = asked.logits(asked.collate(asked.tokenize([text])))
                assert tag == asked.labels[int(logits.argmax())]

    def test_a_test_text_without_room_is_refused_before_the_training(self, base: Path, tmp_path: Path):
        long = " ".join(["film"] * 30)
        pandas.DataFrame([{"one": long, "two": long, "y": label} for label in ("few", "many")]).to_parquet(
            tmp_path / "long.parquet"
        )
        settings: dict[str, Any] = {"label_column": "y", "test_data": str(tmp_path / "long.parquet")}
        for more, message in (({"windows": Windows(stride=4)}, "room for 0 tokens"), ({"max_length": 65}, "between 3")):
            with pytest.raises(InputError, match=message):
                finetune(recipe(base, tmp_path, **settings, **more), tmp_path / "out")
        assert not (tmp_path / "out").exists()
