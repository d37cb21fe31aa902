"""A review with each word on the colour of its score: in a terminal (rich) and as HTML (spaCy's displaCy).

Text between words, such as spaces, stays as it was; text that was cut off stays too, and is said to carry no score.
"""

import html
import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from textiba.attribution import Attribution
from textiba.errors import InputError
from textiba.scale import Range, Scale

if TYPE_CHECKING:
    from rich.console import Console

_FAINT = 0.04  # share of the limit below which a terminal, whose ground may be black, shows a word without colour
_RULE = "border-bottom: 2px solid #d97706;"
_WORD = (
    '<mark data-score="{score}" title="{score} {unit}" style="background: {bg}; color: {ink}; padding: 0.1em 0; '
    'border-radius: 0.2em; {rule}">{text}</mark>'
)
_MEANING = {
    "bits": "bits per word: how much of it the model needs to keep its answer",
    "nats": "nats per word: red speaks for the explained class, blue against it",
}


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of a review's text: a scored word, or what stands between words.

    Attributes:
        text: as in the review.
        start: its place in the review's text, in characters.
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
    """Cuts a review's whole text into words and what lies between; joined, the texts give the review's text.

    A word is marked when it overlaps a human rationale. A gap is split where a rationale starts or ends, so that an
    underline runs on between words.
    """
    text, spans = attribution.review.review.text, attribution.review.review.rationale
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


def describe(attribution: Attribution) -> str:
    """What an attribution is of, in a line: "fine-tuned · evidence · layer 1 · positive 0.98"."""
    beta = attribution.settings.get("beta")
    parts = [attribution.checkpoint, attribution.method.replace("_", " ")]
    parts += [] if attribution.layer is None else [f"layer {attribution.layer}"]
    parts += [] if beta is None else [f"β {beta:g}"]
    return " · ".join([*parts, f"{class_name(attribution, attribution.target)} {attribution.probability:.2f}"])


def class_name(attribution: Attribution, target: int) -> str:
    """The name of a class, or "class 7" where it has none."""
    labels = attribution.labels
    return labels[target] if target < len(labels) else f"class {target}"


def print_highlight(attribution: Attribution, scale: Scale | None = None, console: "Console | None" = None) -> None:
    """Prints a review to a terminal, each word on its colour, with a legend; human rationales are underlined.

    Args:
        attribution: what to show.
        scale: shared with whatever this is compared to; made from `attribution` alone when None.
        console: rich's; a new one on standard output when None. Without colours the text comes plain.
    """
    from rich.console import Console
    from rich.text import Text

    span = (scale or Scale.of([attribution])).at(attribution)
    body = Text()
    for segment in segments(attribution):
        body.append(segment.text, style=_style(segment, span))
    if attribution.review.cut:
        body.append(f" [{attribution.review.cut} tokens were cut and carry no score]", style="dim italic")
    console = console or Console()
    console.print(Text(describe(attribution), style="bold"))
    console.print(body, soft_wrap=False)
    console.print(_legend(span))


def highlight_html(
    attributions: Sequence[Attribution], scale: Scale | None = None, titles: Sequence[str] | None = None
) -> str:
    """HTML of one or more highlighted reviews, one below the other, by spaCy's displaCy; for notebooks and pages.

    Args:
        attributions: what to show.
        scale: shared by all of them; made from them when None.
        titles: one each; made from the attributions when None.

    Returns:
        A fragment of HTML without scripts. All text is escaped; hovering a word shows its score.

    Raises:
        InputError: no attributions, or a number of titles that differs from theirs.
    """
    from spacy import displacy

    scale = scale or Scale.of(attributions)
    titles = [describe(a) for a in attributions] if titles is None else titles
    if len(titles) != len(attributions):
        raise InputError(f"each review has one title; got {len(titles)} titles for {len(attributions)} reviews")
    docs = []
    for attribution, title in zip(attributions, titles, strict=True):
        span = scale.at(attribution)
        ents = [_entity(s, span) for s in segments(attribution) if s.score is not None or s.marked]
        # displaCy escapes the text, and leaves the title as it is.
        docs.append({"text": attribution.review.review.text, "ents": ents, "title": html.escape(title)})
    return displacy.render(docs, style="ent", manual=True, page=False, jupyter=False, options={"template": _WORD})


def meaning(unit: str) -> str:
    """What a unit says about a word, in plain words."""
    return _MEANING.get(unit, "score per word, in the method's own scale")


def _overlaps(start: int, end: int, spans: Sequence[tuple[int, int]]) -> bool:
    return any(start < b and end > a for a, b in spans)


def _entity(segment: Segment, span: Range) -> dict:
    """A span as displaCy takes it; `params` fill the template."""
    rule = _RULE if segment.marked else ""
    params = {"score": "", "unit": "", "bg": "transparent", "ink": "inherit", "rule": rule}
    if segment.score is not None:
        score = segment.score
        params |= {"score": f"{score:.4g}", "unit": span.unit, "bg": span.color(score), "ink": span.ink(score)}
    return {"start": segment.start, "end": segment.end, "label": "word", "params": params}


def _style(segment: Segment, span: Range) -> str:
    line = "underline" if segment.marked else ""
    if segment.score is None or abs(segment.score) < _FAINT * span.limit:
        return line
    return f"{line} {span.ink(segment.score)} on {span.color(segment.score)}".strip()


def _legend(span: Range):
    """A colour bar with its ends, and what the unit means."""
    from rich.text import Text

    low = -span.limit if span.signed else 0.0
    legend = Text(f"{low:.3g} ")
    for i in range(20):
        legend.append(" ", style=f"on {span.color(low + (span.limit - low) * i / 19)}")
    return legend.append(f" {span.limit:.3g} {meaning(span.unit)}", style="dim")
