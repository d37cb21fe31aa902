"""Breaks texts into lines and draws them with matplotlib: words on coloured boxes, or below strips of colour.

Lengths are points (1/72 inch).
"""

import functools
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from textiba.attribution import Attribution, amount, class_name, gold_name, word_scores
from textiba.show.legend import outside_note
from textiba.show.scale import FAINTEST, Range, blend
from textiba.show.segments import Segment, segments

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK, MUTED, RULE = "#1f2430", "#6b7280", "#d97706"
FONT = "DejaVu Sans"  # comes with matplotlib, so a picture looks the same on every computer
GLYPH_MISSING = "Glyph .* missing from font"  # matplotlib draws an empty box
SIZE = 9.0
_LINE, _STRIP, _LEADING = 15.0, 7.0, 7.0
_HEAD = 32.0  # height of the title and subtitle of a block
_MARGIN, _GUTTER = 18.0, 26.0
_BAR, _BAR_WIDTH = 36.0, 190.0  # the height of a row of the legend, and the length of its colour bar


@dataclass(frozen=True, slots=True)
class Strip:
    """A row of colour above the text.

    Attributes:
        label: name of the row: its layer or β.
        attribution: attribution of the same text; its word scores colour the row.
    """

    label: str
    attribution: Attribution


@dataclass(frozen=True, slots=True)
class Block:
    """A text to draw: with `strips` above its lines, or with its words on coloured boxes if there are no strips.

    Attributes:
        title: title above the text, in bold.
        attribution: gives the text, and the scores of the boxes.
        span: the colour range.
        strips: the strips from bottom to top.
    """

    title: str
    attribution: Attribution
    span: Range
    strips: tuple[Strip, ...] = ()


@dataclass(frozen=True, slots=True)
class Piece:
    """A word on its line.

    Attributes:
        segment: the segment that the piece is part of.
        text: the characters to draw; fewer than in the segment if the segment contains spaces.
        line: number of the line, from 0 at the top.
        x: left edge, points.
        width: points.
    """

    segment: Segment
    text: str
    line: int
    x: float
    width: float


def typeset(parts: Sequence[Segment], measure: Callable[[str], float], width: float) -> list[Piece]:
    """Breaks lines at white space only, so that "it's" stays whole even if the tokenizer makes three words of it.

    Args:
        parts: the segments of the whole text, in order.
        measure: returns the width of a text, points.
        width: width of the column, points. A stretch without white space that is wider than the column gets a line of
            its own.
    """
    space = measure("n n") - measure("nn")
    pieces: list[Piece] = []
    line, x = 0, 0.0
    for run in _runs(parts):
        if run is None:  # the end of a paragraph
            line, x = (line + 1, 0.0) if x else (line, x)
            continue
        widths = [measure(text) for _, text in run]
        if x and x + sum(widths) > width:
            line, x = line + 1, 0.0
        for (segment, text), w in zip(run, widths, strict=True):
            pieces.append(Piece(segment, text, line, x, w))
            x += w
        x += space
    return pieces


def _runs(parts: Sequence[Segment]) -> list[list[tuple[Segment, str]] | None]:
    """Stretches of pieces without white space between the pieces; None where a new paragraph starts."""
    runs: list[list[tuple[Segment, str]] | None] = []
    current: list[tuple[Segment, str]] = []
    for segment in parts:
        if segment.word is not None:
            current.append((segment, segment.text))
            continue
        for lead, word in _split(segment.text):
            if lead:
                if current:
                    runs.append(current)
                current = []
                if "\n" in lead:
                    runs.append(None)
            if word:
                current.append((segment, word))
    return [*runs, current] if current else runs


def _split(text: str) -> list[tuple[str, str]]:
    """Pairs of white space and the word after it: "a b" -> [("", "a"), (" ", "b")]."""
    pairs: list[tuple[str, str]] = []
    lead, word = "", ""
    for character in text:
        if character.isspace():
            if word:
                pairs.append((lead, word))
                lead, word = "", ""
            lead += character
        else:
            word += character
    return [*pairs, (lead, word)]


@functools.lru_cache(maxsize=20_000)
def text_width(text: str) -> float:
    """The width of `text` in the figures' font, points."""
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import text_to_path

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", GLYPH_MISSING)
        return float(text_to_path.get_text_width_height_descent(text, FontProperties(family=FONT, size=SIZE), False)[0])


def draw_blocks(blocks: Sequence[Block], columns: int, width: float, below: float = 0.0) -> "Figure":
    """Returns a figure with blocks in a grid and, below, a colour bar for each unit.

    Args:
        blocks: the blocks, row by row.
        columns: number of columns of the grid.
        width: width of a column of text.
        below: free height between the grid and the colour bars.
    """
    from matplotlib.figure import Figure

    gutter = 34.0 if any(b.strips for b in blocks) else 0.0
    set_blocks = [typeset(_shown(b.attribution), text_width, width - gutter) for b in blocks]
    rows = [range(i, min(i + columns, len(blocks))) for i in range(0, len(blocks), columns)]
    heights = [max(_height(blocks[i], set_blocks[i]) for i in row) for row in rows]
    across = min(columns, len(blocks))
    spans: dict[Range, list[Attribution]] = {}
    for block in blocks:
        spans.setdefault(block.span, []).extend(s.attribution for s in block.strips)
        if not block.strips:
            spans[block.span].append(block.attribution)
    total_height = sum(heights) + below + len(spans) * _BAR + 2 * _MARGIN
    total = (2 * _MARGIN + across * width + (across - 1) * _GUTTER, total_height)
    figure = Figure(figsize=(total[0] / 72, total[1] / 72), facecolor="white")
    top = _MARGIN
    for row, height in zip(rows, heights, strict=True):
        for column, i in enumerate(row):
            left = _MARGIN + column * (width + _GUTTER)
            axes = _place(figure, left, top, width, height)
            axes.set(xlim=(0, width), ylim=(height, 0))
            axes.axis("off")
            _draw(axes, blocks[i], set_blocks[i], gutter)
        top += height
    note: dict[str, Any] = {"size": SIZE - 1.5, "family": FONT, "va": "center", "parse_math": False}
    beside = (_MARGIN + _BAR_WIDTH + 28) / total[0]
    for row, (span, some) in enumerate(spans.items()):
        down = total[1] - _MARGIN - (len(spans) - row) * _BAR
        _color_bar(_place(figure, _MARGIN + 10.0, down + 8.0, _BAR_WIDTH, 8.0), span)
        figure.text(beside, 1 - (down + 11) / total[1], _unit_note(span), color=INK, **note)
        figure.text(beside, 1 - (down + 22) / total[1], outside_note(span, some), color=MUTED, **note)
    if any(b.attribution.text.source.marked for b in blocks):
        figure.text(beside, (_MARGIN + 1) / total[1], "underlined: marked as the reason", color=MUTED, **note)
    return figure


def _place(figure: "Figure", left: float, top: float, width: float, height: float) -> "Axes":
    across, down = figure.get_size_inches() * 72
    return figure.add_axes((left / across, 1 - (top + height) / down, width / across, height / down))


def _shown(attribution: Attribution) -> list[Segment]:
    """The segments of the text, with a note in place of the part that was cut off."""
    parts = segments(attribution)
    cut = attribution.text.cut
    if not cut:
        return parts
    last = max((i for i, part in enumerate(parts) if part.word is not None), default=-1)
    note = f" … {cut} tokens cut"
    return [*parts[: last + 1], Segment(note, parts[last].end, parts[last].end, None, None, False)]


def _pitch(block: Block) -> float:
    return _LINE + len(block.strips) * _STRIP + (_LEADING if block.strips else 2.0)


def _height(block: Block, pieces: Sequence[Piece]) -> float:
    return _HEAD + (1 + max((p.line for p in pieces), default=0)) * _pitch(block) + 10


def _draw(axes: "Axes", block: Block, pieces: Sequence[Piece], gutter: float) -> None:
    plain: dict[str, Any] = {"family": FONT, "va": "baseline", "parse_math": False, "clip_on": False}
    row_label: dict[str, Any] = {**plain, "ha": "right", "va": "center"}
    axes.text(0, 8, block.title, size=SIZE + 0.5, weight="bold", color=INK, **plain)
    axes.text(0, 21, _subtitle(block), size=SIZE - 1.5, color=MUTED, **plain)
    pitch, rise = _pitch(block), len(block.strips) * _STRIP
    strip_scores = [word_scores(strip.attribution) for strip in block.strips]
    labelled: set[int] = set()
    boxes: list[tuple[float, float, float, float, str]] = []
    for piece in pieces:
        top = _HEAD + piece.line * pitch
        x, word = gutter + piece.x, piece.segment.word
        color = INK if piece.segment.score is not None else MUTED
        if block.strips and piece.line not in labelled:
            labelled.add(piece.line)
            for i, strip in enumerate(block.strips):
                y = top + rise - (i + 0.5) * _STRIP
                axes.text(gutter - 5, y, strip.label, size=5.5, color=MUTED, **row_label)
        if piece.segment.score is not None and word is not None:
            if not block.strips:
                boxes.append((x, top, piece.width, _LINE, block.span.color(piece.segment.score)))
                color = block.span.ink(piece.segment.score)
            for i, scores in enumerate(strip_scores):
                color_at = block.span.color(float(scores[word]))
                boxes.append((x, top + rise - (i + 1) * _STRIP, piece.width, _STRIP, color_at))
        axes.text(x, top + rise + 11, piece.text, size=SIZE, color=color, **plain)
        if piece.segment.marked:
            base = top + rise + _LINE - 1.2
            axes.plot([x, x + piece.width], [base, base], color=RULE, lw=1.1, solid_capstyle="butt", clip_on=False)
    _fill(axes, boxes, "#e9ebef" if block.strips else "white")


def _fill(axes: "Axes", boxes: Sequence[tuple[float, float, float, float, str]], edge: str) -> None:
    """Draws (x, y, width, height, colour) boxes as one artist, since a map has thousands."""
    from matplotlib.collections import PolyCollection

    corners = [((x, y), (x + w, y), (x + w, y + h), (x, y + h)) for x, y, w, h, _ in boxes]
    # A hairline separates neighbours; in a map the hairline also shows the cells that have no colour.
    cells = PolyCollection(corners, facecolors=[c for *_, c in boxes], edgecolors=edge, linewidths=0.35)
    axes.add_collection(cells, autolim=False)


def _subtitle(block: Block) -> str:
    a = block.attribution
    gold = gold_name(a)
    parts = [f"explains {class_name(a.labels, a.target)}, p {a.probability:.2f}"]
    parts += [f"predicts {class_name(a.labels, a.predicted)}"] if a.predicted != a.target else []
    parts += [] if gold is None else [f"gold {gold}"]
    parts += [] if block.strips else [f"sum {amount(a.total, a.signed)} {a.unit}"]
    return " · ".join(parts)


def _unit_note(span: Range) -> str:
    return "against ← nats per word → for" if span.unit == "nats" and span.signed else f"{span.unit} per word"


def _color_bar(axes: "Axes", span: Range) -> None:
    """Draws the colours of a scale from end to end, with their scores."""
    from matplotlib.colors import to_rgb

    places = [(i + 0.5) / 256 for i in range(256)]
    middle = 0.5 if span.signed else 0.0
    faintest = FAINTEST / (1 + span.signed) if span.floor else 0.0
    colors = [blend(span.stops, middle if abs(place - middle) < faintest else place) for place in places]
    axes.imshow([[to_rgb(color) for color in colors]], extent=(0, 1, 0, 1), aspect="auto")
    # Numbers need room, so powers of ten near an end have none, nor has the start of a signed scale, next to the 0.
    # The note beside the bar names the start.
    start, *inside, end = (span.position(size) for size in span.ticks)
    keep = [size for size, at in zip(span.ticks[1:-1], inside, strict=True) if min(at - start, end - at) > 0.15]
    sizes = [*([] if span.signed else span.ticks[:1]), *keep, span.limit]
    ticks = {span.position(size): amount(size, span.signed) for size in sizes}
    if span.signed:
        ticks |= {0.5: "0"} | {span.position(-size): amount(-size) for size in sizes}
    axes.set_xticks(list(ticks), list(ticks.values()))
    axes.set_yticks([])
    axes.tick_params(labelsize=SIZE - 1.5, length=2, color=MUTED, labelcolor=INK, labelfontfamily=FONT)
    axes.spines[:].set_visible(False)
