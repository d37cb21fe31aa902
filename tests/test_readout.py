"""The readout network and its method: equality with a literal rewrite, and errors."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import toys

from textiba.attribution import BitsDetails, GateDetails, content_scores
from textiba.bottleneck.gates import Bottleneck
from textiba.bottleneck.readout import OWN, Architecture, fresh_readout, load_readout, readout_for
from textiba.errors import CorruptFileError, InputError, LayerError, SettingError, StatisticsMismatchError, TargetError
from textiba.information import bits
from textiba.methods import PerSampleBottleneck, ReadoutBottleneck
from textiba.runs.config import DataChoice, MethodChoice, SweepConfig
from textiba.runs.sweep import sweep
from textiba.store import RunFolder

MODEL = toys.model()
NETWORK, FILE = toys.readout(MODEL), toys.readout_file(MODEL)
TEXTS = toys.texts(4, seed=21)


def test_it_begins_as_open_gates_everywhere():
    architecture = NETWORK.architecture.model_copy(update={"initial_gate": 0.993})
    network = fresh_readout(architecture, toys.statistics(MODEL), min_std=0.01)
    logits = network.bounded(network(toys.forward(MODEL, TEXTS).hidden_states))
    assert logits.shape[0] == 3
    torch.testing.assert_close(torch.sigmoid(logits), torch.full_like(logits, 0.993))


def test_it_is_three_linear_layers_on_each_token():
    made, statistics = toys.forward(MODEL, TEXTS), toys.statistics(MODEL)
    weights = {name: tensor.double().numpy() for name, tensor in NETWORK.state_dict().items()}
    found = NETWORK.bounded(NETWORK(made.hidden_states))
    for row in range(len(TEXTS)):
        for token in (0, 1, 4):
            parts = []
            for layer in (0, 1, 2, 3):
                mean, std = statistics.mean[layer].numpy(), np.maximum(statistics.std[layer].numpy(), 0.01)
                parts.append((made.hidden_states[layer][row, token].double().numpy() - mean) / std)
            value = np.concatenate(parts)
            for number in (0, 2, 4):
                value = weights[f"layers.{number}.weight"] @ value + weights[f"layers.{number}.bias"]
                value = np.maximum(value, 0) if number < 4 else 6 * np.tanh(value / 6)
            np.testing.assert_allclose(found[:, row, token].numpy(), value, rtol=1e-4, atol=1e-5)


def test_scores_are_the_bits_of_a_bottleneck_with_its_gates():
    made = toys.forward(MODEL, TEXTS)
    for layer in (0, 2):
        logits = NETWORK.at(layer, made.hidden_states)
        mean, std = toys.statistics(MODEL).at(layer, made.hidden_states[layer])
        bottleneck = Bottleneck(mean, std.clamp_min(0.01), made.batch.content, logits.unsqueeze(-1))
        expected = bits(bottleneck.information(made.hidden_states[layer])).detach()
        for i, a in enumerate(toys.attribute(MODEL, ReadoutBottleneck(layer=layer, weights=FILE), TEXTS)):
            content = list(a.text.content)
            np.testing.assert_allclose(a.scores[content], expected[i, content].numpy(), rtol=1e-5)
            assert isinstance(a.details, GateDetails)
            np.testing.assert_allclose(a.details.gates, bottleneck.gates()[i, : len(a.text), 0].detach(), rtol=1e-5)
            assert a.details.gates[0] == 1


def test_it_comes_back_from_its_file_bit_for_bit(tmp_path: Path):
    NETWORK.save(tmp_path / "readout.safetensors")
    for source in (tmp_path, tmp_path / "readout.safetensors"):
        again = load_readout(source)
        assert again.architecture == NETWORK.architecture
        for name, tensor in NETWORK.state_dict().items():
            assert torch.equal(again.state_dict()[name], tensor)


def test_a_warm_start_with_0_steps_has_the_readout_s_gates():
    readout = toys.attribute(MODEL, ReadoutBottleneck(layer=1, weights=FILE), TEXTS)
    tried = toys.attribute(MODEL, PerSampleBottleneck(layer=1, readout=FILE, steps=0), TEXTS)
    for a, b in zip(readout, tried, strict=True):
        np.testing.assert_allclose(content_scores(a), content_scores(b), rtol=1e-5)
        assert isinstance(b.details, BitsDetails)
        assert len(b.details.information) == 1
        assert not b.details.converged
        assert b.details.information[0] == pytest.approx(a.total, rel=1e-5)


def test_special_tokens_start_open_since_no_network_is_trained_on_them():
    [a] = toys.attribute(MODEL, PerSampleBottleneck(layer=1, readout=FILE, steps=0, gate_special=True), TEXTS[:1])
    assert isinstance(a.details, BitsDetails)
    assert a.details.gates[0] == pytest.approx(0.993)
    assert a.details.gates[1] != pytest.approx(0.993, abs=1e-2)


def test_another_class_than_the_predicted_one_is_refused():
    made = toys.forward(MODEL, TEXTS)
    other = (MODEL.predict(made) + 1) % 3
    with pytest.raises(TargetError, match="explains the predicted class only.*per_sample or evidence"):
        ReadoutBottleneck(weights=FILE).attribute(MODEL, made, other)


def test_a_layer_that_it_was_not_trained_for():
    made = toys.forward(MODEL, TEXTS)
    with pytest.raises(InputError, match=r"predicts the gates of layers \[0, 1, 2\]; got 3"):
        ReadoutBottleneck(layer=3, weights=FILE).attribute(MODEL, made, MODEL.predict(made))
    with pytest.raises(LayerError):
        ReadoutBottleneck(layer=9, weights=FILE).attribute(MODEL, made, MODEL.predict(made))


def test_another_model_s_readout_is_refused():
    with pytest.raises(StatisticsMismatchError, match="was trained on a model with fingerprint"):
        readout_for(toys.model(seed=8), FILE)


def test_a_checkpoint_without_a_readout_says_how_to_train_one():
    with pytest.raises(
        InputError, match="no readout network comes with toy-bert; train one with textiba readout train"
    ):
        readout_for(MODEL, OWN)
    with pytest.raises(InputError, match="no such readout network; make one with: textiba readout train"):
        readout_for(MODEL, "nowhere")


@pytest.mark.parametrize("damage", ["torn", "text", "headless", "misshapen"])
def test_a_file_that_is_no_readout(damage: str, tmp_path: Path):
    from safetensors.torch import save_file

    file = tmp_path / "readout.safetensors"
    whole = Path(FILE).read_bytes()
    facts = {"textiba_readout": NETWORK.architecture.model_copy(update={"widths": (5, 5)}).model_dump_json()}
    if damage == "torn":
        file.write_bytes(whole[: len(whole) // 2])
    elif damage == "text":
        file.write_text("no weights")
    else:
        save_file(NETWORK.state_dict(), str(file), metadata=facts if damage == "misshapen" else None)
    with pytest.raises(
        CorruptFileError, match="not a readout network, or damaged.*make a new one with textiba readout"
    ):
        load_readout(file)


def test_the_architecture_is_checked():
    facts: dict[str, Any] = NETWORK.architecture.model_dump() | {"layers": ()}
    with pytest.raises(SettingError, match="layers"):
        Architecture(**facts)


def test_a_run_that_rests_on_other_weights_is_refused(tmp_path: Path):
    toys_folder = tmp_path / "toy"
    toys.classifier(labels=2).save_pretrained(toys_folder)
    toys.tokenizer().save_pretrained(toys_folder)
    model = toys.model(labels=2)
    weights = tmp_path / "readout.safetensors"
    toys.readout(model).save(weights)
    (tmp_path / "texts.txt").write_text("\n".join(TEXTS))
    choice = MethodChoice(name="readout", settings={"weights": str(weights)}, layers=(0, 2))
    data = DataChoice(source=str(tmp_path / "texts.txt"))
    config = SweepConfig(checkpoints=(str(toys_folder),), data=data, methods=(choice,))
    folder = sweep(config, tmp_path / "run")
    results = [a for _, a in RunFolder(folder.path).read()]
    assert len(results) == 2 * len(TEXTS)
    assert all(isinstance(a.details, GateDetails) for a in results)
    architecture = NETWORK.architecture.model_copy(update={"fingerprint": model.fingerprint})
    fresh_readout(architecture, toys.statistics(model), 0.01).save(weights)
    with pytest.raises(InputError, match="was made with another"):
        sweep(config, tmp_path / "run")
