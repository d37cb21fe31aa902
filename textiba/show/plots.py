"""Figures from results, never from a model. Each function returns a matplotlib `Figure` and changes no global state."""

import math
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from textiba.attribution import Attribution, BitsDetails, Curve, describe
from textiba.errors import InputError
from textiba.evaluation.degradation import lerf_morf_area
from textiba.evaluation.intervals import Interval, bootstrap
from textiba.evaluation.profile import LayerRow
from textiba.show.highlight import checked_titles
from textiba.show.scale import Scale
from textiba.show.typeset import FONT, GLYPH_MISSING, INK, MUTED, Block, Strip, draw_blocks
from textiba.store.output import suffix, write_file

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Colours that colour-blind readers can distinguish; the markers also differ in grey.
LINES = (("#b45309", "o"), ("#475569", "s"), ("#0f766e", "^"), ("#7c3aed", "D"), ("#be185d", "v"), ("#1d4ed8", "P"))
ORDERS = {"morf": ("most relevant first", "#b2182b", "-"), "lerf": ("least relevant first", "#2166ac", "-"),
          "random": ("random", "#6b7280", "--")}  # fmt: skip
LEGEND = {"frameon": False, "prop": {"family": FONT, "size": 8}, "labelcolor": INK, "handlelength": 1.6}
_COLUMN, _WIDE = 330.0, 560.0  # points
_DRAWS = 500  # number of bootstrap resamplings, for bands


def plot_highlight(
    attributions: Sequence[Attribution],
    scale: Scale | None = None,
    titles: Sequence[str] | None = None,
    columns: int = 3,
) -> "Figure":
    """Draws highlighted texts side by side, on one colour scale: two checkpoints, for example, or bits and evidence.

    Args:
        attributions: one attribution for each block, row by row.
        scale: colour scale for all attributions; made from `attributions` when None.
        titles: one title for each attribution; made from the attributions when None.
        columns: the largest number of blocks in a row.

    Raises:
        InputError: no attributions, or the number of titles differs from the number of attributions.
    """
    scale = scale or Scale.of(attributions)
    titles = checked_titles(attributions, titles)
    blocks = [Block(title, a, scale.at(a)) for a, title in zip(attributions, titles, strict=True)]
    return draw_blocks(blocks, columns, _WIDE if len(blocks) == 1 else _COLUMN)


def plot_layer_map(
    attributions: Sequence[Attribution], scale: Scale | None = None, title: str | None = None
) -> "Figure":
    """Draws a map of layers × words: the text, and above each line a strip of colour for every layer.

    Args:
        attributions: attributions of one text at several layers; several checkpoints are drawn side by side.
        scale: colour scale for all attributions; made from `attributions` when None.
        title: title of the map, made from the attributions when None; with several checkpoints, their names are added.

    Raises:
        InputError: there are several texts or units, a layer is None, or a checkpoint has a layer twice.
    """
    return draw_blocks(*_maps(attributions, scale, title, "layer"))


def plot_betas(attributions: Sequence[Attribution], scale: Scale | None = None, title: str | None = None) -> "Figure":
    """Draws a map of β × words, and two curves over β: the total information that passes, and the kept probability.

    Args:
        attributions: attributions of one text at several β; several checkpoints are drawn side by side.
        scale: colour scale for all attributions; made from `attributions` when None.
        title: title of the map; made from the attributions when None.

    Raises:
        InputError: there are several texts or units, an attribution has no β, or a checkpoint has a β twice.
    """
    blocks, columns, width = _maps(attributions, scale, title, "beta")
    figure = draw_blocks(blocks, columns, width, below=172.0)
    down = figure.get_size_inches()[1] * 72
    panels = [figure.add_axes((left, 98 / down, 0.36, 125 / down)) for left in (0.1, 0.58)]
    panel(panels[0], "Information that passes", "β (price of a nat)", f"{attributions[0].unit} per text")
    panel(panels[1], "Prediction that is kept", "β (price of a nat)", "p(target) kept")
    for i, (name, group) in enumerate(_by_checkpoint(attributions).items()):
        ordered = sorted(group, key=lambda a: a.settings["beta"])
        betas = [a.settings["beta"] for a in ordered]
        _line(panels[0], betas, [a.total for a in ordered], i, name)
        kept = [a.details.probability if isinstance(a.details, BitsDetails) else math.nan for a in ordered]
        _line(panels[1], betas, kept, i, name)
    panels[0].set_ylim(bottom=0)
    panels[1].set_ylim(0, 1.02)
    for axes in panels:
        axes.set_xscale("log" if all(a.settings["beta"] > 0 for a in attributions) else "symlog")
    if len(blocks) > 1:
        panels[0].legend(**LEGEND)
    return figure


def plot_profile(rows: Sequence[LayerRow]) -> "Figure":
    """Draws the bits that pass and the usable bits by layer, with a line and a 95 % band for each checkpoint (and β).

    Args:
        rows: the rows of `layer_profile`. The first panel shows rows that have `kept`, the second rows that have
            `usable`.

    Raises:
        InputError: no row with a layer has `kept` or `usable`.
    """
    from matplotlib.figure import Figure

    rows = [r for r in rows if r.layer is not None]
    bits, usable = [r for r in rows if r.kept is not None], [r for r in rows if r.usable is not None]
    wanted = [
        ("Bits that the bottleneck lets through", "bits per text", [(r, r.total) for r in bits]),
        ("Usable bits about the class", "log₂ p(target), open − closed [bits]", [(r, r.usable) for r in usable]),
    ]
    panels = [(title, unit, pairs) for title, unit, pairs in wanted if pairs]
    if not panels:
        raise InputError(
            f"a profile needs rows of bits or evidence at a layer; none of {len(rows)} rows with a layer has them"
        )
    names = list(dict.fromkeys(r.checkpoint for r in rows))
    figure = Figure(figsize=(5.2 * len(panels), 3.6), facecolor="white", layout="constrained")
    for axes, (title, unit, pairs) in zip(np.ravel(figure.subplots(1, len(panels))), panels, strict=True):
        panel(axes, title, "layer (0: embeddings)", unit)
        _profile_panel(axes, pairs, names)
    return figure


def plot_curves(curves: Mapping[str, Mapping[str, Curve]], columns: int = 3) -> "Figure":
    """Draws degradation curves, with a panel for each label.

    A panel has the curves MoRF, LeRF and random with 95 % bands, and the area between LeRF and MoRF.

    Args:
        curves: {label: {order: Curve}}, each as `degrade` returns it.
        columns: the largest number of panels in a row.

    Raises:
        InputError: there are no curves.
    """
    from matplotlib.figure import Figure

    if not curves:
        raise InputError("a figure needs at least one group of curves; got none. Make curves with textiba.degrade()")
    across = 2 if len(curves) == 4 and columns == 3 else min(columns, len(curves))
    down = math.ceil(len(curves) / across)
    figure = Figure(figsize=(max(4.2, 3.7 * across), 3.1 * down + 0.35), facecolor="white", layout="constrained")
    grid = np.ravel(figure.subplots(down, across, sharey=True))
    for i, (axes, (label, group)) in enumerate(zip(grid, curves.items(), strict=False)):
        _curve_panel(axes, label.replace("_", " "), dict(group))
        axes.set_ylabel(axes.get_ylabel() if i % across == 0 else "")
    for axes in grid[len(curves) :]:
        axes.set_visible(False)
    handles = {str(h.get_label()): h for axes in grid for h in axes.get_legend_handles_labels()[0]}
    figure.legend(handles=list(handles.values()), loc="outside lower center", ncols=len(ORDERS), **LEGEND)
    return figure


def save(figure: "Figure", path: str | Path) -> Path:
    """Writes a figure as .png, .svg or .pdf (the path's ending decides), at 200 dpi. Returns the path.

    An SVG draws letters as outlines, so it looks the same on a computer without the figures' font.

    Raises:
        InputError: the path has another ending, or is a folder.
        StorageError: the file cannot be written.
    """
    kind = suffix(path, ("png", "svg", "pdf"))
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", GLYPH_MISSING)
        return write_file(path, lambda place: figure.savefig(place, dpi=200, format=kind))


def bands(curve: Curve) -> list[Interval]:
    """The mean probability of the target at each step, with its bootstrap interval over texts."""
    return [bootstrap(column, draws=_DRAWS) for column in curve.probability.T]


def _maps(
    attributions: Sequence[Attribution], scale: Scale | None, title: str | None, axis: str
) -> tuple[list[Block], int, float]:
    """Returns a block for each checkpoint with a strip for each value of `axis`, and the columns' number and width."""
    scale = scale or Scale.of(attributions)
    if len({(a.text.source.whole, a.unit) for a in attributions}) != 1:
        raise InputError("a map shows one text in one unit; got several. Choose the attributions of one text and unit")
    groups = _by_checkpoint(attributions)
    blocks = []
    for name, group in groups.items():
        values = [a.layer if axis == "layer" else a.settings.get("beta") for a in group]
        if None in values or len(set(values)) != len(values):
            raise InputError(
                f"a map has one attribution for each {axis} and checkpoint; got {axis} {values} for '{name}'"
            )
        order = sorted(range(len(group)), key=lambda i: values[i])  # type: ignore[arg-type,return-value] - no None
        mark = "L{}" if axis == "layer" else "β {:g}"
        strips = tuple(Strip(mark.format(values[i]), group[i]) for i in order)
        head = describe(group[0]) if title is None else f"{title} · {name}" if len(groups) > 1 else title
        if title is None:
            head = f"{name} · {group[0].method.replace('_', ' ')} · {_fixed(group, axis)}by {_AXES[axis]}"
        blocks.append(Block(head, group[0], scale.at(group[0]), strips))
    return blocks, 2, _WIDE if len(blocks) == 1 else _COLUMN + 60


_AXES = {"layer": "layer", "beta": "β"}


def _fixed(group: Sequence[Attribution], axis: str) -> str:
    """The setting that all attributions share, in words."""
    beta, layer = {a.settings.get("beta") for a in group}, {a.layer for a in group}
    if axis == "layer":
        return f"β {min(beta):g} · " if len(beta) == 1 and None not in beta else ""  # type: ignore[type-var]
    return f"layer {min(layer)} · " if len(layer) == 1 and None not in layer else ""  # type: ignore[type-var]


def _by_checkpoint(attributions: Sequence[Attribution]) -> dict[str, list[Attribution]]:
    groups: dict[str, list[Attribution]] = {}
    for a in attributions:
        groups.setdefault(a.checkpoint, []).append(a)
    return groups


def panel(axes: "Axes", title: str, x: str, y: str) -> None:
    """Sets the title, labels and frame of a panel, in the style of all figures."""
    axes.set_title(title, size=9.5, weight="bold", color=INK, loc="left", family=FONT)
    axes.set_xlabel(x, size=8.5, color=INK, family=FONT)
    axes.set_ylabel(y, size=8.5, color=INK, family=FONT)
    axes.tick_params(labelsize=8, color=MUTED, labelcolor=INK, length=3, labelfontfamily=FONT)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(MUTED)
    axes.grid(axis="y", color="#e5e7eb", lw=0.7)
    axes.set_axisbelow(True)


def band_line(
    axes: "Axes", x: Sequence[float | int], points: Sequence[Interval], index: int, label: str, dash: str = "-"
) -> None:
    """Draws a line through means and a band for their intervals, in the colour and with the marker of `index`."""
    color = LINES[index % len(LINES)][0]
    axes.fill_between(x, [p.low for p in points], [p.high for p in points], color=color, alpha=0.14, lw=0)
    _line(axes, x, [p.mean for p in points], index, label, dash)


def _line(axes: "Axes", x: Sequence[float | int], y: Sequence[float], index: int, label: str, dash: str = "-") -> None:
    color, marker = LINES[index % len(LINES)]
    axes.plot(x, y, dash, color=color, marker=marker, ms=4, lw=1.6, label=label)


def _profile_panel(axes: "Axes", pairs: Sequence[tuple[LayerRow, Interval | None]], names: Sequence[str]) -> None:
    lines: dict[tuple[str, str, float | None], list[tuple[int, Interval]]] = {}
    for row, interval in pairs:
        if interval is not None and row.layer is not None:
            lines.setdefault((row.checkpoint, row.method, row.beta), []).append((row.layer, interval))
    betas = sorted({beta for _, _, beta in lines if beta is not None})
    methods = {method for _, method, _ in lines}
    for (name, method, beta), points in lines.items():
        points.sort(key=lambda point: point[0])
        extra = [f"β {beta:g}"] if len(betas) > 1 and beta is not None else []
        label = " · ".join([name, *([method] if len(methods) > 1 else []), *extra])
        index = names.index(name)
        dash = ("-", "--", ":", "-.")[betas.index(beta) % 4] if beta is not None else "-"
        x = [layer for layer, _ in points]
        band_line(axes, x, [i for _, i in points], index, label, dash)
    axes.set_xticks(sorted({layer for points in lines.values() for layer, _ in points}))
    axes.set_ylim(bottom=min(0.0, axes.get_ylim()[0]))
    axes.axhline(0, color=MUTED, lw=0.8)
    axes.legend(title=f"{pairs[0][0].texts} texts, 95 % bands", title_fontproperties={"family": FONT, "size": 7.5},
                **LEGEND)  # fmt: skip


def _curve_panel(axes: "Axes", label: str, group: dict[str, Curve]) -> None:
    first = next(iter(group.values()))
    how = {"delete": "deleted", "mask": "masked", "pad": "padded", "attention": "hidden"}.get(
        first.removal, first.removal
    )
    whose = {"text": " of the first text", "pair": " of the second text"}.get(first.part, "")
    panel(axes, label, f"{'share' if first.by == 'fraction' else 'number'} of tokens{whose} {how}", "p(target)")
    for order, curve in group.items():
        name, color, dash = ORDERS[order]
        points = bands(curve)
        axes.fill_between(curve.steps, [i.low for i in points], [i.high for i in points], color=color, alpha=0.13, lw=0)
        axes.plot(curve.steps, [i.mean for i in points], dash, color=color, lw=1.6, label=name)
    title = f"{len(first.probability)} texts"
    if {"morf", "lerf"} <= group.keys():
        interval = bootstrap(lerf_morf_area(group))
        title = f"area {interval.mean:.2f} [{interval.low:.2f}, {interval.high:.2f}], {title}"
    axes.set_ylim(0, 1.02)
    axes.set_xlim(float(first.steps[0]), float(first.steps[-1]))
    axes.set_title(f"{label}\n", size=9.5, weight="bold", color=INK, loc="left", family=FONT)
    axes.text(0, 1.03, title, size=8, color=MUTED, family=FONT, transform=axes.transAxes)
