"""One colour scale for many attributions, so that layers, β and checkpoints can be compared by eye.

Only the colour is scaled: scores stay raw. A scale is made once, from all that will be shown, and handed to every
picture.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from textiba.attribution import Attribution
from textiba.errors import InputError

PERCENTILE = 98.0  # of |word score|: where the colour saturates, so that one outlier does not bleach the rest

# From nothing to everything, and from against to for. "light" lies on white, "dark" on DARK_GROUND. The
# diverging ramp is ColorBrewer's RdBu, which colour-blind readers can tell apart; the sequential one works by lightness
# alone.
DARK_GROUND = "#16191d"
RAMPS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "light": {
        "sequential": ("#ffffff", "#d8efe9", "#8fd0c3", "#3d9f94", "#0b5f5b"),
        "diverging": ("#2166ac", "#67a9cf", "#d1e5f0", "#ffffff", "#fddbc7", "#ef8a62", "#b2182b"),
    },
    "dark": {
        "sequential": (DARK_GROUND, "#12403d", "#17706a", "#2fa89b", "#8ff0df"),
        "diverging": ("#7db8ff", "#2f74b8", "#1c3a57", DARK_GROUND, "#5a2a22", "#b84a35", "#ff9a80"),
    },
}
_INKS = ("#111111", "#ffffff")

# For a page whose ground and ink are not ours, such as a notebook, light or dark: a tint over its ground. Even at its
# densest it leaves the page's ink readable; a test holds it to that.
_TINTS = {"for": (214, 72, 54), "against": (46, 124, 204), "sequential": (13, 148, 132)}
_DENSEST = 0.55


@dataclass(frozen=True, slots=True)
class Range:
    """The colours of one unit.

    Attributes:
        unit: "bits", "nats" or "score".
        limit: the |score|, in `unit`, at which the colour saturates; above 0.
        signed: diverging from −limit to limit (blue against, red for) instead of sequential from 0 to limit.
    """

    unit: str
    limit: float
    signed: bool

    @property
    def stops(self) -> tuple[str, ...]:
        """The ramp's colours, evenly spaced from the low end to the high one."""
        return self.ramp("light")

    def ramp(self, theme: str) -> tuple[str, ...]:
        """The same on a ground of that theme, "light" or "dark"."""
        return RAMPS[theme]["diverging" if self.signed else "sequential"]

    def position(self, score: float) -> float:
        """Where `score` (in `unit`) falls on the ramp, 0 … 1, cut at its ends.

        Raises:
            InputError: NaN or infinity, which no colour may stand for.
        """
        if not math.isfinite(score):
            raise InputError(f"only finite scores have a colour; got {score}. Special tokens carry none: use words()")
        share = score / self.limit
        return min(1.0, max(0.0, (share + 1) / 2 if self.signed else share))

    def color(self, score: float, theme: str = "light") -> str:
        """The background for `score`, as CSS hex."""
        return blend(self.ramp(theme), self.position(score))

    def ink(self, score: float, theme: str = "light") -> str:
        """A text colour that reads on `color(score, theme)`, as CSS hex."""
        return readable(self.color(score, theme))

    def tint(self, score: float) -> str:
        """A translucent background for `score`, as a CSS colour, over any ground: the page's own ink reads on it."""
        share = 2 * self.position(score) - 1 if self.signed else self.position(score)
        kind = ("for" if share >= 0 else "against") if self.signed else "sequential"
        return "rgba({}, {}, {}, {:.3g})".format(*_TINTS[kind], _DENSEST * abs(share))


@dataclass(frozen=True, slots=True)
class Scale:
    """The ranges that a set of attributions shares: one a unit ("score", which has no unit, one a method).

    Attributes:
        ranges: by unit, or by the method's name for unit "score".
    """

    ranges: Mapping[str, Range]

    @classmethod
    def of(cls, attributions: Iterable[Attribution]) -> "Scale":
        """The scale on which all of `attributions` can be compared: the 98th percentile of |word score| each unit.

        Raises:
            InputError: there are none.
        """
        found: dict[str, list[float]] = {}
        kinds: dict[str, tuple[str, bool]] = {}
        for a in attributions:
            key = _key(a)
            found.setdefault(key, []).extend(abs(w.score) for w in a.words() if math.isfinite(w.score))
            kinds[key] = a.unit, a.signed or kinds.get(key, ("", False))[1]
        if not kinds:
            raise InputError("a scale needs at least one attribution; got none")
        limits = {key: float(np.percentile(values, PERCENTILE)) if values else 0.0 for key, values in found.items()}
        # Where (nearly) every score is 0 the percentile is 0 too; any limit then tells the truth.
        limits = {key: limit or max(found[key], default=0.0) or 1.0 for key, limit in limits.items()}
        return cls({key: Range(unit, limits[key], signed) for key, (unit, signed) in kinds.items()})

    def at(self, attribution: Attribution) -> Range:
        """The range for an attribution.

        Raises:
            InputError: the scale was made without any attribution of this unit.
        """
        key = _key(attribution)
        if key not in self.ranges:
            raise InputError(
                f"this scale covers {sorted(self.ranges)}, not '{key}'; make it with Scale.of(all you show)"
            )
        return self.ranges[key]


def blend(stops: tuple[str, ...], position: float) -> str:
    """The colour at `position` (0 … 1) of evenly spaced CSS hex colours, linear in sRGB between neighbours."""
    place = position * (len(stops) - 1)
    lower = min(int(place), len(stops) - 2)
    share = place - lower
    pairs = zip(_channels(stops[lower]), _channels(stops[lower + 1]), strict=True)
    return "#" + "".join(f"{round(a + (b - a) * share):02x}" for a, b in pairs)


def readable(ground: str) -> str:
    """Black or white, whichever contrasts more with `ground` (WCAG 2.1's contrast ratio)."""
    return max(_INKS, key=lambda ink: contrast(ink, ground))


def contrast(a: str, b: str) -> float:
    """WCAG 2.1's contrast ratio of two CSS hex colours, 1 … 21."""
    dark, light = sorted((_luminance(a), _luminance(b)))
    return (light + 0.05) / (dark + 0.05)


def _key(attribution: Attribution) -> str:
    return attribution.method if attribution.unit == "score" else attribution.unit


def _channels(color: str) -> tuple[int, int, int]:
    return int(color[1:3], 16), int(color[3:5], 16), int(color[5:7], 16)


def _luminance(color: str) -> float:
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in (v / 255 for v in _channels(color))]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
