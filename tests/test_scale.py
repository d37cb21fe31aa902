"""Colours do not mislead: two scores far apart never share a colour, and a scale says where it starts and ends."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st
from pictures import attribution, tokenized
from rich.color import Color, ColorSystem
from rich.console import Console

from textiba.errors import InputError
from textiba.show.legend import legend_parts, outside_note
from textiba.show.scale import RAMPS, Range, Scale, blend, contrast
from textiba.show.terminal import terminal_color, terminal_theme
from textiba.texts.sources import Text

SCORES = (0.5, -1.0, 0.0, 0.25, 1.0, 1.0, 0.0)  # "wonderful" is two tokens
RATIO = 3.0  # scores further apart than this must look different


def spread(sizes: list[float], unit: str = "bits"):
    """One text whose words have these scores."""
    return attribution(sizes, unit, tokenized(Text(" ".join(["word"] * len(sizes)))))


def test_a_scale_ends_at_the_largest_word_score_of_all():
    low, high = attribution(SCORES), attribution([10 * s for s in SCORES], checkpoint="general")
    scale = Scale.of([low, high])
    assert scale.at(low) == scale.at(high)
    assert scale.at(low).limit == 20.0
    assert Scale.of([low]).at(low).limit == 2.0


def test_a_scale_starts_at_three_times_a_median_word():
    background = [0.3] * 50
    rubbish = spread([919.0, 310.0, 1.24, *background])
    assert Scale.of([rubbish]).at(rubbish).floor == 0.9
    # Of several texts the median one counts, whatever the others' lengths; a text of zeros has no median.
    others = [spread([0.4] * 9), spread([0.1] * 500), spread([0.0] * 9)]
    assert Scale.of([rubbish, *others]).at(rubbish).floor == 0.9
    # The start is a factor of 30 to 5,000 below the end, two digits rounded.
    assert Scale.of([spread([1.0, 2.0, 3.0])]).ranges["bits"].floor == 0.1
    assert Scale.of([spread([1.0] * 9 + [1e6])]).ranges["bits"].floor == 200.0


def test_the_tutorials_example_is_no_longer_one_colour():
    rubbish = spread([919.0, 910.0, 1.24, *[0.3] * 50])
    span = Scale.of([rubbish]).at(rubbish)
    colors = [span.color(score) for score in (919.0, 910.0, 1.24, 0.3)]
    assert len(set(colors)) == 4
    assert colors[-1] == "#ffffff"
    assert contrast(colors[2], "#ffffff") < 1.2 < 5 < contrast(colors[0], "#ffffff")


def test_units_have_ranges_of_their_own_and_unitless_methods_too():
    a, b = attribution(SCORES, "bits"), attribution(SCORES)
    x, y = (
        attribution(SCORES, "score", method="gradient"),
        attribution([9 * s for s in SCORES], "score", method="random"),
    )
    scale = Scale.of([a, b, x, y])
    assert not scale.at(a).signed
    assert scale.at(b).signed
    assert scale.at(y).limit == pytest.approx(9 * scale.at(x).limit)
    assert scale.groups([y, a, x, a]) == {scale.at(y): [y], scale.at(a): [a, a], scale.at(x): [x]}
    with pytest.raises(InputError, match=r"covers \['bits'\], not 'nats'"):
        Scale.of([a]).at(b)


scores = st.floats(1e-6, 1e6)


@given(scores, scores, st.lists(scores, min_size=1, max_size=60), st.booleans())
@example(919.0, 1.24, [919.0, 910.0, 1.24, *[0.3] * 50], False)
@example(2.9, 1.0, [2.9, 1.0], True)
def test_scores_further_apart_than_three_never_share_a_colour(a: float, b: float, sizes: list[float], signed: bool):
    assume(max(a, b) > RATIO * min(a, b))
    shown = spread(sizes, "nats" if signed else "bits")
    span = Scale.of([shown]).at(shown)
    assume(not (a < span.floor and b < span.floor) and not (a > span.limit and b > span.limit))
    pairs = [(a, b), (-a, -b), (a, -b)] if signed else [(a, b)]
    palette = Console(color_system="256", force_terminal=True)
    for theme in ("light", "dark"):
        for x, y in pairs:
            assert span.color(x, theme) != span.color(y, theme)
            assert span.tint(x) != span.tint(y)
            shown_as = [terminal_color(span, score, theme, palette) for score in (x, y)]
            indices = [Color.parse(color).downgrade(ColorSystem.EIGHT_BIT).number for color in shown_as]
            assert indices[0] != indices[1]


@given(st.lists(scores, min_size=2, max_size=60), st.booleans())
def test_colours_are_in_the_order_of_the_scores(sizes: list[float], signed: bool):
    shown = spread(sizes, "nats" if signed else "bits")
    span = Scale.of([shown]).at(shown)
    sizes = sorted(sizes)
    assert sorted(map(span.strength, sizes)) == [span.strength(size) for size in sizes]
    away = [contrast(span.color(size), "#ffffff") for size in sizes]
    assert all(later >= earlier - 0.02 for earlier, later in itertools.pairwise(away))


def test_a_terminal_of_256_colours_has_a_colour_for_each_step():
    span, palette = Range("nats", 100.0, True, 1.0), Console(color_system="256", force_terminal=True)
    steps = [terminal_color(span, score, "dark", palette) for score in (1.0, 99.9, 101.0, -1.0, -99.9, -101.0, 0.5)]
    assert steps == ["#5f0000", "#ffafaf", "#ffd7d7", "#00005f", "#afafff", "#d7d7ff", span.color(0.0, "dark")]
    light = [terminal_color(span, score, "light", palette) for score in (1.0, 99.9, 101.0)]
    assert light == ["#ffd7d7", "#870000", "#5f0000"]
    truecolor = Console(color_system="truecolor", force_terminal=True)
    assert terminal_color(span, 7.0, "dark", truecolor) == span.color(7.0, "dark")


def test_a_terminal_with_few_colours_has_no_theme(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("COLORFGBG", raising=False)
    assert terminal_theme(Console(force_terminal=True, color_system="256")) == "dark"
    assert terminal_theme(Console(force_terminal=True, color_system="standard")) is None
    assert terminal_theme(Console(force_terminal=True, color_system="truecolor", no_color=True)) is None
    monkeypatch.setenv("COLORFGBG", "0;15")
    assert terminal_theme(Console(force_terminal=True, color_system="truecolor")) == "light"


def test_colours_at_the_ends_and_in_the_middle():
    span = Range("nats", 2.0, True)
    blue, *_, red = RAMPS["light"]["diverging"]
    assert [span.color(v) for v in (-5.0, -2.0, 0.0, 2.0, 5.0)] == [blue, blue, "#ffffff", red, red]
    bits = Range("bits", 2.0, False)
    assert bits.color(0.0) == bits.color(-1.0) == "#ffffff"
    assert bits.color(3.0) == RAMPS["light"]["sequential"][-1]
    assert blend(("#000000", "#ffffff"), 0.5) == "#808080"


def test_strength_grows_by_the_same_step_for_the_same_ratio():
    span = Range("bits", 1000.0, False, 1.0)
    found = [span.strength(score) for score in (0.99, 1.0, 10.0, 100.0, 1000.0, 1001.0)]
    assert found == pytest.approx([0, 0.1, 0.1 + 0.86 / 3, 0.1 + 1.72 / 3, 0.96, 1])


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("kind", ["sequential", "diverging"])
def test_text_can_be_read_on_every_colour(theme: str, kind: str):
    for i in range(101):
        ground = blend(RAMPS[theme][kind], i / 100)
        assert max(contrast(ink, ground) for ink in ("#111111", "#ffffff")) >= 4.3


def test_no_colour_stands_for_nan():
    with pytest.raises(InputError, match="only finite scores have a colour; got nan"):
        Range("bits", 1.0, False).color(math.nan)
    with pytest.raises(InputError, match="at least one"):
        Scale.of([])
    with pytest.raises(InputError, match="got floor 2.0 and limit 2.0"):
        Range("bits", 2.0, False, 2.0)


def test_all_zero_scores_still_have_a_scale():
    span = Scale.of([attribution([0.0] * 7)]).ranges["nats"]
    assert (span.limit, span.strength(0.0)) == (1.0, 0.0)
    assert span.floor > 0


def test_a_legend_names_start_powers_of_ten_and_end():
    bits = legend_parts(Range("bits", 919.0, False, 0.9))
    assert [part for part in bits if isinstance(part, str)] == ["0.9", "10", "100", "919"]
    nats = legend_parts(Range("nats", 1.4, True, 0.038))
    assert [part for part in nats if isinstance(part, str)] == [
        "−1.4", "−0.1", "−0.038", "0", "+0.038", "+0.1", "+1.4",
    ]  # fmt: skip
    linear = legend_parts(Range("nats", 2.0, True))
    assert [part for part in linear if isinstance(part, str)] == ["−2", "0", "+2"]
    for parts in (bits, nats, linear):
        cells = [part for part in parts if isinstance(part, float)]
        assert cells == sorted(cells)
        assert 24 <= len(cells) <= 30


def test_a_legend_counts_the_words_without_a_colour_of_their_own():
    a, b = spread([0.1, 0.5, 5.0, 50.0]), spread([0.2, 60.0])
    assert outside_note(Range("bits", 50.0, False, 1.0), [a, b]) == (
        "logarithmic; 3 of 6 words, below 1, have no colour; 1 of 6 words, beyond 50, share the last colour"
    )
    assert outside_note(Range("bits", 60.0, False), [a, b]) == ""
    assert Range("bits", 50.0, False, 1.0).outside([]) == (0, 0, 0)
    missing = attribution([np.nan, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0], "bits")
    assert Range("bits", 60.0, False, 3.5).outside([missing])[:2] == (5, 2)
