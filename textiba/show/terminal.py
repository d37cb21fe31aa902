"""Colours that a terminal can show.

Rich replaces a colour by the nearest of the 256 that a terminal has. On a dark background, two words whose scores
differed by a factor of 30 then had the same colour. For such a terminal this module uses nine of the 256 colours:
eight steps from a scale's start to its end, each a ratio of less than 3, and one colour for words beyond the end.
"""

import os
from typing import TYPE_CHECKING

from textiba.show.scale import FAINTEST, STRONGEST, Range

if TYPE_CHECKING:
    from rich.console import Console

_LEVELS = (95, 135, 175, 215, 255)  # values of a channel in the palette of 256, besides 0
_CHANNELS = {"sequential": (1, 2), "for": (0,), "against": (2,)}  # the channels that grow first: cyan, red, blue
_STEPS = 8


def terminal_theme(console: "Console") -> str | None:
    """The theme for a terminal's background, "dark" or "light"; None if the terminal has too few colours.

    COLORFGBG says which background a terminal has. Most terminals do not set COLORFGBG, and the dark theme is readable
    on both backgrounds.
    """
    if console.no_color or console.color_system not in ("256", "truecolor"):
        return None
    return "light" if os.environ.get("COLORFGBG", "").rpartition(";")[2] in ("7", "15") else "dark"


def terminal_color(span: Range, score: float, theme: str, console: "Console") -> str:
    """The background for `score`, as CSS hex, in a colour that `console` shows unchanged."""
    strength = span.strength(score)
    if console.color_system == "truecolor" or strength == 0:
        return span.color(score, theme)
    share = (strength - FAINTEST) / (STRONGEST - FAINTEST) if span.floor else strength
    step = _STEPS if strength == 1 else min(_STEPS - 1, int(_STEPS * share))
    steps = _palette(("for" if score >= 0 else "against") if span.signed else "sequential")
    return steps[step] if theme == "dark" else steps[-1 - step]


def _palette(kind: str) -> list[str]:
    """Nine colours of the 256, from dark to light: first the channels of `kind` grow, then the other channels."""
    pairs = [*((level, 0) for level in _LEVELS), *((_LEVELS[-1], level) for level in _LEVELS[:-1])]
    own = _CHANNELS[kind]
    return ["#" + "".join(f"{high if i in own else low:02x}" for i in range(3)) for high, low in pairs]
