"""What the tests of training a readout network share: a trained toy as files, and small recipes."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import toys

from textiba.training.readout import ReadoutRecipe

World = tuple[Path, Path, Path]  # a model's folder, its statistics, and a folder of training texts


def make_world(planted: toys.Trained, folder: Path) -> World:
    """The planted toy as a Hugging Face folder, its statistics, and training texts in IMDB's layout."""
    model, statistics = planted
    model.module.save_pretrained(folder / "model")
    toys.tokenizer().save_pretrained(folder / "model")
    statistics.save(folder / "statistics.safetensors")
    rows = [{"text": r.text, "label": r.label} for r, _ in toys.planted_cases(300, seed=5)]
    pq.write_table(pa.Table.from_pylist(rows), folder / "train-00000.parquet")
    return folder / "model", folder / "statistics.safetensors", folder


def recipe(world: World, **changes: Any) -> ReadoutRecipe:
    """A recipe of 60 small steps; `changes` are its other settings."""
    model, statistics, data = world
    small: dict[str, Any] = {
        "checkpoint": str(model), "statistics": str(statistics), "data": str(data), "validation": 32, "layers": (1, 2),
        "widths": (16, 8), "beta": 1e-3, "steps": 60, "evaluate_every": 10, "learning_rate": 1e-2, "shortest": 6,
    }  # fmt: skip
    return ReadoutRecipe(**(small | changes))
