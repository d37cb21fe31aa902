"""The legend of a colour scale: its colours from end to end, and which words have no colour.

The terminal, HTML and the figures draw the same parts in their own way.
"""

import itertools
import math
from collections.abc import Iterable

from textiba.attribution import Attribution, amount
from textiba.show.scale import Range

_MEANING = {
    "bits": "bits per word: how much of it the model needs to keep its answer",
    "nats": "nats per word: red speaks for the explained class, blue against it",
}
_CELLS = 30  # number of cells of a legend, over the whole scale


def meaning(unit: str) -> str:
    """What scores in a unit mean, for readers who see red and blue."""
    return _MEANING.get(unit, "score per word, in the method's own scale")


def meaning_without_colours(unit: str) -> str:
    """What scores in a unit mean, for readers who see signs instead of colours."""
    return "nats per word: + speaks for the explained class, − against it" if unit == "nats" else meaning(unit)


def legend_parts(span: Range) -> list[str | float]:
    """A legend in reading order: numbers to write (str), and scores whose colours are between the numbers (float).

    The more the colour changes between two numbers, the more scores there are between them.
    """
    side: list[str | float] = []
    for low, high in itertools.pairwise(span.ticks):
        side += [amount(low, span.signed), *_between(span, low, high)]
    side.append(amount(span.limit, span.signed))
    if not span.signed:
        return side
    other = [_negative(part) if isinstance(part, str) else -part for part in reversed(side)]
    return [*other, "0", *side] if span.floor else [*other[:-1], *side]


def outside_note(span: Range, attributions: Iterable[Attribution]) -> str:
    """One line on the words without their own colour: how many are below the scale's start, how many beyond its end."""
    words, below, beyond = span.outside(attributions)
    parts = ["logarithmic"] if span.floor else []
    parts += [f"{below:,} of {words:,} words, below {amount(span.floor)}, have no colour"] if below else []
    parts += [f"{beyond:,} of {words:,} words, beyond {amount(span.limit)}, share the last colour"] if beyond else []
    return "; ".join(parts)


def _between(span: Range, low: float, high: float) -> list[float]:
    count = max(1, round(_CELLS / (1 + span.signed) * (span.strength(high) - span.strength(low))))
    places = [(i + 0.5) / count for i in range(count)]
    if not span.floor:
        return [low + (high - low) * place for place in places]
    return [low * math.exp(math.log(high / low) * place) for place in places]


def _negative(number: str) -> str:
    return number if number == "0" else "−" + number.removeprefix("+")
