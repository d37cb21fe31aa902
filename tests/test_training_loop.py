"""The training loop of a readout network: fresh noise at each step, clipped gradients, no network of NaN."""

import math
from pathlib import Path
from typing import Any

import pytest
import torch
import toys
from trainings import World, make_world, recipe

from textiba.errors import NotFiniteError
from textiba.model.forward import ForwardPass
from textiba.texts.batches import Batch
from textiba.training.readout import loop, objective, train_readout


@pytest.fixture(scope="module")
def world(planted: toys.Trained, tmp_path_factory: pytest.TempPathFactory) -> World:
    """What a training needs, as files."""
    return make_world(planted, tmp_path_factory.mktemp("planted"))


def test_each_step_draws_fresh_noise(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    drawn: dict[tuple[int, ...], list[torch.Tensor]] = {}
    standard_normal = objective.standard_normal

    def recorded(batch: Batch, like: torch.Tensor, samples: int, antithetic: bool, seed: int) -> Any:
        noise = next(standard_normal(batch, like, samples, antithetic, seed))
        for i, text in enumerate(batch.texts if samples == 1 else ()):  # an evaluation takes two samples
            drawn.setdefault(text.ids, []).append(noise[0, i, : len(text)].clone())
        yield noise

    monkeypatch.setattr(objective, "standard_normal", recorded)
    # Whole texts, all of them in every batch, and the bottleneck at one layer: only the step differs.
    train_readout(recipe(world, steps=5, limit=6, batch_size=6, shortest=None, layers=(1,)), tmp_path / "run")
    assert len(drawn) == 6
    for noises in drawn.values():
        assert len(noises) == 5
        for i, one in enumerate(noises):
            assert not any(torch.equal(one, other) for other in noises[i + 1 :])


def test_gradients_are_clipped_to_a_norm_of_1(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    norms: list[float] = []
    step = torch.optim.AdamW.step

    def recorded(self: torch.optim.AdamW, *arguments: Any, **others: Any) -> Any:
        gradients = [p.grad for group in self.param_groups for p in group["params"] if p.grad is not None]
        norms.append(float(torch.stack([g.norm() for g in gradients]).norm()))
        return step(self, *arguments, **others)

    monkeypatch.setattr(torch.optim.AdamW, "step", recorded)
    dear = recipe(world, steps=6, beta=10.0, beta_decades=0.0, learning_rate=1e-4)  # a price that makes gradients large
    train_readout(dear, tmp_path / "dear")
    assert norms == pytest.approx([1.0] * 6, rel=1e-3)
    norms.clear()
    cheap = recipe(world, steps=6, beta=1e-9, learning_rate=1e-4)
    train_readout(cheap, tmp_path / "cheap")
    assert len(norms) == 6
    assert max(norms) < 0.5, "small gradients stay as they are"


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_loss_that_is_no_number_stops_the_training(
    value: float, world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """NaN is never lower than the best loss: a first NaN would be kept as the best for good."""

    def broken(_model: Any, _network: Any, forward: ForwardPass, *_: Any) -> tuple[torch.Tensor, torch.Tensor]:
        texts = len(forward.batch.texts)
        return torch.full((texts,), value), torch.zeros(texts)

    monkeypatch.setattr(loop, "restricted", broken)
    monkeypatch.setattr(loop._Training, "_step", lambda *_: None)
    with pytest.raises(NotFiniteError, match="validation loss after 10 steps is (nan|inf); train with a lower"):
        train_readout(recipe(world), tmp_path / "broken")
    assert not (tmp_path / "broken" / "readout.safetensors").exists()
