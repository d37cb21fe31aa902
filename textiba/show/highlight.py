"""A text with each word on the colour of its score: in a terminal (rich) and as HTML (spaCy's displaCy).

Text between words, such as spaces, stays as it was; text that was cut off stays too, and is said to carry no score.
"""

import html
import itertools
import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from textiba.attribution import Attribution, BitsDetails, EvidenceDetails, amount, class_name, describe, top_words
from textiba.errors import InputError
from textiba.show.scale import DARK_GROUND, Range, Scale, readable

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

_TOP = 5  # words that are listed under a text
_SHOWN = 24  # texts that HTML shows; a notebook's cell is no place for a corpus
_PLAIN = 0.25  # share of the limit from which a score is printed where there are no colours
_BAR = 21  # steps of a legend, of which the middle one is 0; and the length of a full bar
_WIDEST = 100  # columns of a terminal that a text takes; longer lines are hard to read
_GROUNDS = {"light": "#ffffff", "dark": DARK_GROUND}
_CONTROLS = {c: "\ufffd" for c in (*range(32), *range(127, 160)) if chr(c) not in "\n\t"}  # a text is no command
_MARK = (
    '<mark data-score="{score}" title="{score} {unit}" style="background-color: {tint}; color: inherit; '
    'padding: 0.1em 0; border-radius: 0.2em; {rule}">{text}</mark>'
)
_RULE = "border-bottom: 2px solid #d97706;"
_SMALL = 'style="opacity: 0.85; font-size: 0.9em"'
_MEANING = {
    "bits": "bits per word: how much of it the model needs to keep its answer",
    "nats": "nats per word: red speaks for the explained class, blue against it",
}
_PLAIN_MEANING = {**_MEANING, "nats": "nats per word: + speaks for the explained class, − against it"}


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of a text's text: a scored word, or what stands between words.

    Attributes:
        text: as in the text.
        start: its place in the text's text, in characters.
        end: the same, exclusive.
        word: index into `attribution.words()`, or None between words.
        score: in the attribution's unit, or None where there is none (between words, or NaN).
        marked: whether a person marked it as the reason for the gold label.
    """

    text: str
    start: int
    end: int
    word: int | None
    score: float | None
    marked: bool


def segments(attribution: Attribution) -> list[Segment]:
    """Cuts a text's whole text into words and what lies between; joined, the texts give the text's text.

    A word is marked when it overlaps a human rationale. A gap is split where a rationale starts or ends, so that an
    underline runs on between words.
    """
    text, spans = attribution.text.source.text, attribution.text.source.rationale
    edges = sorted({edge for span in spans for edge in span})
    out: list[Segment] = []

    def gap(start: int, end: int) -> None:
        cuts = [start, *(e for e in edges if start < e < end), end]
        for a, b in itertools.pairwise(cuts):
            if a < b:
                out.append(Segment(text[a:b], a, b, None, None, _overlaps(a, b, spans)))

    at = 0
    for i, word in enumerate(attribution.words()):
        start = max(word.start, at)  # byte-level tokenizers may give two words one character
        if start >= word.end:
            continue
        gap(at, start)
        score = word.score if math.isfinite(word.score) else None
        out.append(Segment(text[start : word.end], start, word.end, i, score, _overlaps(start, word.end, spans)))
        at = word.end
    gap(at, len(text))
    return out


def facts(attribution: Attribution) -> str:
    """What else is known of an attribution, in a line: its sum, the gold class, and what the method tells of itself."""
    a, gold = attribution, attribution.text.source.label
    parts = [f"sum {amount(a.total, a.signed)} {a.unit}"]
    parts += [f"the model predicts {class_name(a.labels, a.predicted)}"] if a.predicted != a.target else []
    parts += [] if gold is None else [f"gold {class_name(a.labels, gold)}"]
    if isinstance(a.details, BitsDetails):
        parts += [f"p {a.details.probability:.2f} with the bottleneck in place"]
        parts += [] if a.details.converged else ["not converged"]
    if isinstance(a.details, EvidenceDetails):
        parts += [f"log p {amount(a.details.closed)} with closed gates, {amount(a.details.opened)} with open ones"]
    parts += [f"{a.text.cut} tokens were cut and carry no score"] if a.text.cut else []
    return " · ".join(parts)


def meaning(unit: str) -> str:
    """What a unit says about a word, in plain words, where red and blue can be seen."""
    return _MEANING.get(unit, "score per word, in the method's own scale")


def print_highlight(
    attributions: Sequence[Attribution], scale: Scale | None = None, console: "Console | None" = None
) -> None:
    """Prints texts to a terminal: each word on its colour, the sum, the top words, and a legend for all of them.

    Each text brings its ground, dark or (where COLORFGBG says that the terminal's is) light, so that a colour means
    the same everywhere; human rationales are underlined. Without colours the larger scores stand in the text:
    `I [loved +1.73] it`.

    Args:
        attributions: what to show.
        scale: shared with whatever these are compared to; made from them when None.
        console: rich's; a new one on standard output when None.

    Raises:
        InputError: no attributions.
    """
    from rich.console import Console
    from rich.padding import Padding
    from rich.text import Text

    console = console or Console()
    scale = scale or Scale.of(attributions)
    theme = None if console.color_system is None or console.no_color else _terminal_theme()
    width = min(console.width, _WIDEST)
    for attribution in attributions:
        span = scale.at(attribution)
        text = Text(f"{describe(attribution)}\n", style="bold").append(
            f"{facts(attribution)}\n\n", style="not bold dim"
        )
        text.append_text(_body(attribution, span, theme)).append_text(_top_words(attribution, span, theme))
        if theme:
            card = Padding(text, (0, 1), style=f"{readable(_GROUNDS[theme])} on {_GROUNDS[theme]}")
            console.print(card, width=width)
        else:
            console.print(text, soft_wrap=not console.is_terminal)  # a pipe gets whole lines
        console.print()
    for span in dict.fromkeys(map(scale.at, attributions)):
        console.print(_legend(span, theme), soft_wrap=not console.is_terminal)


def highlight_html(
    attributions: Sequence[Attribution], scale: Scale | None = None, titles: Sequence[str] | None = None
) -> str:
    """HTML of highlighted texts, side by side where there is room, with a legend; for notebooks and pages.

    The colours are tints over whatever ground the page has, light or dark, and need neither scripts nor a style sheet.

    Args:
        attributions: what to show; the first 24 of them.
        scale: shared by all of them; made from all, shown or not, when None.
        titles: one each; made from the attributions when None.

    Returns:
        A fragment of HTML. All text is escaped (spaCy's displaCy sets it); hovering a word shows its score.

    Raises:
        InputError: no attributions, or a number of titles that differs from theirs.
    """
    scale = scale or Scale.of(attributions)
    titles = [describe(a) for a in attributions] if titles is None else titles
    if len(titles) != len(attributions):
        raise InputError(f"each text has one title; got {len(titles)} titles for {len(attributions)} texts")
    shown = list(zip(attributions, titles, strict=True))[:_SHOWN]
    cards = [_card(attribution, title, scale.at(attribution)) for attribution, title in shown]
    notes = [_html_legend(span) for span in dict.fromkeys(scale.at(a) for a, _ in shown)]
    notes += ["underlined: marked as the reason"] if any(a.text.source.rationale for a, _ in shown) else []
    left = len(attributions) - len(shown)
    notes += [f"{left:,} more are not shown; for those take a slice, such as [{_SHOWN}:{2 * _SHOWN}]"] if left else []
    legend = "".join(f"<div {_SMALL}>{note}</div>" for note in notes)
    return f'<div style="display: flex; flex-wrap: wrap; gap: 0.8em 2em">{"".join(cards)}</div>{legend}'


def _overlaps(start: int, end: int, spans: Sequence[tuple[int, int]]) -> bool:
    return any(start < b and end > a for a, b in spans)


def _terminal_theme() -> str:
    """What the terminal says of its ground; most say nothing, and dark reads on both."""
    return "light" if os.environ.get("COLORFGBG", "").rpartition(";")[2] in ("7", "15") else "dark"


def _body(attribution: Attribution, span: Range, theme: str | None) -> "Text":
    from rich.text import Text

    body = Text(style="not bold")
    for segment in segments(attribution):
        text, style = segment.text.translate(_CONTROLS), "underline" if segment.marked else ""
        if segment.score is not None and theme:
            style += f" {span.ink(segment.score, theme)} on {span.color(segment.score, theme)}"
        elif segment.score is not None and abs(segment.score) >= _PLAIN * span.limit:
            text = f"[{text} {amount(segment.score, span.signed)}]"
        body.append(text, style=style.strip())
    return body


def _top_words(attribution: Attribution, span: Range, theme: str | None) -> "Text":
    """A line a word: the word, its score, and a bar that is full at the scale's end."""
    from rich.cells import cell_len, set_cell_size
    from rich.text import Text

    words = [(w.text.translate(_CONTROLS), w.score) for w in top_words(attribution, _TOP)]
    scores = [amount(score, span.signed) for _, score in words]
    width = min(20, max((cell_len(text) for text, _ in words), default=0))
    lines = Text("\n", style="not bold")
    for (text, score), figure in zip(words, scores, strict=True):
        lines.append(f"\n{set_cell_size(text, width)} {figure:>{max(map(len, scores))}} ")
        bar = "█" * round(_BAR * min(1.0, abs(score) / span.limit))
        lines.append(bar, style=span.color(score, theme) if theme else "")
    return lines


def _legend(span: Range, theme: str | None) -> "Text":
    """The colours from end to end and what they mean; without colours, which scores are printed."""
    from rich.text import Text

    if theme is None:
        what = _PLAIN_MEANING.get(span.unit, meaning(span.unit))
        return Text(f"{what}; printed from {amount(_PLAIN * span.limit)} on", style="dim")
    low, high = _ends(span)
    legend = Text(f"{low} ")
    for score in _steps(span, _BAR):
        legend.append(" ", style=f"on {span.color(score, theme)}")
    return legend.append(f" {high}\n").append(meaning(span.unit), style="dim")


def _ends(span: Range) -> tuple[str, str]:
    """What the ends of a scale are called: the colour saturates there."""
    return f"≤ {amount(-span.limit)}" if span.signed else "0", f"≥ {amount(span.limit, span.signed)}"


def _steps(span: Range, count: int) -> list[float]:
    low = -span.limit if span.signed else 0.0
    return [low + (span.limit - low) * i / (count - 1) for i in range(count)]


def _card(attribution: Attribution, title: str, span: Range) -> str:
    from spacy import displacy

    ents = [_entity(s, span) for s in segments(attribution) if s.score is not None or s.marked]
    doc = {"text": attribution.text.source.text, "ents": ents, "title": None}
    text = displacy.render([doc], style="ent", manual=True, page=False, jupyter=False, options={"template": _MARK})
    text = text.replace("line-height: 2.5", "line-height: 1.7", 1)  # displaCy leaves room for labels; there are none
    top = " · ".join(
        f'<span style="background-color: {span.tint(w.score)}">{html.escape(w.text)} '
        f"{amount(w.score, span.signed)}</span>"
        for w in top_words(attribution, _TOP)
    )
    return (
        f'<div style="flex: 1 1 24em; max-width: 60em; text-align: left"><b>{html.escape(title)}</b>'
        f"<div {_SMALL}>{html.escape(facts(attribution))}</div>{text}<div {_SMALL}>{top}</div></div>"
    )


def _entity(segment: Segment, span: Range) -> dict:
    """A span as displaCy takes it; `params` fill the template."""
    params = {"score": "", "unit": "", "tint": "transparent", "rule": _RULE if segment.marked else ""}
    if segment.score is not None:
        params |= {"score": f"{segment.score:.4g}", "unit": span.unit, "tint": span.tint(segment.score)}
    return {"start": segment.start, "end": segment.end, "label": "word", "params": params}


def _html_legend(span: Range) -> str:
    low, high = _ends(span)
    cells = "".join(
        f'<span style="background-color: {span.tint(score)}; display: inline-block; width: 0.6em">&nbsp;</span>'
        for score in _steps(span, _BAR)
    )
    return f"{low} {cells} {high} {html.escape(meaning(span.unit))}"
