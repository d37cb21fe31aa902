"""A corpus view as a person runs it: the folder it leaves, its figures, and what the terminal says."""

import csv
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import toys
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from pictures import attribution, tokenized

from textiba import cli
from textiba.corpus import CorpusConfig, CorpusView, KindRow, corpus_view
from textiba.corpus import run as module
from textiba.corpus.figure import plot_parts, plot_words, plot_words_by_layer
from textiba.corpus.tagging import PIPELINE
from textiba.errors import InputError
from textiba.show.plots import save
from textiba.texts.sources import Text

MODEL = toys.model(labels=2)
COUNT = 40


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """A view of a toy at three layers, over texts in a file."""
    monkeypatch.setattr(module, "load", lambda *_, **__: MODEL)
    toys.statistics(MODEL).save(tmp_path / "statistics.safetensors")
    (tmp_path / "texts.txt").write_text("\n".join(toys.texts(COUNT)))
    return {
        "checkpoint": "general-fresh",
        "data": {"source": str(tmp_path / "texts.txt")},
        "methods": [{"name": "evidence", "settings": {"nodes": 1}, "layers": [0, 2]}],
        "statistics": str(tmp_path / "statistics.safetensors"),
        "min_count": 5,
        "tagger": None,
    }


def read(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_the_folder_has_every_row_and_what_it_was_made_with(settings: dict[str, Any], tmp_path: Path):
    told = []
    found = corpus_view(CorpusConfig(**settings), tmp_path / "out", lambda *what: told.append(what))
    assert told[-1] == ("toy-bert", 2 * COUNT, 2 * COUNT)
    assert found.parts == []
    names = {path.name for path in (tmp_path / "out").iterdir()}
    figures = {"evidence-words.png", *(f"evidence-words-layer-{layer}.png" for layer in (0, 2))}
    assert names == {"words.csv", "result.json", *figures} == {path.name for path in found.files}
    lines = read(tmp_path / "out" / "words.csv")
    assert len(lines) == len(found.words)
    assert {line["layer"] for line in lines} == {"0", "2"}
    assert all(float(line["low"]) <= float(line["mean"]) <= float(line["high"]) for line in lines)
    assert min(int(line["texts"]) for line in lines) >= 5
    texts = toys.texts(COUNT)
    for line in (line for line in lines if line["predicted"] == "all"):
        counts = [text.split().count(line["word"]) for text in texts]
        assert (int(line["occurrences"]), int(line["texts"])) == (sum(counts), np.count_nonzero(counts))
    result = json.loads((tmp_path / "out" / "result.json").read_text("utf-8"))
    assert result["checkpoint"] == MODEL.fingerprint
    assert result["texts"]["count"] == COUNT
    predicted = {name: n for name, n in result["texts"].items() if name.startswith("predicted ")}
    classes = [int(toys.forward(MODEL, [text]).logits.argmax()) for text in texts]
    assert predicted == {f"predicted {MODEL.labels[c]}": classes.count(c) for c in sorted(set(classes))}
    assert result["settings"]["min_count"] == 5
    assert {"torch", "spacy"} <= result["versions"].keys()


def test_no_word_is_frequent_enough(settings: dict[str, Any], tmp_path: Path):
    with pytest.raises(InputError, match="no word occurs in 500 of these 40 texts; lower min_count"):
        corpus_view(CorpusConfig(**{**settings, "min_count": 500}), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_the_command_line_prints_words_and_parts_of_speech(
    settings: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    pytest.importorskip(PIPELINE)
    source = settings["data"]["source"]
    config = {**settings, "tagger": PIPELINE, "data": {"source": "nowhere.txt"}}
    (tmp_path / "config.yaml").write_text(json.dumps(config))  # JSON is YAML
    out = str(tmp_path / "out")
    monkeypatch.setattr(sys, "argv", ["textiba", "corpus", str(tmp_path / "config.yaml"), "-o", out, "--data", source])
    with pytest.raises(SystemExit) as stop:
        cli.main()
    assert stop.value.code == 0
    said = capsys.readouterr().out
    assert "evidence: nats per occurrence, texts predicted" in said
    assert "evidence: % of all words, and of all nats" in said
    assert "NOUN" in said
    lines = [line for line in read(tmp_path / "out" / "pos.csv") if line["predicted"] == "all"]
    for layer in "02":
        at = [line for line in lines if line["layer"] == layer]
        assert 0.9 < sum(float(line["share"]) for line in at) < 1 + 1e-4
        assert 0.9 < sum(float(line["share of words"]) for line in at) < 1 + 1e-4
    assert (tmp_path / "out" / "evidence-pos.png").stat().st_size > 10_000


TAGS = {"good": "ADJ", "bad": "ADJ", "film": "NOUN", "$": "SYM"}
TEXTS = (
    ("good film", (4, 1), 1),
    ("bad film $", (3, 1, 2), 0),
    ("good good film $", (4, 3, 1, 0), 1),
    ("bad film", (5, 0), 0),
)


def rows(sign: int = 1, layers: tuple[int, ...] = (1, 2)) -> tuple[list[KindRow], list[KindRow]]:
    """Words and parts of speech of twelve texts; bits, or nats where the sign is −1."""
    view = CorpusView()
    for text, scores, predicted in TEXTS * 3:
        for layer in layers:
            values = [layer * s * sign for s in scores]
            unit = "bits" if sign > 0 else "nats"
            a = attribution(values, unit, tokenized(Text(text)), predicted=predicted, layer=layer)
            words = a.words()
            view.add(a, words, [TAGS[w.text] for w in words])
    return view.words(), view.parts()


def labels(figure: Figure, axes: int = 0) -> list[str]:
    return [label.get_text() for label in figure.axes[axes].get_yticklabels()]


def cells(figure: Figure, axes: int = 0) -> list[str]:
    return [text.get_text() for text in figure.axes[axes].texts]


def test_words_stand_in_the_panel_of_their_class_with_their_intervals(tmp_path: Path):
    words = rows(layers=(1,))[0]
    figure = plot_words(words, top=3, title="a title")
    negative, positive = figure.axes
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["Predicted negative", "Predicted positive"]
    assert labels(figure) == ["bad", r"\$", "film"]
    assert labels(figure, 1) == ["good", "film", r"\$"]
    assert cells(figure) == ["texts", "6", "3", "6"]
    [film] = [row for row in words if row.kind == "film" and row.predicted == 1]
    spans = [np.asarray(line.get_xdata()).tolist() for line in positive.lines if len(np.asarray(line.get_xdata())) == 2]
    assert [film.mean.low, film.mean.high] in spans
    hollow = [line for line in negative.lines if line.get_markerfacecolor() == "white" and line.get_marker() == "^"]
    assert sorted(int(np.asarray(line.get_ydata())[0]) for line in hollow) == [1, 2], "what both classes have"
    assert save(figure, tmp_path / "words.png").stat().st_size > 10_000


def test_no_class_has_a_word():
    with pytest.raises(InputError, match="no word occurs often enough"):
        plot_words([row for row in rows()[0] if row.predicted is None])


def test_the_map_of_words_has_every_layer_on_one_scale(tmp_path: Path):
    figure = plot_words_by_layer(rows()[0], top=3)
    assert labels(figure) == ["good", "bad", "film"]
    assert cells(figure)[:4] == ["3.7", "7.3", "4.0", "8.0"]
    assert [label.get_text() for label in figure.axes[0].get_xticklabels()] == ["layer 1", "layer 2"]
    assert save(figure, tmp_path / "map.png").stat().st_size > 5_000


def test_the_map_of_parts_compares_shares():
    figure = plot_parts(rows()[1], "a title")
    assert labels(figure) == ["ADJ", "NOUN", "SYM"]
    # 5 of 11 words are adjectives, with 19 of 24 bits.
    assert cells(figure)[:3] == ["45.5", "79.2", "79.2"]
    colors = np.asarray(figure.axes[0].images[0].get_array())
    assert to_hex(colors[0, 0].tolist()) == "#ffffff"
    assert colors[0, 1, 0] > colors[0, 1, 2], "more than its share: red"
    assert colors[1, 1, 2] > colors[1, 1, 0], "less: blue"


def test_what_speaks_against_is_blue_and_has_a_minus():
    figure = plot_words_by_layer(rows(sign=-1)[0])
    assert "−8.0" in cells(figure)
    assert cells(figure).count("−0.0") == 0
