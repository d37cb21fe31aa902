"""The training of an adapter that is stopped and resumed ends, within an epoch, with the same weights."""

import signal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
import toys
from commands import World, command, make_world
from safetensors.torch import load_file

from textiba.checkpoints.load import ADAPTER
from textiba.cli.stop import Stopped
from textiba.errors import InputError
from textiba.training.finetune import finetune
from textiba.training.recipe import Recipe

pytestmark = pytest.mark.filterwarnings(
    "ignore::textiba.errors.FewTextsWarning", "ignore::FutureWarning", "ignore::UserWarning"
)
STEPS = 40
TASKS = ("classes", "labels", "tags", "value")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    made = make_world(tmp_path_factory.mktemp("world"))
    for split, n in (("train", 320), ("test", 20)):
        rows = [{"text": text, "label": i % 2} for i, text in enumerate(toys.texts(n, seed=n))]
        pq.write_table(pa.Table.from_pylist(rows), made.folder / f"{split}-00000.parquet")
    for task in TASKS:
        (made.folder / task).mkdir()
        for split, n in (("train", 320), ("test", 20)):
            rows = [row(task, text, i) for i, text in enumerate(toys.texts(n, seed=n))]
            pq.write_table(pa.Table.from_pylist(rows), made.folder / task / f"{split}-00000.parquet")
    return made


def row(task: str, text: str, number: int) -> dict[str, Any]:
    """A row with a gold answer of the task: the class, or a label, tag or value of it."""
    if task == "tags":
        tokens = text.split()
        return {"tokens": tokens, "tags": ["B-x" if token in toys.FILLER[:9] else "O" for token in tokens]}
    gold = {"classes": number % 2, "labels": [["a"], ["a", "b"], []][number % 3], "value": number % 5 / 4}[task]
    return {"text": text, {"classes": "label", "labels": "labels", "value": "value"}[task]: gold}


def recipe(world: World, **changes: Any) -> Recipe:
    values: dict[str, Any] = {
        "base": str(world.model), "data": str(world.folder), "max_length": 16, "test_limit": 20, "statistics": 20,
        "epochs": 1, "batch_size": 8, "learning_rate": 1e-2, "rank": 2, "dropout": 0.1,
    }  # fmt: skip
    return Recipe(**(values | changes))


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / ADAPTER)


def stop_at(step: int) -> object:
    def progress(task: str, done: int, total: int) -> None:
        assert total
        if task == "training steps" and done == step:
            raise Stopped(signal.SIGINT)

    return progress


@pytest.mark.parametrize("task", TASKS)
def test_it_resumes_from_its_last_state_to_the_same_weights(world: World, tmp_path: Path, task: str):
    column = {"value_column": "value"} if task == "value" else {}
    asked = recipe(world, task=task, data=str(world.folder / task), **column)
    card = finetune(asked, tmp_path / "whole")
    for step in (11, 33):
        with pytest.raises(Stopped):
            finetune(asked, tmp_path / "stopped", stop_at(step))  # type: ignore[arg-type]
        assert not (tmp_path / "stopped" / "card.json").exists()
    steps: list[int] = []
    again = finetune(
        asked, tmp_path / "stopped", lambda task, done, _: steps.append(done) if task.startswith("tr") else None
    )
    assert steps == [20, *range(21, STEPS + 1)], "the steps before the last state are not taken again"
    expected, found = weights(tmp_path / "whole"), weights(tmp_path / "stopped")
    assert expected.keys() == found.keys()
    for name, tensor in expected.items():
        torch.testing.assert_close(found[name], tensor, rtol=1e-5, atol=1e-7, msg=name)
    assert again["loss"] == card["loss"]
    assert not (tmp_path / "stopped" / "trainer").exists()


def test_an_unfinished_training_of_another_recipe_is_refused(world: World, tmp_path: Path):
    with pytest.raises(Stopped):
        finetune(recipe(world), tmp_path / "a", stop_at(21))  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r"other settings: rank is 2, now 3"):
        finetune(recipe(world, rank=3), tmp_path / "a")
    torn = next((tmp_path / "a" / "trainer").glob("checkpoint-*"))
    (torn.with_name("checkpoint-99")).mkdir()  # as a kill leaves it
    assert finetune(recipe(world), tmp_path / "a")["train_texts"] == 320


def test_a_training_that_failed_at_its_first_step_does_not_refuse_the_corrected_recipe(world: World, tmp_path: Path):
    with pytest.raises(Stopped):
        finetune(recipe(world), tmp_path / "a", stop_at(0))  # type: ignore[arg-type]
    assert finetune(recipe(world, epochs=0.1), tmp_path / "a")["train_texts"] == 320


def test_the_command_says_how_to_go_on(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    config = world.config("recipe", **recipe(world).model_dump(mode="json"))
    monkeypatch.setattr("textiba.training.fitting._last_state", lambda _: signal.raise_signal(signal.SIGTERM))
    answer = command("finetune", config, "-o", tmp_path / "a")
    assert answer.code == 128 + signal.SIGTERM
    [line] = [line for line in answer.err.splitlines() if line.startswith("stopped: ")]
    assert f"is kept in {tmp_path / 'a'}; go on with: textiba finetune {config} -o {tmp_path / 'a'}" in line
