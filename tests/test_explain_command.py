"""`textiba explain` gives results as JSON and CSV, takes settings and targets by name, and says what is missing."""

import csv
import io
import json
import sys
from pathlib import Path

import numpy as np
import pytest
import toys
from commands import World, command, make_world

import textiba

TEXT = "the film was dreadful"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return make_world(tmp_path_factory.mktemp("wor[l]d [bold]"))


def test_json_of_the_texts_is_what_explain_gives(world: World):
    answer = command("explain", TEXT, "a superb film", "-c", world.model, "--json")
    found = [json.loads(line, parse_constant=pytest.fail) for line in answer.out.splitlines()]
    model = textiba.load(world.model)
    expected = textiba.explain(model, textiba.Evidence(), [TEXT, "a superb film"], textiba.load_statistics(world.model))
    for values, a in zip(found, expected, strict=True):
        np.testing.assert_allclose([w["score"] for w in values["words"]], [w.score for w in a.words()], rtol=1e-5)
        scores = [np.nan if token["score"] is None else token["score"] for token in values["tokens"]]
        np.testing.assert_allclose(scores, a.scores, rtol=1e-5)
        assert [token["token"] for token in values["tokens"]] == list(a.text.tokens)
        assert values["target"] == ("bad", "good")[a.target]
        assert (values["unit"], values["layer"], values["settings"]) == ("nats", 1, dict(a.settings))
    assert [values["id"] for values in found] == ["text-1", "text-2"]


def test_csv_has_a_line_for_each_word(world: World, tmp_path: Path):
    target = tmp_path / "out.csv"
    shown = command("explain", TEXT, "-c", world.model, "--csv", target).out
    assert "nats per word" in shown, "with a file, the terminal shows the text too"
    piped = command("explain", TEXT, "-c", world.model, "--csv").out
    assert piped == target.read_text()
    rows = list(csv.DictReader(io.StringIO(piped)))
    assert [row["word"] for row in rows] == TEXT.split()
    assert [TEXT[int(row["start"]) : int(row["end"])] for row in rows] == TEXT.split()
    assert {row["method"] for row in rows} == {"evidence"}


@pytest.mark.parametrize("suffix", [".json", ".jsonl"])
def test_a_file_of_texts_is_explained_as_it_comes(suffix: str, world: World, tmp_path: Path):
    rows = [{"text": text, "id": f"r{i}"} for i, text in enumerate(toys.texts(150, seed=1))]
    (tmp_path / "in.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    target = tmp_path / f"out{suffix}"
    answer = command("explain", "--file", tmp_path / "in.jsonl", "-c", world.model, "-m", "random", "--json", target)
    assert answer.code == 0, answer.err
    text = target.read_text("utf-8")
    found = json.loads(text) if suffix == ".json" else [json.loads(line) for line in text.splitlines()]
    assert [values["id"] for values in found] == [f"r{i}" for i in range(150)], "in the order of the file"
    assert answer.out.count("\nsum ") == 150


def test_a_text_that_cannot_be_explained_is_told_by_its_place_before_any_result(world: World, tmp_path: Path):
    rows = [{"text": text, "id": f"r{i}"} for i, text in enumerate(toys.texts(150, seed=1))]
    rows[139]["text"] = "\u200b"
    (tmp_path / "in.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    answer = command("explain", "--file", tmp_path / "in.jsonl", "-c", world.model, "-m", "random", "--json")
    assert answer.code == 2
    [line] = answer.errors
    assert "text number 139" in line, "its place in the file, not in the 64 texts that are shown together"
    assert answer.out == ""


@pytest.mark.filterwarnings("always::textiba.errors.TextibaWarning")
def test_texts_that_were_cut_are_told_once(world: World, tmp_path: Path):
    (tmp_path / "in.txt").write_text("\n".join(toys.texts(130, seed=1, shortest=9)))
    answer = command("explain", "--file", tmp_path / "in.txt", "-c", world.model, "-m", "random", "--max-length", 8)
    assert answer.code == 0
    assert answer.err.count("note: ") == 1
    assert "130 of 130 texts were longer than 8 tokens" in answer.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--json", "--csv"], "cannot both go to standard output"),
        (["--set", "nodes"], "--set takes key=value; got 'nodes'"),
        (["--set", "layer=1", "--layer", "2"], "'layer' is given twice"),
        (["--set", "nodes=[1"], "--set nodes=[1: not valid YAML"),
        (["--set", "nodes=three"], "nodes: Input should be a valid integer"),
        (["--set", "nodse=3"], "did you mean 'nodes'?"),
        (["--target", "gooood"], "a label must be one of ['bad', 'good'], or an index from 0 to 1; got 'gooood'"),
        (["--device", "cuda:9"], "device: one of cpu"),
        (["--device", "toaster"], "on this machine; got 'toaster'"),
        (["--text-column", "text"], "--text-column is about the columns of --file; name the file too"),
        (["--combine", "max"], "--combine is about the windows of long texts; give --windows too"),
        (["--windows", "4", "--combine", "median"], "combine: Input should be 'mean' or 'max'"),
        (["--windows", "16", "--max-length", "16"], "windows of 16 tokens share fewer than 16; got stride 16"),
        (["-m", "readout"], "readout needs a trained readout network, and none comes with"),
        (["-m", "per_sample", "--statistics", "nowhere"], "nowhere: no such statistics"),
        (["--html", "x.txt"], "the name ends in .html or .htm; got '.txt'"),
    ],
)  # fmt: skip
def test_a_wrong_argument_is_a_line(arguments: list[str], message: str, world: World):
    import re

    answer = command("explain", TEXT, "-c", world.model, *arguments)
    assert answer.code == 2
    [line] = answer.errors
    assert re.search(message.replace("[", r"\["), line), line


def test_settings_targets_and_devices_by_name(world: World):
    answer = command(
        "explain", TEXT, "-c", world.model, "-m", "integrated_gradients", "--set", "steps=3", "-s", "baseline=pad",
        "--target", "GOOD", "--device", "cpu", "--batch-tokens", 64, "--json",
    )  # fmt: skip
    assert answer.code == 0, answer.err
    found = json.loads(answer.out)
    assert found["target"] == "good"
    assert (found["settings"]["steps"], found["settings"]["baseline"]) == (3, "pad")


def test_what_a_method_needs_is_asked_before_anything_is_loaded(world: World, monkeypatch: pytest.MonkeyPatch):
    def loads(*_: object) -> None:
        raise AssertionError("the model was loaded")

    monkeypatch.setattr("textiba.checkpoints.load.load", loads)
    (world.model / "statistics.safetensors").rename(world.folder / "aside")
    try:
        answer = command("explain", TEXT, "-c", world.model)
        assert f"none come with {world.model}; make them with: textiba estimate -c {world.model}" in answer.err
        answer = command("sweep", world.sweep(), "-o", world.folder / "new")
        assert "make them with: textiba estimate" in answer.err
        assert not (world.folder / "new").exists()
    finally:
        (world.folder / "aside").rename(world.model / "statistics.safetensors")
    for method, package in (
        ("lime", "captum"),
        ("saliency", "captum"),
        ("partition_shap", "shap"),
        ("kernel_shap", "scikit-learn"),
    ):
        with monkeypatch.context() as without:
            name = {"scikit-learn": "sklearn"}.get(package, package)
            find = __import__("importlib.util", fromlist=["find_spec"]).find_spec
            without.setattr(
                "textiba.runs.preflight.find_spec",
                lambda wanted, name=name, find=find: None if wanted == name else find(wanted),
            )
            answer = command("explain", TEXT, "-c", world.model, "-m", method)
            assert answer.code == 2
            assert f"{package} is needed here and not installed; run: pip install 'textiba[baselines]'" in answer.err


@pytest.mark.parametrize("name", sorted(textiba.methods.METHODS))
def test_the_packages_of_a_method_are_those_that_it_imports(name: str, monkeypatch: pytest.MonkeyPatch):
    """The list that is asked before loading names what the method then asks for itself."""
    from textiba.runs.preflight import packages_of

    if name == "readout":
        return
    model = toys.model()
    packages = packages_of(name, textiba.methods.METHODS[name].needs)
    for package in ("captum", "sklearn", "shap"):
        with monkeypatch.context() as without:
            for module in [m for m in sys.modules if m.partition(".")[0] == package]:
                without.delitem(sys.modules, module)
            without.setitem(sys.modules, package, None)
            try:
                textiba.explain(model, textiba.method(name), ["the film"], toys.statistics(model))
                needed = False
            except ImportError:
                needed = True
        assert needed == (package in packages), package
