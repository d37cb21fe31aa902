"""Names of checkpoints: near ones at once, one short question to the hub; and what loading keeps in the cache."""

import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import toys
from commands import World, command, make_world
from safetensors.torch import load_file, save_file

import textiba.checkpoints.cache as cache
from textiba import load
from textiba.checkpoints import load as loading
from textiba.checkpoints.find import BUILTIN_FOLDER, find
from textiba.errors import HubUnavailableError, InputError, NotACheckpointError


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return make_world(tmp_path_factory.mktemp("world"))


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The models that the hub is asked for; it cannot be reached."""
    from textiba.checkpoints import find as module

    asked: list[str] = []

    def model_info(_: Any, name: str, timeout: float) -> None:
        assert timeout < 10
        asked.append(name)
        raise ConnectionError("no route to the hub")

    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setattr("huggingface_hub.HfApi.model_info", model_info)
    module._on_the_hub.cache_clear()
    yield asked
    module._on_the_hub.cache_clear()


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("fine-tund", "fine-tuned"),
        ("finetuned", "fine-tuned"),
        ("general-prob", "general-probe"),
        ("generalfresh", "general-fresh"),
    ],
)
def test_a_misspelt_built_in_name_is_told_without_asking_the_hub(name: str, near: str, hub: list[str]):
    with pytest.raises(NotACheckpointError, match=rf"'{name}': no such checkpoint\. Did you mean {near}"):
        find(name)
    assert hub == []


def test_a_misspelt_folder_is_told_without_asking_the_hub(
    world: World, hub: list[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(world.folder)
    with pytest.raises(NotACheckpointError, match=r"Did you mean model\?"):
        find("modle")
    with pytest.raises(NotACheckpointError, match=rf"no such folder, .*Did you mean {world.model}\?"):
        find(world.folder / "mdoel")
    assert hub == []


@pytest.mark.parametrize("name", ["./nowhere", "a/b/c", "with blank", "x[/]y", "~/model", "-model", ""])
def test_what_is_no_hub_id_is_not_asked_for(name: str, hub: list[str]):
    with pytest.raises(NotACheckpointError, match="no such folder, and a hub id is owner/name|got a file"):
        find(name)
    assert hub == []


def test_a_file_is_no_checkpoint(world: World):
    with pytest.raises(NotACheckpointError, match="a checkpoint is a folder .*; got a file"):
        find(world.texts)


def test_the_hub_is_asked_once_and_not_for_half_a_minute(hub: list[str]):
    began = time.monotonic()
    for _ in range(2):
        with pytest.raises(HubUnavailableError, match=r"the hub cannot be reached \(no route to the hub\)"):
            load("somebody/some-model")
    assert hub == ["somebody/some-model"] * 2, "once for each try"
    assert time.monotonic() - began < 5


def test_a_cached_model_is_loaded_while_the_hub_cannot_be_reached(hub: list[str], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("huggingface_hub.try_to_load_from_cache", lambda *_: "/cache/config.json")
    assert find("somebody/some-model") == {"local_files_only": True}


def test_a_model_that_the_hub_does_not_have(hub: list[str], monkeypatch: pytest.MonkeyPatch):
    from huggingface_hub.errors import RepositoryNotFoundError

    def model_info(*_: Any, **__: Any) -> None:
        raise RepositoryNotFoundError.__new__(RepositoryNotFoundError)

    monkeypatch.setattr("huggingface_hub.HfApi.model_info", model_info)
    with pytest.raises(NotACheckpointError, match="the hub has no such model, or a private one"):
        find("somebody/some-model")


def test_commands_ask_for_the_name_first(world: World, hub: list[str], tmp_path: Path):
    config = world.sweep(checkpoints=[str(world.model), "fine-tund"])
    for arguments in (["explain", "a film", "-c", "fine-tund"], ["sweep", config, "-o", tmp_path / "run"]):
        answer = command(*arguments)
        assert answer.code == 2
        assert "Did you mean fine-tuned" in answer.err
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("kind", ["bert", "roberta", "distilbert"])
def test_a_folder_without_its_tokenizer_is_refused(kind: str, tmp_path: Path):
    toys.classifier(kind).save_pretrained(tmp_path)
    with pytest.raises((NotACheckpointError, InputError), match="tokenizer"):
        load(tmp_path)


# What loading keeps in the user's cache.


@pytest.fixture
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TEXTIBA_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def state(source: str | Path = "fine-tuned") -> tuple[str, dict[str, torch.Tensor]]:
    model = load(source)
    return model.fingerprint, {name: tensor.clone() for name, tensor in model.module.state_dict().items()}


def same(a: tuple[str, dict[str, torch.Tensor]], b: tuple[str, dict[str, torch.Tensor]]) -> bool:
    return a[0] == b[0] and a[1].keys() == b[1].keys() and all(torch.equal(a[1][name], b[1][name]) for name in a[1])


def test_the_merged_adapter_is_kept_and_gives_the_same_model_without_peft(
    empty_cache: Path, monkeypatch: pytest.MonkeyPatch
):
    first = state()
    [kept] = empty_cache.glob("merged-*.safetensors")
    assert kept.stat().st_size < 60e6, "the embeddings are the base's, and are not kept again"
    monkeypatch.setitem(__import__("sys").modules, "peft", None)  # it cannot be imported
    assert same(state(), first)


def test_a_damaged_cache_is_passed_over(empty_cache: Path):
    first = state()
    [kept] = empty_cache.glob("merged-*.safetensors")
    whole = kept.read_bytes()
    flipped = bytearray(whole)
    flipped[-5] ^= 64
    tensors = {name: tensor.clone() for name, tensor in load_file(kept).items()}  # not a map of a file that changes
    for damage in (b"", b"no tensors", whole[:-100], bytes(flipped)):
        kept.write_bytes(damage)
        assert same(state(), first)
        assert kept.read_bytes() == whole, "it is made anew"
    save_file({name: tensor * 0 for name, tensor in tensors.items()}, kept)
    assert same(state(), first)
    (empty_cache / "hashes.json").write_text('{"a": 1')
    assert same(state(), first)


def test_a_cache_that_cannot_be_written_is_done_without(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("TEXTIBA_CACHE", str(tmp_path / "file" / "cache"))
    assert state()[0] == load("fine-tuned").fingerprint


def test_another_adapter_has_a_merge_of_its_own(empty_cache: Path, tmp_path: Path):
    first = state()
    folder = shutil.copytree(BUILTIN_FOLDER / "fine-tuned", tmp_path / "copy")
    weights = load_file(folder / loading.ADAPTER)
    save_file({name: tensor * 1.5 for name, tensor in weights.items()}, folder / loading.ADAPTER)
    card = (folder / "card.json").read_text()
    old = cache.file_hash(BUILTIN_FOLDER / "fine-tuned" / loading.ADAPTER)
    (folder / "card.json").write_text(card.replace(old, cache.file_hash(folder / loading.ADAPTER)))
    other = state(folder)
    assert not same(other, first)
    assert same(state(folder), other)
    assert same(state(), first)
    assert len(list(empty_cache.glob("merged-*"))) == 2


def test_the_base_is_hashed_once_and_again_when_it_changes(
    empty_cache: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    calls: list[Path] = []
    monkeypatch.setattr(cache, "file_hash", lambda path: calls.append(path) or str(path.stat().st_size))
    file = tmp_path / "weights"
    file.write_bytes(b"abc")
    assert [cache.known_hash(file) for _ in range(3)] == ["3"] * 3
    assert len(calls) == 1
    file.write_bytes(b"abcd")
    assert cache.known_hash(file) == "4"
    assert len(calls) == 2


def test_the_cache_is_where_others_have_theirs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.delenv("TEXTIBA_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache.cache_folder() == tmp_path / "textiba"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache.cache_folder() == Path.home() / ".cache" / "textiba"
