"""Makes checkpoints: a LoRA adapter (Hu et al., ICLR 2022), a linear probe, or a fresh head, on a base.

PEFT, Trainer and scikit-learn do the training. A checkpoint is a folder with safetensors, the statistics of its
features, and a card: data, classes, recipe, seed, accuracy, loss curve. `textiba finetune` makes checkpoints.
"""

import json
import time
from pathlib import Path
from typing import Any

from textiba.bottleneck.statistics import STATISTICS, estimate_statistics
from textiba.checkpoints.cache import file_hash
from textiba.checkpoints.find import CARD
from textiba.checkpoints.load import ADAPTER, HEAD, HEADS, load, load_base
from textiba.model.limits import usable_length
from textiba.model.reading import class_labels
from textiba.runs.sweep import Progress
from textiba.show.summary import markdown_table
from textiba.store import write_text
from textiba.texts.columns import Named
from textiba.training.examples import check_windows
from textiba.training.fitting import fresh_head, save_head, start_at_shares, train_adapter, train_probe
from textiba.training.labelled import Choice, LabelledTexts, labelled_texts
from textiba.training.measures import MEASURES, asked, counted
from textiba.training.recipe import Recipe


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
        InputError: the data have no labels, or too few texts (see `textiba.training.labelled.labelled_texts`);
            `max_length` is beyond the model's limit, or a text has no room for windows.
        MissingExtraError: PEFT, accelerate or scikit-learn is not installed.
    """
    output = Path(output)
    started = time.monotonic()
    kind, problem = HEADS[recipe.task]
    base, tokenizer, _ = load_base(recipe.base, recipe.seed, warn=False, kind=kind)
    trained = any(kind.removeprefix("AutoModel") in name for name in base.config.architectures or ())
    own = class_labels(base.config)
    texts = labelled_texts(choice_of(recipe), own if trained else None)
    usual = (None, problem) if recipe.task == "classes" else (problem,)
    if texts.labels != own or base.config.problem_type not in usual:
        base, tokenizer, _ = load_base(recipe.base, recipe.seed, False, texts.labels, kind, problem)
        if trained:
            fresh_head(base, recipe.seed)
    if recipe.task == "labels" and not (trained and texts.labels == own):
        start_at_shares(base, texts.train)
    usable_length(base, tokenizer, recipe.max_length)  # hours of training come before the test
    check_windows(recipe, texts.test, tokenizer)
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
    gold = recipe.task if recipe.task in ("labels", "tags") else "label"
    named = Named(
        recipe.text_column, recipe.label_column, pair=recipe.pair_column, value=recipe.value_column, gold=gold
    )
    same = ("data", "test_data", "test_share", "labels", "limit", "test_limit", "seed")
    return Choice(named=named, **{name: getattr(recipe, name) for name in same})


def finish(
    recipe: Recipe, output: Path, losses: list[dict], texts: LabelledTexts, seconds: float,
    progress: Progress = lambda *_: None,
) -> dict[str, Any]:  # fmt: skip
    """Writes the card, measures the checkpoint on the test texts, and estimates the statistics of the features.

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
    model = load(output, recipe.max_length, outcome=asked(recipe.task), windows=recipe.windows)
    card["tested_on"] = texts.tested_on
    card["test_texts"] = len(texts.test)
    card |= MEASURES[recipe.task](model, texts.test, progress)
    _write_card(card, output)
    sample = model.tokenize(texts.train[: recipe.statistics])
    passes = (
        model.forward(batch) for batch in counted(model.batches(sample), "statistics texts", len(sample), progress)
    )
    estimate_statistics(model, passes, f"{recipe.data} train, {recipe.max_length} tokens").save(output / STATISTICS)
    return card


def measured(card: dict[str, Any]) -> tuple[str, str]:
    """What was measured on the test texts, and the figures, such as ("accuracy", "0.9025"); empty before the test."""
    found = {name: value for name, value in card.items() if name.startswith("test_") and isinstance(value, float)}
    names = (name.removeprefix("test_").replace("_", " ") for name in found)
    return ", ".join(names), ", ".join(f"{value:.4f}" for value in found.values())


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
