"""One colour scale for many attributions, so that layers, β and checkpoints can be compared by eye.

Only the colour is scaled: scores stay raw. Make a scale once, from all attributions that will be shown, and pass the
scale to every picture.

Why the colours are logarithmic. On twenty bundled reviews, half of the words have 0.33 bits (their gates are closed)
and a few have 30 to 2,184. A linear scale that ends at the 98th percentile (24 bits) gave 32 and 2,184 bits the same
colour; a linear scale that ends at 2,184 showed 32 bits, the largest score of its text, as white as 0.33 bits. On a
logarithmic scale, equal ratios of scores are equal steps of colour: no word is lost, and two words whose scores differ
by a factor of 3 look different. Evidence (nats) is less sparse, so the scale of evidence starts closer to its end. The
lengths of bars stay proportional to the scores.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from textiba.attribution import Attribution, word_scores
from textiba.errors import InputError

_ABOVE_MEDIAN = 3.0  # colours start at this multiple of a median word's |score|, so most words have no colour
_NARROWEST, _WIDEST = 30.0, 5_000.0  # bounds of the ratio of a scale's end to its start
# Shares of the full colour at a scale's start and at its end. A word just below the start has no colour, and a word
# beyond the end has the full colour, so both look different from their neighbours on the scale.
FAINTEST, STRONGEST = 0.1, 0.96

# Sequential ramps go from no score to a full score, diverging ramps from "against" to "for". "light" is for a white
# background, "dark" for DARK_GROUND. The diverging ramp is ColorBrewer's RdBu, whose colours colour-blind readers can
# distinguish; the sequential ramp works by lightness alone.
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

# Translucent tints, for a page with its own background and text colour, light or dark, such as a notebook. Even the
# densest tint leaves the page's text readable; a test checks the contrast.
_TINTS = {"for": (214, 72, 54), "against": (46, 124, 204), "sequential": (13, 148, 132)}
_DENSEST = 0.55


@dataclass(frozen=True, slots=True)
class Range:
    """The colours of one unit.

    Attributes:
        unit: "bits", "nats" or "score".
        limit: the |score|, in `unit`, at which the scale ends and beyond which the colour is full; above 0.
        signed: whether the colours diverge from −limit (blue, against) to limit (red, for) instead of growing from 0 to
            limit.
        floor: the |score| at which a logarithmic scale starts; a smaller |score| gets no colour. 0 makes the colours
            linear.

    Raises:
        InputError: `floor` is not below `limit`, or one of the two is negative or not finite.
    """

    unit: str
    limit: float
    signed: bool
    floor: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.floor < self.limit < math.inf:
            raise InputError(f"a colour scale has 0 ≤ floor < limit; got floor {self.floor} and limit {self.limit}")

    @property
    def stops(self) -> tuple[str, ...]:
        """The ramp's colours on white, evenly spaced from the low end to the high end."""
        return self.ramp("light")

    @property
    def ticks(self) -> tuple[float, ...]:
        """The |scores| that a legend names: the scale's start and end, and the powers of ten not close to them."""
        if not self.floor:
            return 0.0, self.limit
        exponents = range(math.ceil(math.log10(self.floor)), math.floor(math.log10(self.limit)) + 1)
        inside = [10.0**e for e in exponents if 1.5 * self.floor < 10.0**e < self.limit / 1.5]
        return self.floor, *inside, self.limit

    def ramp(self, theme: str) -> tuple[str, ...]:
        """The ramp's colours on the background of a theme, "light" or "dark"."""
        return RAMPS[theme]["diverging" if self.signed else "sequential"]

    def strength(self, score: float) -> float:
        """The share of the full colour, 0 … 1, that `score` (in `unit`) has, whatever its sign.

        Below `floor` the share is 0. From `floor` to `limit` the share grows with log |score| from 0.1 to 0.96, and
        beyond `limit` the share is 1. If `floor` is 0, the share is |score| / limit, at most 1. A negative score has no
        colour on a range that is not signed.

        Raises:
            InputError: the score is NaN or infinite, and has no colour.
        """
        if not math.isfinite(score):
            raise InputError(f"only finite scores have a colour; got {score}. Special tokens have none: use words()")
        size = abs(score) if self.signed else max(0.0, score)
        if not self.floor:
            return min(1.0, size / self.limit)
        if size < self.floor or size > self.limit:
            return float(size > self.limit)
        return FAINTEST + (STRONGEST - FAINTEST) * math.log(size / self.floor) / math.log(self.limit / self.floor)

    def position(self, score: float) -> float:
        """The position of `score` (in `unit`) on the ramp, 0 … 1. Raises the errors of `strength`."""
        strength = self.strength(score)
        return (1 + math.copysign(strength, score)) / 2 if self.signed else strength

    def color(self, score: float, theme: str = "light") -> str:
        """The background for `score`, as CSS hex."""
        return blend(self.ramp(theme), self.position(score))

    def ink(self, score: float, theme: str = "light") -> str:
        """A text colour that is readable on `color(score, theme)`, as CSS hex."""
        return readable(self.color(score, theme))

    def tint(self, score: float) -> str:
        """A translucent CSS colour for `score`, for any background: the page's own text stays readable on the tint."""
        kind = ("for" if score >= 0 else "against") if self.signed else "sequential"
        return "rgba({}, {}, {}, {:.3g})".format(*_TINTS[kind], _DENSEST * self.strength(score))

    def outside(self, attributions: Iterable[Attribution]) -> tuple[int, int, int]:
        """Numbers of words: (with a score, below `floor`, beyond `limit`)."""
        sizes = _sizes(attributions)
        return sizes.size, int((sizes < self.floor).sum()), int((sizes > self.limit).sum())


@dataclass(frozen=True, slots=True)
class Scale:
    """The ranges that a set of attributions shares: one for each unit, and for the unit "score" one for each method.

    Attributes:
        ranges: each range by its unit, or by the method's name for the unit "score".
    """

    ranges: Mapping[str, Range]

    @classmethod
    def of(cls, attributions: Iterable[Attribution]) -> "Scale":
        """Returns the scale on which all of `attributions` can be compared.

        A range ends at the largest |word score| of its unit, so no word lies beyond it. It starts at three times a
        typical |score|, but at least a factor of 30 below its end. The typical |score| is the median over attributions
        of each attribution's median |score|; words that score 0 do not count.

        Raises:
            InputError: there are no attributions.
        """
        groups: dict[str, list[Attribution]] = {}
        for a in attributions:
            groups.setdefault(range_key(a), []).append(a)
        if not groups:
            raise InputError("a scale needs at least one attribution; got none")
        return cls({key: _range(group) for key, group in groups.items()})

    def at(self, attribution: Attribution) -> Range:
        """The range for an attribution.

        Raises:
            InputError: the scale was made without any attribution of this unit.
        """
        key = range_key(attribution)
        if key not in self.ranges:
            raise InputError(
                f"this scale covers {sorted(self.ranges)}, not '{key}'; make it with Scale.of(all you show)"
            )
        return self.ranges[key]

    def groups(self, attributions: Iterable[Attribution]) -> dict[Range, list[Attribution]]:
        """The attributions of each range, which share one legend. Raises the errors of `at`."""
        found: dict[Range, list[Attribution]] = {}
        for a in attributions:
            found.setdefault(self.at(a), []).append(a)
        return found


def range_key(attribution: Attribution) -> str:
    """The name of the range that an attribution belongs to; scores without a unit compare only within a method."""
    return attribution.method if attribution.unit == "score" else attribution.unit


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


def _range(attributions: list[Attribution]) -> Range:
    unit, signed = attributions[0].unit, any(a.signed for a in attributions)
    medians: list[float] = []
    limit = 0.0
    for a in attributions:
        sizes = _sizes([a])
        limit = max(limit, float(sizes.max(initial=0.0)))
        if (sizes > 0).any():
            medians.append(float(np.median(sizes[sizes > 0])))
    if not medians:
        medians, limit = [0.0], 1.0  # every score is 0, and 0 has no colour on any scale
    floor = _ABOVE_MEDIAN * float(np.median(medians))
    # Two digits: the legend then names the floor exactly.
    floor = float(f"{min(max(floor, limit / _WIDEST), limit / _NARROWEST):.2g}")
    return Range(unit, limit, signed, floor)


def _sizes(attributions: Iterable[Attribution]) -> Float[np.ndarray, " words"]:
    """|score| of every word that has a score."""
    scores = [word_scores(a) for a in attributions]
    joined = np.abs(np.concatenate(scores)) if scores else np.zeros(0)
    return joined[np.isfinite(joined)]


def _channels(color: str) -> tuple[int, int, int]:
    return int(color[1:3], 16), int(color[3:5], 16), int(color[5:7], 16)


def _luminance(color: str) -> float:
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in (v / 255 for v in _channels(color))]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
