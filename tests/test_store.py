"""Runs on disk: nothing is lost, nothing is computed twice, and what is read equals what was written."""

import json
from dataclasses import asdict
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import toys
from folders import table

import textiba
import textiba.runs.sweep
import textiba.store.folder
from textiba import JointBottleneck, PerSampleBottleneck, Random, explain, load, load_statistics
from textiba.attribution import BitsDetails
from textiba.errors import CorruptFileError, InputError, RepairWarning
from textiba.evaluation.degradation import Degradation
from textiba.methods import Evidence, Method, ReadoutBottleneck
from textiba.model.outcomes import Rather
from textiba.runs.config import DataChoice, MethodChoice, SweepConfig
from textiba.runs.stream import stream_batches
from textiba.runs.sweep import degrade_run, grouped, sweep
from textiba.store import RunFolder
from textiba.texts.sources import read_texts

CONFIG = SweepConfig(
    data=DataChoice(limit=6),
    max_length=32,
    methods=(
        MethodChoice(name="per_sample", settings={"steps": 2}, layers=(3, 5)),
        MethodChoice(name="evidence", settings={"nodes": 2, "layer": 4}),
        MethodChoice(name="random"),
    ),
)
pytestmark = pytest.mark.filterwarnings("ignore::textiba.errors.TruncationWarning")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    with pytest.warns(UserWarning, match="longer than 32 tokens"):
        return sweep(CONFIG, tmp_path_factory.mktemp("run") / "a")


def test_what_is_read_equals_what_was_computed(folder: RunFolder):
    model = load("fine-tuned", 32)
    method = PerSampleBottleneck(steps=2, layer=3)
    direct = explain(model, method, CONFIG.data.load(), load_statistics("fine-tuned"))
    stored = {i: a for i, a in folder.read() if a.layer == 3}
    assert len(stored) == len(direct) == 6
    for i, expected in enumerate(direct):
        found = stored[i]
        np.testing.assert_allclose(found.scores, expected.scores, rtol=1e-4)
        np.testing.assert_allclose(found.details.information, expected.details.information, rtol=1e-4)  # type: ignore[union-attr]
        assert found.text == expected.text
        assert dict(found.settings) == dict(expected.settings)
        assert (found.target, found.unit, found.signed) == (expected.target, "bits", False)


@pytest.mark.parametrize(
    "method",
    [Random(), Evidence(layer=1), ReadoutBottleneck(), PerSampleBottleneck(layer=1, steps=2), JointBottleneck(steps=2)],
    ids=lambda method: method.name,
)
def test_every_field_of_an_attribution_comes_back(method: Method, tmp_path: Path):
    """From a run's own files, which have no column for what does not fit: `Attributions.save` has one."""
    model = toys.model()
    if isinstance(method, ReadoutBottleneck):
        method = ReadoutBottleneck(weights=toys.readout_file(model))
    pair = textiba.Text("the actor, a man", 1, ((4, 9),), "one", "plot", "a woman was", ((2, 7), (8, 11)))
    texts = [pair, textiba.Text("a dog", None, ((2, 5),)), "the road " * 40]
    found = explain(model, method, texts, toys.statistics(model))
    folder = RunFolder(tmp_path / "run", {})
    folder.append(enumerate(found))
    folder.flush()
    assert [a.to_dict() for _, a in folder.read()] == [a.to_dict() for a in found]


def test_a_label_that_is_a_name_comes_back(tmp_path: Path):
    model = load("fine-tuned", 32).asking(Rather(this="positive", that="negative"))
    found = explain(model, Random(), [textiba.Text("a dull film", "spam"), textiba.Text("a good film", 1)])
    folder = RunFolder(tmp_path / "run", {})
    folder.append(enumerate(found))
    folder.flush()
    found.save(tmp_path / "found.parquet")
    folder.export(tmp_path / "rows.jsonl")
    stored = [a for _, a in folder.read()]
    for again in (stored, list(textiba.Attributions.load(tmp_path / "found.parquet"))):
        assert [a.text.source.label for a in again] == ["spam", "1"]
    folder.export(tmp_path / "rows.csv")
    for file in ("rows.jsonl", "rows.csv"):
        assert [text.label for text in read_texts(tmp_path / file)] == ["spam", "1"]


def test_the_bits_of_each_layer_come_back(tmp_path: Path):
    model, texts = load("fine-tuned", 32), CONFIG.data.load()[:2]
    joint = explain(model, JointBottleneck(layers=(3, 4, 5), steps=1), texts, load_statistics("fine-tuned"))
    folder = RunFolder(tmp_path / "joint", {})
    folder.append(enumerate([*joint, *explain(model, Random(), texts)]))
    folder.flush()
    found = [a for _, a in folder.read()]
    assert [a.layer for a in found] == [None] * 4
    for a, b in zip(found[:2], joint, strict=True):
        assert isinstance(a.details, BitsDetails)
        assert isinstance(b.details, BitsDetails)
        assert a.details.by_layer is not None
        assert b.details.by_layer is not None
        assert (a.details.by_layer.shape, a.details.by_layer.dtype) == ((3, len(a.text)), np.float32)
        np.testing.assert_array_equal(a.details.by_layer, b.details.by_layer)
        np.testing.assert_array_equal(a.scores, b.scores)
        assert textiba.method(a.method, **a.settings) == JointBottleneck(layers=(3, 4, 5), steps=1)


def test_the_manifest_says_how_the_run_was_made(folder: RunFolder):
    manifest = json.loads((folder.path / "manifest.json").read_text())
    assert SweepConfig.from_mapping(manifest["settings"], "manifest") == CONFIG
    assert manifest["checkpoints"] == {"fine-tuned": load("fine-tuned").fingerprint}
    assert manifest["versions"]["torch"]
    assert manifest["seconds"]["fine-tuned"] > 0


def test_a_stopped_run_resumes_to_the_same_numbers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def stop(what: str, done: int, total: int) -> None:
        if done == 8:
            raise KeyboardInterrupt

    monkeypatch.setattr(textiba.runs.sweep, "stream_batches", partial(stream_batches, budget=64))
    whole = sweep(CONFIG, tmp_path / "a")
    with pytest.raises(KeyboardInterrupt):
        sweep(CONFIG, tmp_path / "b", stop)
    assert len(list(RunFolder(tmp_path / "b").read())) == 8
    counts: list[int] = []
    again = sweep(CONFIG, tmp_path / "b", lambda _, done, __: counts.append(done))
    assert counts == [8, 16, 24]
    assert table(again) == table(whole)


def test_a_finished_run_computes_nothing(folder: RunFolder, monkeypatch: pytest.MonkeyPatch):
    before = table(folder)
    steps: list[tuple[int, int]] = []
    assert table(sweep(CONFIG, folder.path, lambda _, done, total: steps.append((done, total)))) == before
    assert steps == [(24, 24)]


def test_another_run_in_the_folder_is_refused(folder: RunFolder):
    with pytest.raises(InputError, match="other settings: seed is 0, now 7"):
        sweep(CONFIG.model_copy(update={"seed": 7}), folder.path)


def test_other_texts_or_another_model_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    texts = tmp_path / "texts.txt"
    texts.write_text("A fine film.\nA dull film.\n")
    config = SweepConfig(data=DataChoice(source=str(texts)), methods=(MethodChoice(name="random"),))
    sweep(config, tmp_path / "run")
    texts.write_text("A fine film.\nAnother film.\n")
    with pytest.raises(InputError, match="made with another 'data'"):
        sweep(config, tmp_path / "run")
    texts.write_text("A fine film.\nA dull film.\n")
    monkeypatch.setattr(textiba.runs.sweep, "load", lambda *_, **__: load("general-probe"))
    with pytest.raises(InputError, match="made with another 'fine-tuned'"):
        sweep(config, tmp_path / "run")


def test_a_damaged_shard_is_set_aside_and_its_texts_computed_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(textiba.store.folder, "_SHARD", 2)
    monkeypatch.setattr(textiba.runs.sweep, "stream_batches", partial(stream_batches, budget=64))
    config = SweepConfig(data=DataChoice(limit=6), max_length=32, methods=(MethodChoice(name="random"),))
    folder = sweep(config, tmp_path / "run")
    before, damaged = table(folder), folder.shards()[1]
    damaged.write_bytes(damaged.read_bytes()[:-100])
    with pytest.raises(CorruptFileError, match="textiba runs repair"):
        list(folder.read())
    with pytest.warns(RepairWarning, match="set aside|computed again"):
        assert table(sweep(config, tmp_path / "run")) == before
    assert len(before) == 6
    assert damaged.with_name(damaged.name + ".damaged").is_file()


def test_a_run_keeps_the_names_of_the_classes(folder: RunFolder):
    assert {a.labels for _, a in folder.read()} == {("negative", "positive")}


def test_no_run_and_a_damaged_one(tmp_path: Path, folder: RunFolder):
    with pytest.raises(InputError, match="no run here"):
        RunFolder(tmp_path / "nothing")
    (tmp_path / "c" / "attributions").mkdir(parents=True)
    (tmp_path / "c" / "manifest.json").write_text((folder.path / "manifest.json").read_text())
    (tmp_path / "c" / "attributions" / "part-00000.parquet").write_bytes(b"PAR1 and then nothing")
    with pytest.raises(CorruptFileError, match="textiba runs repair"):
        list(RunFolder(tmp_path / "c").read())


def test_curves_are_saved_and_read_again(folder: RunFolder):
    with pytest.raises(InputError, match="textiba degrade"):
        folder.read_curves()
    curves = degrade_run(folder, Degradation(steps=(0, 0.5, 1)))
    found = folder.read_curves()
    assert len(found) == len(curves) == 4 * 3
    for a, b in zip(curves, found, strict=True):
        left, right = asdict(a), asdict(b)
        for name in ("steps", "probability", "correct"):
            np.testing.assert_allclose(left.pop(name), right.pop(name))
        assert left == right
    assert [set(group) for group in grouped(found)] == [{"morf", "lerf", "random"}] * 4
