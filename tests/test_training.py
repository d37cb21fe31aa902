"""Training of a readout network, on a toy that looks for one planted word."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import toys
from folders import in_two_processes
from scipy import stats
from trainings import World, make_world, recipe

from textiba import explain
from textiba.attribution import content_scores
from textiba.bottleneck.readout import READOUT, fresh_readout, load_readout
from textiba.checkpoints.find import CARD
from textiba.checkpoints.load import load
from textiba.errors import InputError, LayerError, SettingError
from textiba.methods import PerSampleBottleneck, ReadoutBottleneck
from textiba.methods.lrp import relevance_by_layer
from textiba.methods.lrp_rules import SHARES
from textiba.training.readout import ReadoutRecipe, train_readout
from textiba.training.readout.objective import agreement


@pytest.fixture(scope="module")
def world(planted: toys.Trained, tmp_path_factory: pytest.TempPathFactory) -> World:
    """What a training needs, as files."""
    return make_world(planted, tmp_path_factory.mktemp("planted"))


@pytest.fixture(scope="module")
def trained(world: World, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """A finished training, and its card."""
    output = tmp_path_factory.mktemp("trained") / "readout"
    return output, train_readout(recipe(world, steps=400, evaluate_every=80), output)


def test_it_finds_the_planted_word_at_every_layer_in_one_pass(world: World, trained: tuple[Path, dict[str, Any]]):
    cases = toys.planted_cases(40, seed=77)
    model = load(world[0])
    for layer in (1, 2):
        found = explain(model, ReadoutBottleneck(layer=layer, weights=str(trained[0])), [text for text, _ in cases])
        hits = [int(np.argmax(content_scores(a))) == place for a, (_, place) in zip(found, cases, strict=True)]
        assert np.mean(hits) >= 0.8, f"layer {layer}; by chance it would be 0.1"


def test_its_loss_on_unseen_texts_is_near_the_optimised_one(
    world: World, planted: toys.Trained, trained: tuple[Path, dict[str, Any]]
):
    texts = [text for text, _ in toys.planted_cases(40, seed=78)]

    def loss(**settings: Any) -> float:
        method = PerSampleBottleneck(layer=1, beta=1e-3, samples=4, **settings)
        found = explain(load(world[0]), method, texts, planted[1])
        ends = [(a.details.cross_entropy[-1], a.details.information[-1]) for a in found]  # type: ignore[union-attr]
        return float(np.mean([entropy + 1e-3 * math.log(2) * bits for entropy, bits in ends]))

    optimised, read, untouched = loss(steps=10), loss(readout=str(trained[0]), steps=0), loss(steps=0)
    assert read < 1.5 * optimised < 0.5 * untouched


def test_the_card_says_what_was_seen(trained: tuple[Path, dict[str, Any]]):
    output, card = trained
    history = card["history"]
    assert [row["step"] for row in history] == list(range(80, 401, 80))
    assert card["best"]["loss"] == min(row["loss"] for row in history) < history[0]["loss"]
    assert (card["train_texts"], card["validation_texts"], card["layers"]) == (300 - 32, 32, [1, 2])
    assert card == json.loads((output / CARD).read_text())
    assert card["sha256"] in (output / "README.md").read_text()
    assert not list(output.glob("training-*"))


class KilledError(Exception):
    """Stands for a kill."""


@pytest.mark.parametrize("at", [5, 25, 60])
def test_killed_and_started_again_it_ends_with_the_same_weights(at: int, world: World, tmp_path: Path):
    def kill(_what: str, done: int, _total: int) -> None:
        if done == at:
            raise KilledError

    whole = train_readout(recipe(world), tmp_path / "whole")
    with pytest.raises(KilledError):
        train_readout(recipe(world), tmp_path / "killed", kill)
    steps: list[int] = []
    again = train_readout(recipe(world), tmp_path / "killed", lambda _what, done, _total: steps.append(done))
    assert steps[0] == 10 * (at // 10 - (at % 10 == 0)) + 1  # the kill comes before the evaluation
    assert again["history"] == whole["history"]
    assert again["sha256"] == whole["sha256"]


def test_two_processes_train_the_network_of_one(world: World, tmp_path: Path):
    asked = recipe(world, steps=20)
    (tmp_path / "recipe.yaml").write_text(asked.model_dump_json())  # JSON is YAML
    printed = in_two_processes(["readout", "train", str(tmp_path / "recipe.yaml"), "-o", str(tmp_path / "two")])
    alone = train_readout(asked, tmp_path / "one")
    together = json.loads((tmp_path / "two" / CARD).read_text())
    assert printed.count("Validation loss") == 1
    assert [seen["step"] for seen in together["history"]] == [seen["step"] for seen in alone["history"]] == [10, 20]
    # Shares of a batch are padded for themselves, and means are taken of means.
    for ours, expected in zip(together["history"], alone["history"], strict=True):
        assert ours["loss"] == pytest.approx(expected["loss"], rel=1e-3)


def test_a_finished_folder_is_left_as_it_is_and_another_recipe_refused(
    world: World, trained: tuple[Path, dict[str, Any]]
):
    output, card = trained
    before = (output / READOUT).stat().st_mtime_ns
    assert train_readout(recipe(world, steps=400, evaluate_every=80), output) == card
    assert (output / READOUT).stat().st_mtime_ns == before
    with pytest.raises(InputError, match="holds a run with other settings"):
        train_readout(recipe(world, steps=7), output)


def test_it_stops_when_the_validation_loss_no_longer_falls(world: World, tmp_path: Path):
    # With nothing to gain from a step this size, every evaluation after the first is stale.
    still = recipe(world, learning_rate=1e-12, evaluate_every=5, patience=2, beta_rise=0.0)
    card = train_readout(still, tmp_path / "still")
    assert card["step"] < 60
    assert card["best"]["step"] < card["step"]
    assert load_readout(tmp_path / "still").architecture.layers == (1, 2)


def test_weights_of_the_model_and_global_random_state_stay(world: World, tmp_path: Path):
    before = torch.get_rng_state()
    train_readout(recipe(world, steps=2, evaluate_every=2), tmp_path / "two")
    assert torch.equal(torch.get_rng_state(), before)


def test_beta_rises_by_powers_of_ten_and_the_rate_falls():
    slow = ReadoutRecipe(beta=1e-4, beta_decades=2, beta_rise=0.5, steps=100, learning_rate=0.1)
    assert [slow.beta_at(s) for s in (0, 25, 50, 99)] == pytest.approx([1e-6, 1e-5, 1e-4, 1e-4])
    assert [slow.rate_at(s) for s in (0, 50, 99)] == pytest.approx([0.005, 0.05, 0.001])
    assert ReadoutRecipe(beta_rise=0.0).beta_at(0) == 1e-4


def test_layers_take_turns():
    turns = ReadoutRecipe(layers=(2, 0, 2, 1), at_once=2)
    assert [turns.layers_at(s, [0, 1, 2]) for s in range(3)] == [[0, 2], [1, 2], [0, 2]]
    assert [ReadoutRecipe().layers_at(s, [0, 1, 2]) for s in range(4)] == [[0], [1], [2], [0]]
    assert ReadoutRecipe(layers=(2, 0, 2)).architecture(toys.model()).layers == (0, 2)


def test_what_cannot_be_trained(world: World, tmp_path: Path):
    with pytest.raises(LayerError):
        train_readout(recipe(world, layers=(1, 9)), tmp_path / "a")
    with pytest.raises(InputError, match="300 training texts, of which 300 are held out"):
        train_readout(recipe(world, validation=300), tmp_path / "b")
    with pytest.raises(SettingError, match="at least one layer"):
        ReadoutRecipe(layers=())


def test_it_goes_on_from_another_network_and_puts_the_tokens_in_order(
    world: World, trained: tuple[Path, dict[str, Any]], tmp_path: Path
):
    start = {"start": str(trained[0]), "beta_decades": 0.0}
    plain = train_readout(recipe(world, steps=10, learning_rate=1e-9, **start), tmp_path / "plain")
    assert plain["best"]["loss"] == pytest.approx(trained[1]["best"]["loss"], rel=1e-3)
    assert plain["best"]["order"] == [0.0, 0.0]
    ordered = train_readout(recipe(world, order=2.0, **start), tmp_path / "ordered")
    first, *_, last = ordered["history"]
    assert sum(last["order"]) > sum(first["order"])
    assert last["aim"] == pytest.approx(last["loss"] - 2 * sum(last["order"]) / 2, abs=1e-4)


def test_a_start_of_another_shape_is_refused(world: World, trained: tuple[Path, dict[str, Any]], tmp_path: Path):
    with pytest.raises(InputError, match="a warm start needs a network of the recipe's shape"):
        train_readout(recipe(world, start=str(trained[0]), widths=(4, 4)), tmp_path / "other")


def test_the_order_is_a_correlation_with_ranked_relevance(planted: toys.Trained):
    model, statistics = planted
    network = fresh_readout(ReadoutRecipe(layers=(1, 2), widths=(16, 8)).architecture(model), statistics, 0.01)
    texts = model.tokenize([text for text, _ in toys.planted_cases(5, seed=3)])
    forward = model.forward(model.collate(texts))
    raw = torch.randn(2, *forward.batch.input_ids.shape, generator=torch.Generator().manual_seed(1))
    found = agreement(model, network, forward, raw)
    taught = relevance_by_layer(model, forward, model.predict(forward), SHARES["uniform"], [1, 2], "margin")
    for place in range(2):
        for i, text in enumerate(texts):
            content = list(text.content)
            ranks = stats.rankdata(taught[place, i, content].numpy())
            quantiles = stats.norm.ppf((ranks - 0.5) / len(content))
            expected = np.corrcoef(raw[place, i, content].numpy(), quantiles)[0, 1]
            assert float(found[place, i]) == pytest.approx(expected, abs=1e-5)
