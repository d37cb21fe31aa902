"""Making checkpoints, on a model small enough to train in seconds."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
import toys
from transformers import BertConfig, BertForSequenceClassification

from textiba.bottleneck.statistics import load_statistics
from textiba.checkpoints.find import CARD
from textiba.checkpoints.load import load
from textiba.errors import InputError
from textiba.texts.sources import imdb
from textiba.training.finetune import Recipe, accuracy, finetune, head_features

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
    assert accuracy(model, test) == card["test_accuracy"]
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


def test_reviews_without_labels_are_refused(world: tuple[Path, Path], tmp_path: Path):
    from textiba.checkpoints.load import load_base
    from textiba.texts.sources import Text
    from textiba.training.finetune import train_adapter

    base, tokenizer, _ = load_base(str(world[0]))
    with pytest.raises(InputError, match="needs a label for every text"):
        train_adapter(_recipe(world), [Text("x")], tmp_path, base, tokenizer)
