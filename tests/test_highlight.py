"""Colours mean the same everywhere, and words carry exactly their score."""

import io
import math

import pytest
from pictures import REVIEW, WORDS, attribution, encoded
from rich.console import Console

from textiba.data import Review
from textiba.errors import InputError
from textiba.highlight import highlight_html, print_highlight, segments
from textiba.scale import RAMPS, Range, Scale, blend, contrast
from textiba.typeset import typeset

SCORES = (0.5, -1.0, 0.0, 0.25, 1.0, 1.0, 0.0)  # "wonderful" is two tokens


def test_a_scale_is_the_98th_percentile_of_word_scores_over_all():
    low, high = attribution(SCORES), attribution([10 * s for s in SCORES], checkpoint="general")
    scale = Scale.of([low, high])
    magnitudes = sorted(abs(w.score) for a in (low, high) for w in a.words())
    assert magnitudes[-2:] == [10.0, 20.0]
    assert scale.at(low) == scale.at(high)
    assert scale.at(low).limit == pytest.approx(10 + 10 * (0.98 * 11 - 10))


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
    with pytest.raises(InputError, match=r"covers \['bits'\], not 'nats'"):
        Scale.of([a]).at(b)


def test_colours_at_the_ends_and_in_the_middle():
    span = Range("nats", 2.0, True)
    blue, *_, red = RAMPS["light"]["diverging"]
    assert [span.color(v) for v in (-5.0, -2.0, 0.0, 2.0, 5.0)] == [blue, blue, "#ffffff", red, red]
    bits = Range("bits", 2.0, False)
    assert bits.color(0.0) == "#ffffff"
    assert bits.color(3.0) == RAMPS["light"]["sequential"][-1]
    assert blend(("#000000", "#ffffff"), 0.5) == "#808080"


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


def test_all_zero_scores_still_have_a_scale():
    assert Scale.of([attribution([0.0] * 7)]).ranges["nats"].limit == 1.0


def test_segments_give_the_text_back_with_a_score_a_word():
    parts = segments(attribution(SCORES))
    assert "".join(p.text for p in parts) == REVIEW.text
    assert [p.text for p in parts if p.word is not None] == list(WORDS)
    assert [p.score for p in parts if p.word is not None] == [0.5, -1.0, 0.0, 0.25, 2.0, 0.0]
    assert [p.text for p in parts if p.marked] == ["Never", " ", "dull", "wonderful"]


def test_html_has_exact_scores_colours_and_rationales():
    shown = attribution(SCORES)
    scale = Scale.of([shown, attribution([4 * s for s in SCORES])])
    markup = highlight_html([shown], scale, ["mine"])
    assert '<h2 style="margin: 0">mine</h2>' in markup
    assert f'data-score="2" title="2 nats" style="background: {scale.at(shown).color(2.0)};' in markup
    assert markup.count("border-bottom") == 4
    assert "nan" not in markup
    assert "[X]" not in markup
    assert ",</mark><br><mark" in markup


def test_html_escapes_text_and_titles():
    nasty = encoded(Review('<img src=x onerror="alert(1)"> {bg} & so on', 0))
    markup = highlight_html([attribution(review=nasty)], titles=["<script>alert(2)</script>"])
    assert "<img" not in markup
    assert "<script" not in markup
    assert "&lt;script&gt;" in markup
    assert "&amp;" in markup
    assert ">{</mark>" in markup


def test_html_wants_a_title_for_each():
    with pytest.raises(InputError, match="got 1 titles for 2 reviews"):
        highlight_html([attribution(), attribution()], titles=["one"])


def test_a_terminal_shows_the_review_in_its_colours():
    shown = attribution(SCORES, review=encoded(cut=7))
    out = io.StringIO()
    print_highlight(shown, console=Console(file=out, force_terminal=True, color_system="truecolor", width=200))
    text = out.getvalue()
    red = RAMPS["light"]["diverging"][-1]
    assert f"48;2;{int(red[1:3], 16)};{int(red[3:5], 16)};{int(red[5:7], 16)}mwonderful" in text
    assert "\x1b[4m \x1b[0m" in text  # the underline runs on between words
    assert "7 tokens were cut" in text
    plain = io.StringIO()
    print_highlight(shown, console=Console(file=plain, width=200))
    assert "Never dull,\nalways wonderful." in plain.getvalue()
    assert "fine-tuned · evidence · layer 1 · positive 0.90" in plain.getvalue()


def test_lines_break_at_white_space_only():
    pieces = typeset(
        segments(attribution(review=encoded(Review("ab it's c\nd")), scores=[1.0] * 6)), lambda s: float(len(s)), 5.0
    )
    assert [(p.text, p.line, p.x) for p in pieces] == [
        ("ab", 0, 0), ("it", 1, 0), ("'", 1, 2), ("s", 1, 3), ("c", 2, 0), ("d", 3, 0),
    ]  # fmt: skip
