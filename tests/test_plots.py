"""Figures show the values they were given, on one scale."""

import warnings
from pathlib import Path

import matplotlib
import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from pictures import WORDS, attribution, curves, tokenized

from textiba.errors import InputError
from textiba.evaluation.intervals import Interval
from textiba.evaluation.profile import LayerRow
from textiba.show.plots import plot_betas, plot_curves, plot_highlight, plot_layer_map, plot_profile, save
from textiba.show.scale import Scale
from textiba.texts.sources import Text

CHECKPOINTS = ("general", "fine-tuned")


def _texts(figure: Figure) -> list[str]:
    return [t.get_text() for axes in figure.axes for t in axes.texts]


def _cells(figure: Figure) -> list[list[str]]:
    """The colours of the boxes, axes by axes."""
    found = [[c for c in axes.collections if isinstance(c, PolyCollection)] for axes in figure.axes]
    return [[to_hex(color) for color in np.asarray(cells[0].get_facecolor()).tolist()] for cells in found if cells]


def _points(axes: Axes) -> tuple[list[float], list[float]]:
    """The coordinates of the first line."""
    x, y = axes.lines[0].get_data()
    return np.asarray(x).tolist(), np.asarray(y).tolist()


def test_texts_side_by_side_share_a_scale():
    faint, strong = (
        attribution([k * s for s in (1, -1, 0, 1, 1, 1, 0)], checkpoint=c) for k, c in ((1, "g"), (3, "f"))
    )
    figure = plot_highlight([faint, strong], titles=["general", "fine-tuned"])
    span = Scale.of([faint, strong]).at(faint)
    assert _cells(figure) == [[span.color(w.score) for w in a.words()] for a in (faint, strong)]
    assert [t for t in _texts(figure) if t in WORDS] == [*WORDS, *WORDS]
    assert [text.get_text() for text in figure.texts] == [
        "against ← nats per word → for", f"logarithmic; 4 of 12 words, below {span.floor:.3g}, have no colour",
        "underlined: marked as the reason",
    ]  # fmt: skip
    bar = figure.axes[-1]
    ticks = dict(zip((t.get_text() for t in bar.get_xticklabels()), bar.get_xticks().tolist(), strict=True))
    assert ticks == {
        text: pytest.approx(span.position(score))
        for text, score in (("−6", -6.0), ("−1", -1.0), ("0", 0.0), ("+1", 1.0), ("+6", 6.0))
    }
    drawn = np.asarray(bar.images[0].get_array())[0]
    assert {to_hex(color) for color in drawn[117:139].tolist()} == {"#ffffff"}  # no score has these colours
    for score in (-6.0, -1.0, 0.0, 1.0):
        shown = to_hex(drawn[int(256 * span.position(score))].tolist())
        assert [int(shown[i : i + 2], 16) for i in (1, 3, 5)] == pytest.approx(
            [int(span.color(score)[i : i + 2], 16) for i in (1, 3, 5)], abs=8
        )


def test_different_units_have_a_bar_each_and_cut_text_is_named():
    figure = plot_highlight([attribution(unit="bits", text=tokenized(cut=3)), attribution()])
    units = [text.get_text() for text in figure.texts if "per word" in text.get_text()]
    assert units == ["bits per word", "against ← nats per word → for"]
    assert {"3", "tokens", "cut"} <= set(_texts(figure))


def test_a_dollar_and_a_foreign_letter_are_only_text(tmp_path: Path):
    text = tokenized(Text("It cost $5 and $6, naïve 東京"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # a letter that the font lacks is drawn as a box, without a word
        figure = plot_highlight([attribution(text=text)])
        save(figure, tmp_path / "figure.png")
    assert {"$", "東京"} <= set(_texts(figure))


def test_a_layer_map_has_a_cell_for_every_word_and_layer():
    layers = [attribution([i + s for s in range(7)], layer=i, checkpoint=c) for c in CHECKPOINTS for i in (2, 0, 1)]
    figure = plot_layer_map(layers)
    span = Scale.of(layers).at(layers[0])
    general = sorted(layers[:3], key=lambda a: a.layer or 0)
    want = [span.color(a.words()[w].score) for w in range(len(WORDS)) for a in general]
    assert _cells(figure)[0] == want
    assert [t for t in _texts(figure) if t in ("L0", "L1", "L2")][:3] == ["L0", "L1", "L2"]


def test_a_map_is_of_one_text_and_one_value_each():
    with pytest.raises(InputError, match="one text in one unit"):
        plot_layer_map([attribution(), attribution(unit="bits")])
    with pytest.raises(InputError, match=r"one attribution for each layer and checkpoint; got layer \[1, 1\]"):
        plot_layer_map([attribution(), attribution()])
    with pytest.raises(InputError, match="for each beta"):
        plot_betas([attribution(layer=1)])


def test_betas_show_the_totals():
    swept = [attribution([1 / b] * 7, "bits", beta=b) for b in (1e-2, 1e-4, 1e-3)]
    figure = plot_betas(swept)
    [passing] = [axes for axes in figure.axes if axes.get_title(loc="left") == "Information that passes"]
    assert _points(passing)[0] == [1e-4, 1e-3, 1e-2]
    np.testing.assert_allclose(_points(passing)[1], [7e4, 7e3, 7e2], rtol=1e-5)
    assert passing.get_xscale() == "log"
    assert passing.get_ylabel() == "bits per text"


def _row(checkpoint: str, layer: int | None, value: float, **more: Interval) -> LayerRow:
    interval = Interval(value, value - 1, value + 1)
    method = "per_sample" if "kept" in more else "evidence"
    return LayerRow(checkpoint, method, layer, None, 8, interval, interval, more.get("usable"), more.get("kept"))


def test_a_profile_has_a_panel_for_each_measure_and_a_line_for_each_checkpoint():
    kept = Interval(0.9, 0.8, 1.0)
    rows = [_row(c, i, 10.0 * i, kept=kept) for c in CHECKPOINTS for i in (1, 0)]
    rows += [_row(c, int(i), 1.0, usable=Interval(i, i - 0.5, i + 0.5)) for c in CHECKPOINTS for i in (0.0, 1.0)]
    bits, usable = plot_profile(rows).axes
    assert [line.get_label() for line in bits.lines[:2]] == list(CHECKPOINTS)
    assert _points(bits)[1] == [0.0, 10.0]
    assert _points(usable)[1] == [0.0, 1.0]
    assert len(plot_profile(rows[:2]).axes) == 1
    with pytest.raises(InputError, match="none of 0 rows"):
        plot_profile([_row("general", None, 1.0, kept=kept)])


def test_curves_show_means_and_the_area():
    figure = plot_curves({"one": curves(), "two": {"random": curves()["random"]}})
    first, second = figure.axes
    assert first.get_title(loc="left").strip() == "one"
    np.testing.assert_allclose(_points(first)[1], [0.9, 0.1, 0.1])
    assert [text.get_text() for text in first.texts] == ["area 0.40 [0.40, 0.40], 5 texts"]
    assert [text.get_text() for text in second.texts] == ["5 texts"]
    [legend] = figure.legends
    names = [text.get_text() for text in legend.get_texts()]
    assert sorted(names) == ["least relevant first", "most relevant first", "random"]
    with pytest.raises(InputError, match="at least one group of curves; got none"):
        plot_curves({})


def test_figures_are_saved_by_ending_and_leave_no_global_state(tmp_path: Path):
    settings = matplotlib.RcParams.copy(matplotlib.rcParams)
    path = save(plot_curves({"one": curves()}), tmp_path / "new" / "curves.png")
    assert path.read_bytes().startswith(b"\x89PNG")
    # "backend" is found out when it is first asked for, which the comparison itself does.
    assert [key for key, value in matplotlib.rcParams.items() if key != "backend" and settings[key] != value] == []
