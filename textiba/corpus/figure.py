"""Figures of a corpus view: words with their intervals, and words and parts of speech over the layers."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from textiba.attribution import class_name
from textiba.corpus.tables import by_layer, layer_name, leading
from textiba.corpus.tally import KindRow, Source
from textiba.errors import InputError
from textiba.show.plots import LEGEND, LINES, panel
from textiba.show.scale import Range
from textiba.show.typeset import FONT, INK, MUTED

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_CLASSES = tuple(LINES[i] for i in (0, 2, 3, 4, 1))  # the colour and the marker of each class
_LINE = 0.19  # inches; height of a row
_THOUSAND = 1000  # larger numbers have no decimals
_FOLD = 3.0  # log2(share of the scores / share of the words) at which the colour saturates


def plot_words(rows: Sequence[KindRow], top: int = 25, title: str = "") -> "Figure":
    """The words with the highest mean score in the texts predicted as each class, with 95 % intervals over texts.

    Each class has a panel. A filled marker is a word's mean in the texts of the panel's class, and a hollow marker is
    its mean in the texts predicted as another class. The words are ordered by the lower end of their interval, highest
    first.

    Args:
        rows: rows of one source.
        top: the largest number of words in a panel.
        title: of the figure.

    Raises:
        InputError: no word occurs often enough in the texts of a class.
    """
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

    classes = sorted({r.predicted for r in rows if r.predicted is not None})
    if not classes:
        raise InputError("no word occurs often enough in the texts of one class; lower min_count, or take more texts")
    chosen = {c: [r for r in rows if r.predicted == c][:top] for c in classes}
    height = 1.5 + _LINE * max(len(found) for found in chosen.values())
    figure = Figure(figsize=(4.3 * len(classes), height), facecolor="white", layout="constrained")
    panels = figure.subplots(1, len(classes), squeeze=False, sharex=True)[0]
    for axes, (c, found) in zip(panels, chosen.items(), strict=True):
        source = found[0].source
        panel(axes, f"Predicted {class_name(source.labels, c)}", f"{source.unit} per occurrence", "")
        axes.grid(visible=False, axis="y")
        axes.grid(axis="x", color="#e5e7eb", lw=0.7)
        axes.axvline(found[0].average, color=MUTED, lw=0.9, ls="--", zorder=1)
        same = {row.kind: y for y, row in enumerate(found)}
        for row in rows:
            if row.predicted not in (c, None) and row.kind in same:
                axes.plot(row.mean.mean, same[row.kind], **_marker(row.predicted, filled=False))
        for y, row in enumerate(found):
            axes.plot([row.mean.low, row.mean.high], [y, y], color=_marker(c)["color"], lw=1.4, alpha=0.55)
            axes.plot(row.mean.mean, y, **_marker(c))
        axes.set_yticks(range(len(found)), [_plain(row.kind) for row in found])
        axes.set_ylim(len(found) - 0.5, -0.5)
        right = {"size": 7, "color": MUTED, "family": FONT, "transform": axes.get_yaxis_transform()}
        for y, text in ((-0.9, "texts"), *((y, f"{row.texts:,}") for y, row in enumerate(found))):
            axes.text(1.02, y, text, va="center", **right)
    handles = [Line2D([], [], **_marker(c), label=f"predicted {class_name(rows[0].source.labels, c)}") for c in classes]
    style = {**_marker(classes[0], filled=False), "color": MUTED}
    hollow = Line2D([], [], **style, label="the same word, other class predicted")
    dashed = Line2D([], [], color=MUTED, lw=0.9, ls="--", label="average word")
    figure.legend(handles=[*handles, hollow, dashed], loc="outside lower center", ncols=len(classes) + 2, **LEGEND)
    _title(figure, title)
    return figure


def plot_words_by_layer(rows: Sequence[KindRow], top: int = 25, title: str = "") -> "Figure":
    """A map of words × layers: the mean score of an occurrence, on one colour scale.

    Args:
        rows: rows of one method at several layers.
        top: the largest number of words; `leading` chooses them.
        title: of the figure.
    """
    from matplotlib.figure import Figure

    layers = by_layer(rows)
    words = leading(layers, top)
    unit = next(iter(layers)).unit
    size = (1.9 + 0.62 * len(layers), 1.1 + _LINE * len(words))
    figure = Figure(figsize=size, facecolor="white", layout="constrained")
    axes = figure.subplots()
    panel(axes, f"{unit.capitalize()} per occurrence", "", "")
    _means(axes, layers, words)
    axes.set_yticks(range(len(words)), [_plain(word) for word in words])
    _title(figure, title)
    return figure


def plot_parts(rows: Sequence[KindRow], title: str = "") -> "Figure":
    """Two maps of parts of speech × layers: the share of all scores, and the mean score of a word.

    The first map also shows the share of all words. Its colour compares the two shares: red means a larger share of the
    scores than of the words, and blue means a smaller share.

    Args:
        rows: rows of one method at one or several layers.
        title: of the figure.
    """
    from matplotlib.figure import Figure

    layers = by_layer(rows)
    unit, first = next(iter(layers)).unit, next(iter(layers.values()))
    parts = sorted(first, key=lambda part: -first[part].share_of_words)
    size = (0.66 * (2 * len(layers) + 1) + 1.9, 1.5 + 0.24 * len(parts))
    figure = Figure(figsize=size, facecolor="white", layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(len(layers) + 1, len(layers)))
    panel(left, f"Share of all {unit}, %", "red: more than its share of\nthe words, blue: less", "")
    texts = [[f"{100 * v:.1f}" for v in (first[p].share_of_words, *(x[p].share.mean for x in layers.values()))]
             for p in parts]  # fmt: skip
    folds = [[0.0, *(_log_fold(found[p]) for found in layers.values())] for p in parts]
    _grid(left, texts, folds, ["words", *(layer_name(s) for s in layers)], Range("fold", _FOLD, signed=True))
    left.set_yticks(range(len(parts)), parts)
    left.axvline(0.5, color="white", lw=6)
    panel(right, f"{unit.capitalize()} per word", "", "")
    _means(right, layers, parts)
    _title(figure, title)
    return figure


def _means(axes: "Axes", layers: dict[Source, dict[str, KindRow]], kinds: Sequence[str]) -> None:
    """Draws the mean score of an occurrence as a map of kinds × layers."""
    values = [[found[kind].mean.mean for found in layers.values()] for kind in kinds]
    flat = [value for row in values for value in row]
    written = iter(_numbers(flat))
    texts = [[next(written) for _ in row] for row in values]
    limit = max(map(abs, flat), default=0.0) or 1.0
    span = Range(next(iter(layers)).unit, limit, signed=min(flat, default=0.0) < 0)
    _grid(axes, texts, values, [layer_name(source) for source in layers], span)


def _log_fold(row: KindRow) -> float:
    """log2(share of the scores / share of the words); a large negative number if the share of the scores is 0."""
    return math.log2(max(row.share.mean, 1e-9) / row.share_of_words)


def _grid(
    axes: "Axes",
    texts: Sequence[Sequence[str]],
    values: Sequence[Sequence[float]],
    columns: Sequence[str],
    span: Range,
) -> None:
    """Draws a grid of cells, each with its text on the colour of its value."""
    from matplotlib.colors import to_rgb

    axes.imshow([[to_rgb(span.color(value)) for value in row] for row in values], aspect="auto")
    for y, row in enumerate(values):
        for x, value in enumerate(row):
            axes.text(x, y, texts[y][x], size=7.5, color=span.ink(value), family=FONT, ha="center",
                      va="center_baseline")  # fmt: skip
    axes.set_xticks(range(len(columns)), columns)
    axes.set_yticks([])
    axes.xaxis.tick_top()
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    axes.grid(visible=False)


def _marker(predicted: int, filled: bool = True) -> dict[str, Any]:
    color, marker = _CLASSES[predicted % len(_CLASSES)]
    return {"color": color, "marker": marker, "ls": "", "ms": 4.5 if filled else 3.8, "mew": 1,
            "mfc": color if filled else "white"}  # fmt: skip


def _plain(text: str) -> str:
    """The text with escaped dollar signs: matplotlib would read a dollar sign as the start of a formula."""
    return text.replace("$", r"\$")


def _numbers(values: Sequence[float]) -> list[str]:
    """Numbers as text, all with the same number of decimals: enough to give the largest number two digits."""
    largest = max(map(abs, values), default=0.0) or 1.0
    decimals = 0 if largest >= _THOUSAND else max(1, 1 - math.floor(math.log10(largest)))
    return [f"{round(value, decimals) + 0.0:,.{decimals}f}".replace("-", "−") for value in values]


def _title(figure: "Figure", title: str) -> None:
    if title:
        figure.suptitle(title, x=0.01, ha="left", family=FONT, size=10, weight="bold", color=INK)
