"""Words carry exactly their score, in a terminal and in HTML."""

import io
import re
from dataclasses import replace
from typing import Any

import pytest
from pictures import TEXT, WORDS, attribution, tokenized
from rich.console import Console

from textiba.attribution import Attribution, EvidenceDetails
from textiba.errors import InputError
from textiba.show.highlight import facts, highlight_html, print_highlight
from textiba.show.scale import DARK_GROUND, RAMPS, Range, Scale, contrast
from textiba.show.segments import segments
from textiba.show.typeset import typeset
from textiba.texts.sources import Text

SCORES = (0.5, -1.0, 0.0, 0.25, 1.0, 1.0, 0.0)  # "wonderful" is two tokens
UP_TO_2 = Scale({"nats": Range("nats", 2.0, True), "bits": Range("bits", 2.0, False)})


def test_segments_give_the_text_back_with_a_score_a_word():
    parts = segments(attribution(SCORES))
    assert "".join(p.text for p in parts) == TEXT.text
    assert [p.text for p in parts if p.word is not None] == list(WORDS)
    assert [p.score for p in parts if p.word is not None] == [0.5, -1.0, 0.0, 0.25, 2.0, 0.0]
    assert [p.text for p in parts if p.marked] == ["Never", " ", "dull", "wonderful"]


def test_html_has_exact_scores_colours_and_rationales():
    shown = attribution(SCORES)
    scale = Scale.of([shown, attribution([4 * s for s in SCORES])])
    markup = highlight_html([shown], scale, ["mine"])
    assert "<b>mine</b>" in markup
    assert f'data-score="2" title="2 nats" style="background-color: {scale.at(shown).tint(2.0)};' in markup
    assert markup.count("border-bottom") == 4
    assert "underlined: marked as the reason" in markup
    assert "nan" not in markup
    assert "[X]" not in markup
    assert ",</mark><br><mark" in markup


def test_html_says_what_the_colours_mean_and_the_sum():
    markup = highlight_html([attribution(SCORES), attribution(SCORES, "bits")], UP_TO_2)
    assert ">−2 <span" in markup
    assert "</span> +2 nats per word: red speaks for the explained class, blue against it<" in markup
    assert "</span> 2 bits per word: how much of it" in markup
    assert "sum +1.75 nats · gold positive · log p −2 with closed gates, −0.1 with open gates" in markup
    assert "sum 3.75 bits · gold positive · p 0.90 with the bottleneck in place<" in markup
    assert "wonderful +2</span> · <span" in markup


def test_html_leaves_the_ink_to_the_page_and_needs_no_style_sheet():
    markup = highlight_html([attribution(SCORES)])
    assert re.search(r"[^-]color:", markup.replace("color: inherit", "")) is None
    assert "<style" not in markup


@pytest.mark.parametrize("kind", ["sequential", "diverging"])
@pytest.mark.parametrize(("ink", "ground"), [("#212121", "#ffffff"), ("#e0e0e0", "#111111"), ("#cccccc", "#1e1e1e")])
def test_a_notebook_s_ink_can_be_read_on_every_tint(kind: str, ink: str, ground: str):
    span = Range("nats", 1.0, kind == "diverging")
    for i in range(-20, 21):
        *tint, alpha = (float(v) for v in re.findall(r"[\d.]+", span.tint(i / 20)))
        under = [int(ground[at : at + 2], 16) for at in (1, 3, 5)]
        mixed = [round(alpha * c + (1 - alpha) * g) for c, g in zip(tint, under, strict=True)]
        assert contrast(ink, "#" + "".join(f"{c:02x}" for c in mixed)) >= 4.5


def test_tints_say_which_side_and_grow_with_the_score():
    span = Range("nats", 2.0, True)
    alphas = [float(span.tint(v).rpartition(",")[2].strip(" )")) for v in (-4.0, -2.0, -1.0, 0.0, 1.0, 2.0)]
    assert alphas == [0.55, 0.55, 0.275, 0.0, 0.275, 0.55]
    assert span.tint(1.0).startswith("rgba(214,")
    assert span.tint(-1.0).startswith("rgba(46,")


def test_html_escapes_text_and_titles():
    nasty = tokenized(Text('<img src=x onerror="alert(1)"> {bg} & so on', 0))
    markup = highlight_html([attribution(text=nasty)], titles=["<script>alert(2)</script>"])
    assert "<img" not in markup
    assert "<script" not in markup
    assert "&lt;script&gt;" in markup
    assert "&amp;" in markup
    assert ">{</mark>" in markup


def test_html_wants_a_title_for_each():
    with pytest.raises(InputError, match="got 1 titles for 2 texts"):
        highlight_html([attribution(), attribution()], titles=["one"])


def printed(*shown: Attribution, **console: Any) -> str:
    """What a terminal, or with `force_terminal=False` a pipe, gets."""
    out = io.StringIO()
    print_highlight(shown, UP_TO_2, Console(**{"file": out, "width": 100, "force_terminal": True} | console))
    return out.getvalue()


def sgr(role: int, color: str) -> str:
    """The terminal's code for a colour; 38 is the ink, 48 the ground."""
    return f"{role};2;{';'.join(str(int(color[i : i + 2], 16)) for i in (1, 3, 5))}"


@pytest.mark.parametrize(("ground", "theme"), [("", "dark"), ("15;0", "dark"), ("0;15", "light")])
def test_a_terminal_shows_the_text_on_a_background_of_its_own(ground: str, theme: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("COLORFGBG", ground)
    text = printed(attribution(SCORES), color_system="truecolor")
    red = RAMPS[theme]["diverging"][-1]
    assert re.search(rf"\x1b\[[\d;]*{sgr(48, red)}mwonderful", text)
    card = {"light": "#ffffff", "dark": DARK_GROUND}[theme]
    assert re.search(rf"\x1b\[[\d;]*{sgr(48, card)}m +\x1b", text)  # to the end of the line
    assert re.search(r"\x1b\[4;[\d;]*m \x1b", text)  # the underline runs on between words
    assert "−2 \x1b" in text
    assert "nats per word: red speaks" in text


def test_a_terminal_lists_the_top_words_the_sum_and_one_legend_for_all():
    text = printed(attribution(SCORES), attribution([s / 2 for s in SCORES], checkpoint="general"), no_color=True)
    lines = [" ".join(line.split()) for line in re.sub(r"\x1b\[[\d;]*m", "", text).splitlines()]
    assert "wonderful +2 █████████████████████" in lines
    assert "wonderful +1 ██████████▌" in lines
    assert "dull −0.5 █████▎" in lines
    assert "sum +0.875 nats · gold positive · log p −2 with closed gates, −0.1 with open gates" in lines
    assert sum("per word" in line for line in lines) == 1
    assert not any("red" in line for line in lines)


@pytest.mark.parametrize("how", [{"no_color": True}, {"force_terminal": False}, {"color_system": "standard"}])
def test_with_few_colours_the_scores_that_matter_stand_in_the_text(how: dict[str, Any]):
    text = printed(attribution((0.1, -1.0, 0.0, 0.12, 1.0, 1.0, 0.0), text=tokenized(cut=7)), **how)
    # The sum of |scores| is 3.22: the 0.1 of "Never" and the 0.12 of "always" are less than 5 % of it.
    assert "Never [dull −1],\nalways [wonderful +2]." in re.sub(r"\x1b\[[\d;]*m", "", text)
    assert "48;2" not in text
    assert "fine-tuned · evidence · layer 1 · positive 0.90" in text
    assert "7 tokens were cut" in " ".join(re.sub(r"\x1b\[[\d;]*m", "", text).split())
    assert "in brackets: words with at least 5 %" in text


def test_words_that_matter_are_never_printed_by_the_dozen():
    many = tokenized(Text(" ".join(f"w{i}" for i in range(300))))
    flat = printed(attribution([1.0 + i / 1e4 for i in range(300)], text=many), force_terminal=False)
    assert "[" not in flat.split("\n\n")[1]
    sparse = printed(attribution([900.0 * (i in (7, 8)) + 1.2 for i in range(300)], "bits", many), force_terminal=False)
    assert re.findall(r"\[(\w+ [\d,.]+)\]", sparse) == ["w7 901", "w8 901"]


def test_bars_are_proportional_to_the_scores_of_all_texts():
    shown = [attribution((k * 919.0, k * 460.0, 0.0, k * 1.24, 0.0, 0.0, 0.0), "bits") for k in (1, 0.5)]
    out = io.StringIO()
    print_highlight(shown, console=Console(file=out, width=100, force_terminal=False))
    bars = re.findall(r"^(\w+) +[\d.]+ *([█▏▎▍▌▋▊▉]*)$", out.getvalue(), re.M)
    columns = [sum(("▏▎▍▌▋▊▉█".index(column) + 1) / 8 for column in bar) for _, bar in bars]
    assert [word for word, _ in bars] == ["Never", "dull", "always"] * 2
    wanted = [21 * score / 919 for score in (919, 460, 1.24, 459.5, 230, 0.62)]
    assert columns == pytest.approx(wanted, abs=1 / 16)


def test_a_scale_made_for_other_texts_says_what_lies_beyond_it():
    small, large = attribution(SCORES), attribution([10 * s for s in SCORES])
    scale = Scale.of([small])
    assert "4 of 6 words, beyond 2, share the last colour" in highlight_html([large], scale)
    out = io.StringIO()
    print_highlight([large], scale, Console(file=out, width=100, force_terminal=True, color_system="truecolor"))
    assert "4 of 6 words, beyond 2, share the last" in out.getvalue()
    assert "beyond" not in highlight_html([small, large])


def test_a_console_without_unicode_gets_bars_too():
    file = io.TextIOWrapper(io.BytesIO(), encoding="ascii", errors="replace")
    print_highlight([attribution(SCORES)], console=Console(file=file, width=100))
    file.flush()
    assert b"+2 #####################\n" in file.buffer.getvalue()  # type: ignore[attr-defined]


def test_a_pipe_gets_whole_lines_and_a_narrow_terminal_its_width():
    long = tokenized(Text("word " * 60))
    shown = attribution([0.1] * 60, text=long)
    assert ("word " * 60).strip() in printed(shown, force_terminal=False, width=40)
    narrow = re.sub(r"\x1b\[[\d;]*m", "", printed(shown, width=40, color_system="truecolor"))
    assert max(map(len, narrow.splitlines())) == 40
    wide = re.sub(r"\x1b\[[\d;]*m", "", printed(shown, width=300, color_system="truecolor"))
    assert max(map(len, wide.splitlines())) == 100


def test_a_text_gives_the_terminal_no_commands():
    text = printed(attribution(text=tokenized(Text("a \x1b]0;b\x07"))), force_terminal=False)
    assert "\x1b" not in text
    assert "\ufffd" in text


def test_lines_break_at_white_space_only():
    pieces = typeset(
        segments(attribution(text=tokenized(Text("ab it's c\nd")), scores=[1.0] * 6)), lambda s: float(len(s)), 5.0
    )
    assert [(p.text, p.line, p.x) for p in pieces] == [
        ("ab", 0, 0), ("it", 1, 0), ("'", 1, 2), ("s", 1, 3), ("c", 2, 0), ("d", 3, 0),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("output", "said"),
    [("log_probability", "log p"), ("log_odds", "log-odds"), ("logit", "logit"), ("probability", "p"), (None, "log p")],
)
def test_the_explained_output_is_named(output: str | None, said: str):
    details = EvidenceDetails(-2.0, 0.5, 0.0, 0.0)
    shown = replace(attribution(SCORES), settings={"output": output}, details=details)
    assert f"· {said} −2 with closed gates" in facts(shown)
