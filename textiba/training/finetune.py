"""Makes checkpoints: a LoRA adapter (Hu et al., ICLR 2022), a linear probe, or a fresh head, on a base.

PEFT, Trainer and scikit-learn do the training. A checkpoint is a folder with safetensors, the statistics of its
features, and a card: data, classes, recipe, seed, accuracy, loss curve. `textiba finetune` makes checkpoints.
"""

import json
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from textiba.bottleneck.statistics import STATISTICS, estimate_statistics
from textiba.checkpoints.cache import file_hash
from textiba.checkpoints.find import CARD
from textiba.checkpoints.load import ADAPTER, HEAD, load, load_base
from textiba.model.reading import class_labels
from textiba.model.view import Model
from textiba.runs.sweep import Progress
from textiba.show.summary import markdown_table
from textiba.store import write_text
from textiba.texts.batches import Batch
from textiba.texts.rows import Named
from textiba.texts.text import Text
from textiba.training.fitting import fresh_head, save_head, train_adapter, train_probe
from textiba.training.labelled import Choice, LabelledTexts, labelled_texts
from textiba.training.recipe import Recipe

_MEASURES = ("test_accuracy", "test_pearson", "test_spearman")


def finetune(recipe: Recipe, output: str | Path, progress: Progress = lambda *_: None) -> dict[str, Any]:
    """Makes a checkpoint from a recipe: weights, statistics and card, in the folder `output`.

    If the training of an adapter was stopped, it resumes from its last saved state.

    Args:
        recipe: the settings.
        output: a folder; `textiba.load(output)` reads it.
        progress: called after every training step, and after every batch of the test and the statistics.

    Returns:
        The card.

    Raises:
        InputError: the data have no labels, or too few texts; see `textiba.training.labelled.labelled_texts`.
        MissingExtraError: PEFT, accelerate or scikit-learn is not installed.
    """
    output = Path(output)
    started = time.monotonic()
    base, tokenizer, _ = load_base(recipe.base, recipe.seed, warn=False)
    trained = any("SequenceClassification" in kind for kind in base.config.architectures or ())
    own = class_labels(base.config)
    texts = labelled_texts(choice_of(recipe), own if trained else None)
    if texts.labels != own or base.config.problem_type not in (None, "single_label_classification"):
        base, tokenizer, _ = load_base(recipe.base, recipe.seed, warn=False, labels=texts.labels)
        if trained:
            fresh_head(base, recipe.seed)
    output.mkdir(parents=True, exist_ok=True)
    losses: list[dict] = []
    if recipe.kind == "adapter":
        losses = train_adapter(recipe, texts.train, output, base, tokenizer, progress)
    elif recipe.kind == "probe":
        train_probe(recipe, texts.train, output, base, tokenizer)
    else:
        save_head(base, output)
    return finish(recipe, output, losses, texts, time.monotonic() - started, progress)


def choice_of(recipe: Recipe) -> Choice:
    """Where the texts of a recipe come from."""
    named = Named(recipe.text_column, recipe.label_column, pair=recipe.pair_column, value=recipe.value_column)
    same = ("data", "test_data", "test_share", "labels", "limit", "test_limit", "seed")
    return Choice(named=named, **{name: getattr(recipe, name) for name in same})


def finish(
    recipe: Recipe, output: Path, losses: list[dict], texts: LabelledTexts, seconds: float,
    progress: Progress = lambda *_: None,
) -> dict[str, Any]:  # fmt: skip
    """Writes the card, measures accuracy on the test texts, and estimates the statistics of the features.

    Args:
        recipe: the settings.
        output: folder of the checkpoint, which already has the weights.
        losses: the points of the loss curve.
        texts: texts for training and test.
        seconds: seconds that training took.
        progress: called after every batch.

    Returns:
        The card.
    """
    weights = ADAPTER if recipe.kind == "adapter" else HEAD
    card: dict[str, Any] = {
        "base": recipe.base,
        "weights": weights,
        "sha256": file_hash(output / weights),
        "labels": list(texts.labels),
        "recipe": recipe.model_dump(),
        "train_texts": 0 if recipe.kind == "fresh" else len(texts.train),
        "seconds": round(seconds, 1),
        "loss": losses,
    }
    _write_card(card, output)
    model = load(output, recipe.max_length)
    card["tested_on"] = texts.tested_on
    card["test_texts"] = len(texts.test)
    measure = accuracy if recipe.task == "classes" else correlations
    card |= measure(model, texts.test, progress)
    _write_card(card, output)
    sample = model.tokenize(texts.train[: recipe.statistics])
    passes = (
        model.forward(batch) for batch in _counted(model.batches(sample), "statistics texts", len(sample), progress)
    )
    estimate_statistics(model, passes, f"{recipe.data} train, {recipe.max_length} tokens").save(output / STATISTICS)
    return card


def accuracy(model: Model, texts: Sequence[Text], progress: Progress = lambda *_: None) -> dict[str, float]:
    """The share of texts whose predicted class is the gold class, as "test_accuracy".

    Args:
        model: the model.
        texts: texts with labels as indices of the classes.
        progress: called after every batch.
    """
    tokenized = model.tokenize(texts)
    right = 0
    for batch in _counted(model.batches(tokenized), "test texts", len(tokenized), progress):
        predicted = model.logits(batch).argmax(dim=1).tolist()
        right += sum(p == text.source.label for p, text in zip(predicted, batch.texts, strict=True))
    return {"test_accuracy": right / len(tokenized)}


def correlations(model: Model, texts: Sequence[Text], progress: Progress = lambda *_: None) -> dict[str, float]:
    """Pearson's and Spearman's correlation of predicted and gold values, as "test_pearson" and "test_spearman".

    Args:
        model: a model that is asked whether its value is above 0, so that its log-odds are the value.
        texts: texts with values.
        progress: called after every batch.
    """
    from scipy import stats

    tokenized = model.tokenize(texts)
    pairs: list[tuple[float, float]] = []
    for batch in _counted(model.batches(tokenized), "test texts", len(tokenized), progress):
        predicted = model.logits(batch)[:, 1].tolist()
        pairs += [(p, float(text.source.value or 0)) for p, text in zip(predicted, batch.texts, strict=True)]
    predicted, gold = np.asarray(pairs).T
    measures: dict[str, Any] = {"test_pearson": stats.pearsonr, "test_spearman": stats.spearmanr}
    return {name: float(measure(predicted, gold)[0]) for name, measure in measures.items()}


def _counted(batches: Iterable[Batch], task: str, total: int, progress: Progress) -> Iterator[Batch]:
    """Yields the batches; calls `progress` each time that the next batch is requested."""
    done = 0
    for batch in batches:
        progress(task, done, total)
        yield batch
        done += len(batch.texts)
    progress(task, done, total)


def measured(card: dict[str, Any]) -> tuple[str, str]:
    """What was measured on the test texts, and the figures, such as ("accuracy", "0.9025"); empty before the test."""
    found = {name.removeprefix("test_"): value for name, value in card.items() if name in _MEASURES}
    return ", ".join(found), ", ".join(f"{value:.4f}" for value in found.values())


def _write_card(card: dict[str, Any], output: Path) -> None:
    """Writes the card twice: as `card.json` for the loader, and as README.md for people."""
    write_text(output / CARD, json.dumps(card, indent=1) + "\n")
    recipe = card["recipe"]
    tested, results = measured(card)
    rows = [
        ("kind", recipe["kind"]),
        ("base", card["base"]),
        ("data", f"{recipe['data']}, {card['train_texts']} training texts, {recipe['max_length']} tokens"),
        ("seed", recipe["seed"]),
        ("classes", ", ".join(card["labels"])),
        (tested or "test", f"{results} on {card['test_texts']} test texts ({card['tested_on']})")
        if tested
        else ("test", "not measured yet"),
        ("seconds", card["seconds"]),
        ("SHA-256", f"`{card['sha256']}` ({card['weights']})"),
    ]
    settings = " ".join(f"{k}={v}" for k, v in recipe.items())
    blocks = [
        f"# {output.name}",
        markdown_table({"": [name for name, _ in rows], " ": [value for _, value in rows]}),
        f"Made by `textiba finetune` with the recipe `{settings}`.",
    ]
    if card["loss"]:
        curve = {"step": [row["step"] for row in card["loss"]]}
        blocks.append(markdown_table({**curve, "training loss (nats)": [f"{row['loss']:.3f}" for row in card["loss"]]}))
    write_text(output / "README.md", "\n\n".join(blocks) + "\n")
