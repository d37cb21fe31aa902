"""What the tests of fine-tuning on several tasks share: a bare toy encoder, pairs of texts, and small recipes."""

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas
import toys

from textiba.training.recipe import Recipe

Rows = list[dict[str, Any]]


def make_base(folder: Path) -> Path:
    """The toy encoder without a head, as a Hugging Face folder."""
    toys.classifier(labels=2, initializer_range=0.02, biases=False).bert.save_pretrained(folder)
    toys.tokenizer().save_pretrained(folder)
    return folder


def small_recipe(
    base: Path,
    folder: Path,
    rows: Callable[[int], Rows],
    train: int = 320,
    test: int = 81,
    suffix: str = ".parquet",
    **settings: Any,
) -> Recipe:
    """A recipe of six epochs on rows that are written for it; `settings` are its other settings."""
    data, test_data = folder / f"train{suffix}", folder / f"test{suffix}"
    for path, count in ((data, train), (test_data, test)):
        frame = pandas.DataFrame(rows(count))
        if suffix == ".parquet":
            frame.to_parquet(path)
        else:
            frame.to_json(path, orient="records", lines=True)
    common: dict[str, Any] = {
        "base": str(base), "data": str(data), "test_data": str(test_data), "max_length": 24, "epochs": 6,
        "learning_rate": 5e-3, "statistics": 50,
    }  # fmt: skip
    return Recipe(**{**common, **settings})


def pairs(count: int) -> Rows:
    """Pairs whose second text alone decides: by its cue the class, by the number of its cues the value."""
    draw = random.Random(count)
    rows = []
    for n in range(count):
        cues = n % 4
        words = [*draw.choices(toys.FILLER, k=6 - cues), *["superb"] * cues]
        draw.shuffle(words)
        one, label = draw.choices(toys.FILLER, k=5), "many" if cues > 1 else "few"
        rows.append({"one": " ".join(one), "two": " ".join(words), "y": label, "z": cues / 3})
    return rows


def recipe(base: Path, folder: Path, **settings: Any) -> Recipe:
    """A small recipe on pairs."""
    return small_recipe(base, folder, pairs, text_column="one", pair_column="two", **settings)
