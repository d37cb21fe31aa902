"""Texts whose words have the colours of their scores: in a terminal (rich) and as HTML (spaCy's displaCy).

Text between words, such as spaces, stays as in the source. Text that was cut off at the model's length stays too, and
a note says that it carries no score.
"""

import html
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from textiba.attribution import (
    Attribution,
    BitsDetails,
    EvidenceDetails,
    amount,
    class_name,
    describe,
    explained_output,
    gold_name,
    top_words,
    word_scores,
)  # fmt: skip
from textiba.errors import InputError
from textiba.show.legend import legend_parts, meaning, meaning_without_colours, outside_note
from textiba.show.scale import DARK_GROUND, Range, Scale, readable
from textiba.show.segments import Segment, by_text
from textiba.show.terminal import terminal_color, terminal_theme

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

_TOP = 5  # number of words that are listed under a text
_SHOWN = 24  # number of texts that HTML shows, since a notebook's cell should stay small
# Without colours, a word's score is printed if it is at least this share of its text's sum of |scores|: at most 20
# words of a text, and 1 to 6 words of a bundled review, in bits and in nats. A threshold relative to the largest score
# (a quarter of the colour scale's end) would print twenty words of a review in nats.
_ACCOUNT = 0.05
_BAR = 21  # width of a full bar, in columns
_EIGHTHS = " ▏▎▍▌▋▊▉"  # the end of a bar, in eighths of a column
_NARROWEST = 60  # number of columns from which the texts of a pair are side by side
_WIDEST = 100  # largest number of columns of a text; longer lines are hard to read
_GROUNDS = {"light": "#ffffff", "dark": DARK_GROUND}
_CONTROLS = {c: "\ufffd" for c in (*range(32), *range(127, 160)) if chr(c) not in "\n\t"}  # no terminal commands
_MARK = (
    '<mark data-score="{score}" title="{score} {unit}" style="background-color: {tint}; color: inherit; '
    'padding: 0.1em 0; border-radius: 0.2em; {rule}">{text}</mark>'
)
_RULE = "border-bottom: 2px solid #d97706;"
_PAIR = '<div style="display: flex; flex-wrap: wrap; gap: 0 1.5em">{}</div>'
_HALF = 'style="flex: 1 1 12em"'
_SMALL = 'style="opacity: 0.85; font-size: 0.9em"'


def facts(attribution: Attribution) -> str:
    """One line of further facts: the sum of the scores, the predicted and gold class, and the method's own details."""
    a, gold = attribution, gold_name(attribution)
    each = ", ".join(f"{name} {amount(total, a.signed)}" for name, total in a.totals.items())
    parts = [f"sum {amount(a.total, a.signed)} {a.unit}{f' ({each})' if len(a.totals) > 1 else ''}"]
    parts += [f"the model predicts {class_name(a.labels, a.predicted)}"] if a.predicted != a.target else []
    parts += [] if gold is None else [f"gold {gold}"]
    parts += [] if (value := a.text.source.value) is None else [f"gold value {amount(value)}"]
    if isinstance(a.details, BitsDetails):
        parts += [f"p {a.details.probability:.2f} with the bottleneck in place"]
        parts += [] if a.details.converged else ["not converged"]
    if isinstance(a.details, EvidenceDetails):
        output = explained_output(a)
        parts += [f"{output} {amount(a.details.closed)} with closed gates, {amount(a.details.opened)} with open gates"]
    parts += [f"{a.text.cut} tokens were cut and carry no score"] if a.text.cut else []
    return " · ".join(parts)


def print_highlight(
    attributions: Sequence[Attribution], scale: Scale | None = None, console: "Console | None" = None
) -> None:
    """Prints texts to a terminal: words in the colours of their scores, the sum, the top words as bars, and one legend.

    Each text has a background of its own, so that a colour means the same in every terminal. This background is light
    where COLORFGBG says that the terminal's own background is light, and dark otherwise. Human rationales are
    underlined. Bars are proportional to the scores; the longest bar is the largest score of all texts. For a terminal
    with fewer than 256 colours, and for a file, the scores of the most important words are printed in the text:
    `I [loved +1.73] it`.

    Args:
        attributions: the attributions to show.
        scale: colour scale that other outputs may share; made from `attributions` when None.
        console: rich's console; a new console on standard output when None.

    Raises:
        InputError: no attributions.
    """
    from rich.console import Console, Group
    from rich.padding import Padding
    from rich.text import Text

    console = console or Console()
    scale = scale or Scale.of(attributions)
    theme = terminal_theme(console)
    width = min(console.width, _WIDEST)
    groups = scale.groups(attributions)
    longest = {span: max([span.limit, *(_largest(a) for a in group)]) for span, group in groups.items()}
    for attribution in attributions:
        span = scale.at(attribution)
        text = Text(f"{describe(attribution)}\n", style="bold").append(f"{facts(attribution)}\n", style="not bold dim")
        bodies = _bodies(attribution, span, theme, console)
        top = _top_words(attribution, span, longest[span], theme, console)
        if theme:
            beside = _beside(bodies) if width >= _NARROWEST else Group(*bodies)
            style = f"{readable(_GROUNDS[theme])} on {_GROUNDS[theme]}"
            console.print(Padding(Group(text, beside, top), (0, 1), style=style), width=width)
        else:
            for part in (text, *bodies, top):
                console.print(part, soft_wrap=not console.is_terminal)  # lines to a pipe are not broken
        console.print()
    for span, group in groups.items():
        console.print(_legend(span, group, theme, console), soft_wrap=not console.is_terminal)


def highlight_html(
    attributions: Sequence[Attribution], scale: Scale | None = None, titles: Sequence[str] | None = None
) -> str:
    """Returns HTML of highlighted texts, side by side where there is room, with a legend; for notebooks and pages.

    The colours are translucent tints, for a light or a dark page, and need neither scripts nor a style sheet.

    Args:
        attributions: the attributions; the first 24 are shown.
        scale: colour scale for all attributions; made from all of them, shown or not, when None.
        titles: one title for each attribution; made from the attributions when None.

    Returns:
        A fragment of HTML. All text is escaped (spaCy's displaCy sets it); hovering over a word shows its score.

    Raises:
        InputError: no attributions, or the number of titles differs from the number of attributions.
    """
    scale = scale or Scale.of(attributions)
    titles = checked_titles(attributions, titles)
    shown = list(zip(attributions, titles, strict=True))[:_SHOWN]
    cards = [_card(attribution, title, scale.at(attribution)) for attribution, title in shown]
    notes = [_html_legend(span, group) for span, group in scale.groups(attributions).items()]
    notes += ["underlined: marked as the reason"] if any(a.text.source.marked for a, _ in shown) else []
    left = len(attributions) - len(shown)
    notes += [f"{left:,} more are not shown; for those take a slice, such as [{_SHOWN}:{2 * _SHOWN}]"] if left else []
    legend = "".join(f"<div {_SMALL}>{note}</div>" for note in notes)
    return f'<div style="display: flex; flex-wrap: wrap; gap: 0.8em 2em">{"".join(cards)}</div>{legend}'


def checked_titles(attributions: Sequence[Attribution], titles: Sequence[str] | None) -> list[str]:
    """One title for each attribution: `titles`, or the attributions' own descriptions when None.

    Raises:
        InputError: the number of titles differs from the number of attributions.
    """
    if titles is None:
        return [describe(a) for a in attributions]
    if len(titles) != len(attributions):
        raise InputError(f"each text has one title; got {len(titles)} titles for {len(attributions)} texts")
    return list(titles)


def _bodies(attribution: Attribution, span: Range, theme: str | None, console: "Console") -> "list[Text]":
    """The highlighted text, or both texts of a pair."""
    from rich.text import Text

    bodies = []
    least = _ACCOUNT * float(np.nansum(np.abs(word_scores(attribution))))
    for _, found in by_text(attribution):
        body = Text(style="not bold")
        for segment in found:
            text, style = segment.text.translate(_CONTROLS), "underline" if segment.marked else ""
            if segment.score is not None and theme:
                ground = terminal_color(span, segment.score, theme, console)
                style += f" {readable(ground)} on {ground}"
            elif segment.score and abs(segment.score) >= least:
                text = f"[{text} {amount(segment.score, span.signed)}]"
            body.append(text, style=style.strip())
        bodies.append(body)
    return bodies


def _beside(bodies: "Sequence[Text]") -> "Text | Table":
    """The texts of a pair side by side."""
    from rich.table import Table

    if len(bodies) == 1:
        return bodies[0]
    grid = Table.grid(expand=True, padding=(0, 3, 0, 0))
    for _ in bodies:
        grid.add_column(ratio=1)
    grid.add_row(*bodies)
    return grid


def _top_words(attribution: Attribution, span: Range, longest: float, theme: str | None, console: "Console") -> "Text":
    """A line for each top word: the word, its score, and a bar in proportion to the score; `longest` fills the bar."""
    from rich.cells import cell_len, set_cell_size
    from rich.text import Text

    words = [(w.text.translate(_CONTROLS), w.score) for w in top_words(attribution, _TOP)]
    scores = [amount(score, span.signed) for _, score in words]
    width = min(20, max((cell_len(text) for text, _ in words), default=0))
    lines = Text(style="not bold")
    for (text, score), figure in zip(words, scores, strict=True):
        lines.append(f"\n{set_cell_size(text, width)} {figure:>{max(map(len, scores))}}")
        if bar := _bar(abs(score) / longest, console.options.ascii_only):
            # The length shows the score; one colour for all lengths keeps short bars visible.
            end = math.copysign(span.limit, score)
            lines.append(" ").append(bar, style=terminal_color(span, end, theme, console) if theme else "")
    return lines


def _bar(share: float, ascii_only: bool) -> str:
    """A bar with the share `share` of the full length."""
    if ascii_only:
        return "#" * round(_BAR * share)
    whole, part = divmod(round(8 * _BAR * share), 8)
    return ("█" * whole + _EIGHTHS[part]).rstrip()


def _largest(attribution: Attribution) -> float:
    """The largest |score| of a word; 0 if no word has a score."""
    sizes = np.abs(word_scores(attribution))
    return float(sizes[np.isfinite(sizes)].max(initial=0.0))


def _legend(span: Range, attributions: Sequence[Attribution], theme: str | None, console: "Console") -> "Text":
    """The legend: the colours from end to end and their meaning, or, without colours, which scores are printed."""
    from rich.text import Text

    if theme is None:
        rule = f"in brackets: words with at least {100 * _ACCOUNT:g} % of their text's sum of |scores|"
        return Text(f"{meaning_without_colours(span.unit)}; {rule}", style="dim")
    legend = Text()
    for part in legend_parts(span):
        if isinstance(part, str):
            legend.append(f" {part} " if legend else f"{part} ")
        else:
            legend.append(" ", style=f"on {terminal_color(span, part, theme, console)}")
    legend.append(f"\n{meaning(span.unit)}", style="dim")
    note = outside_note(span, attributions)
    return legend.append(f"\n{note}", style="dim") if note else legend


def _card(attribution: Attribution, title: str, span: Range) -> str:
    from spacy import displacy

    texts = []
    for characters, found in by_text(attribution):
        ents = [_entity(s, span) for s in found if s.score is not None or s.marked]
        doc = {"text": characters, "ents": ents, "title": None}
        text = displacy.render([doc], style="ent", manual=True, page=False, jupyter=False, options={"template": _MARK})
        texts.append(text.replace("line-height: 2.5", "line-height: 1.7", 1))  # displaCy leaves room for labels
    text = texts[0] if len(texts) == 1 else _PAIR.format("".join(f"<div {_HALF}>{text}</div>" for text in texts))
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
    """A segment in displaCy's format; `params` fill the template."""
    params = {"score": "", "unit": "", "tint": "transparent", "rule": _RULE if segment.marked else ""}
    if segment.score is not None:
        params |= {"score": f"{segment.score:.4g}", "unit": span.unit, "tint": span.tint(segment.score)}
    return {"start": segment.start, "end": segment.end, "label": "word", "params": params}


def _html_legend(span: Range, attributions: Sequence[Attribution]) -> str:
    cell = '<span style="background-color: {}; display: inline-block; width: 0.5em">&nbsp;</span>'
    cells = "".join(
        f" {html.escape(part)} " if isinstance(part, str) else cell.format(span.tint(part))
        for part in legend_parts(span)
    )
    notes = [meaning(span.unit), outside_note(span, attributions)]
    return f"{cells.strip()} {html.escape('; '.join(filter(None, notes)))}"
