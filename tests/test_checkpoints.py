"""Checkpoints by name, and every way in which loading can go wrong."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import toys
from safetensors.torch import save_file
from transformers import BertConfig, BertForSequenceClassification

import textiba
from textiba.bottleneck.statistics import load_statistics
from textiba.checkpoints import cache
from textiba.checkpoints.find import BUILTIN, BUILTIN_FOLDER, CARD
from textiba.checkpoints.load import ADAPTER, HEAD, load
from textiba.errors import (
    CorruptFileError,
    FreshHeadWarning,
    HubUnavailableError,
    InputError,
    NotACheckpointError,
    StatisticsMismatchError,
    UnreadWeightsWarning,
)


@pytest.fixture
def saved_model(tmp_path: Path) -> Path:
    tokenizer = toys.tokenizer()
    config = BertConfig(
        vocab_size=len(tokenizer), hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32
    )
    BertForSequenceClassification(config).save_pretrained(tmp_path / "model")
    tokenizer.save_pretrained(tmp_path / "model")
    return tmp_path / "model"


@pytest.mark.parametrize("name", BUILTIN)
def test_builtin_checkpoints_load_with_statistics_of_their_own(name: str):
    model = load(name)
    load_statistics(name).check(model)
    assert (model.n_layers, model.n_labels, model.max_length) == (6, 2, 256)
    assert model.labels == ("negative", "positive")


def test_fine_tuned_reads_a_plain_verdict():
    model = load("fine-tuned")
    texts = ["A wonderful, moving film; I loved every minute.", "Dreadful. A dull, stupid waste of two hours."]
    logits = model.logits(model.collate(model.tokenize(texts)))
    assert logits.argmax(dim=1).tolist() == [1, 0]


def test_the_same_checkpoint_has_the_same_fingerprint_and_others_another():
    assert load("general-probe").fingerprint == load("general-probe").fingerprint
    assert len({load(name).fingerprint for name in BUILTIN}) == len(BUILTIN)


def test_statistics_of_another_checkpoint_are_refused():
    with pytest.raises(StatisticsMismatchError, match="textiba estimate --checkpoint general-probe"):
        textiba.explain(load("general-probe"), textiba.PerSampleBottleneck(), ["Fine."], load_statistics("fine-tuned"))


def test_a_hugging_face_folder_loads(saved_model: Path):
    model = load(saved_model)
    assert model.n_layers == 2
    assert model.name == str(saved_model)


def test_a_folder_that_is_no_model(tmp_path: Path):
    (tmp_path / "notes.txt").write_text("nothing here")
    with pytest.raises(NotACheckpointError, match="not a Hugging Face model"):
        load(tmp_path)


def test_weights_that_are_no_safetensors_are_refused(saved_model: Path):
    (saved_model / "model.safetensors").rename(saved_model / "pytorch_model.bin")
    with pytest.raises(NotACheckpointError, match=r"model\.safetensors"):
        load(saved_model)


def test_corrupt_weights(saved_model: Path):
    weights = saved_model / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:100])
    with pytest.raises((CorruptFileError, NotACheckpointError), match=str(saved_model)):
        load(saved_model)


def test_a_hub_id_without_a_network(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(HubUnavailableError, match="take a built-in one: fine-tuned"):
        load("nobody/has-this-model")


def test_a_model_without_a_head_gets_a_seeded_one_and_says_so(saved_model: Path, tmp_path: Path):
    model = BertForSequenceClassification.from_pretrained(saved_model)
    model.bert.save_pretrained(tmp_path / "bare")
    toys.tokenizer().save_pretrained(tmp_path / "bare")
    with pytest.warns(FreshHeadWarning, match="no trained head"):
        first = load(tmp_path / "bare")
    with pytest.warns(FreshHeadWarning, match="textiba finetune"):
        again = load(tmp_path / "bare")
    assert first.labels == ("negative", "positive")
    assert first.fingerprint == again.fingerprint


def test_layers_that_the_config_leaves_out_are_named(saved_model: Path):
    path = saved_model / "config.json"
    config = json.loads(path.read_text())
    path.write_text(json.dumps(config | {"num_hidden_layers": 1}))
    with pytest.warns(UnreadWeightsWarning, match=r"layer\.1\..* its config names fewer layers"):
        assert load(saved_model).n_layers == 1


def test_a_corrupted_adapter(tmp_path: Path):
    folder = shutil.copytree(BUILTIN_FOLDER / "fine-tuned", tmp_path / "copy")
    content = bytearray((folder / ADAPTER).read_bytes())
    content[-1] ^= 1
    (folder / ADAPTER).write_bytes(content)
    with pytest.raises(CorruptFileError, match="the file is damaged"):
        load(folder)


def test_a_missing_adapter_and_a_broken_card(tmp_path: Path):
    folder = shutil.copytree(BUILTIN_FOLDER / "fine-tuned", tmp_path / "copy")
    (folder / ADAPTER).unlink()
    with pytest.raises(CorruptFileError, match="missing; make it anew"):
        load(folder)
    (folder / CARD).write_text("{")
    with pytest.raises(CorruptFileError, match="not a card"):
        load(folder)
    (folder / CARD).write_text('{"base": "built-in", "weights": "x", "sha256": "0", "recipe": "adapter"}')
    with pytest.raises(CorruptFileError, match="not a card"):
        load(folder)


def test_a_head_that_does_not_fit_its_base(tmp_path: Path):
    import torch

    folder = shutil.copytree(BUILTIN_FOLDER / "general-probe", tmp_path / "copy")
    save_file({"classifier.weight": torch.zeros(2, 7)}, str(folder / HEAD))
    card = json.loads((folder / CARD).read_text())
    card["sha256"] = cache.file_hash(folder / HEAD)
    (folder / CARD).write_text(json.dumps(card))
    with pytest.raises(CorruptFileError, match="does not fit"):
        load(folder)


def test_max_length_past_the_model():
    with pytest.raises(InputError, match="between 3 and 512"):
        load("fine-tuned", max_length=4096)


def test_the_committed_weights_stay_small():
    weights = list(BUILTIN_FOLDER.rglob("*.safetensors"))
    assert weights
    assert sum(f.stat().st_size for f in weights) < 4_000_000
    assert not list(BUILTIN_FOLDER.rglob("*.bin"))


@pytest.mark.parametrize(
    ("setting", "value", "reason"),
    [
        ("hidden_size", "32", "'hidden_size' expected int, got str"),
        ("hidden_act", None, "'hidden_act' expected str, got NoneType"),
        ("pad_token_id", [0], "'pad_token_id' with value"),
        ("num_attention_heads", 0, "modulo by zero"),
        ("attn_implementation", "flash_attention_2", "FlashAttention2"),
        ("quantization_config", {"quant_method": "gptq", "bits": 4}, "optimum"),
    ],
)
def test_a_config_that_transformers_cannot_use_is_refused_with_the_reason(
    tmp_path: Path, setting: str, value: Any, reason: str
):
    toys.classifier().save_pretrained(tmp_path)
    toys.tokenizer().save_pretrained(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config | {setting: value}))
    with pytest.raises(NotACheckpointError, match=reason):
        load(tmp_path)
