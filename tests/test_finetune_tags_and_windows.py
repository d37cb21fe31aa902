"""Fine-tuning where a text has more than one answer or example: a tag for each word, and windows of long texts."""

import random
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import pytest
import torch
import toys
from commands import command
from finetunes import Rows, make_base, recipe, small_recipe

import textiba
from textiba.bottleneck.statistics import load_statistics
from textiba.checkpoints.load import load_base
from textiba.errors import InputError, SettingError
from textiba.model.places import Tag
from textiba.texts.text import Text
from textiba.texts.tokenizing import tokenize
from textiba.texts.windows import Windows
from textiba.training.examples import examples, token_tags
from textiba.training.finetune import choice_of, finetune
from textiba.training.labelled import labelled_texts
from textiba.training.measures import tag_measures, tag_sequences
from textiba.training.recipe import Recipe

pytestmark = pytest.mark.filterwarnings(
    "ignore::textiba.errors.FewTextsWarning", "ignore::textiba.errors.FreshHeadWarning", "ignore::FutureWarning"
)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_base(tmp_path_factory.mktemp("base"))


def tagged(count: int) -> Rows:
    """Sentences in which a cue names a thing, of two tokens if another cue follows."""
    draw = random.Random(count)
    rows = []
    for n in range(count):
        tokens = [*draw.choices(toys.FILLER, k=3), "superb", *["dreadful"] * (n % 2), *draw.choices(toys.FILLER, k=3)]
        tokens[0] = tokens[0] + "."  # a word of its own for the tokenizer
        tags = {"superb": "B-thing", "dreadful": "I-thing"}
        rows.append({"tokens": tokens, "ner_tags": [tags.get(token, "O") for token in tokens]})
    return rows


def of_tags(base: Path, folder: Path, **settings: Any) -> Recipe:
    return small_recipe(base, folder, tagged, train=160, test=41, task="tags", **settings)


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
