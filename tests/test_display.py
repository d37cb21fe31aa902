"""Results show themselves: in a line, and in a notebook."""

import pickle
import re

import pytest
import toys
from pictures import attribution, tokenized
from test_imports import loaded_by

import textiba
from textiba.attribution import Attribution, Attributions, amount, top_words
from textiba.methods import Random
from textiba.show.scale import Scale
from textiba.texts.sources import Text

SCORES = (0.5, -1.0, 0.0, 0.25, 1.0, 1.0, 0.0)  # "wonderful" is two tokens


def test_one_is_a_line():
    line = repr(attribution(SCORES))
    assert line == (
        "<Attribution fine-tuned · evidence · layer 1 · positive 0.90 · sum +1.75 nats"
        " · wonderful +2, dull −1, Never +0.5>"
    )
    assert repr(Attributions([attribution(), attribution()])).count("\n") == 1
    assert repr(Attributions()) == "[]"


def test_top_words_are_those_of_the_largest_magnitude_and_none_of_zero():
    assert [w.text for w in top_words(attribution(SCORES), 3)] == ["wonderful", "dull", "Never"]
    assert len(top_words(attribution(SCORES), 99)) == 4


@pytest.mark.parametrize(
    ("score", "signed", "text"),
    [
        (1.729, True, "+1.73"),
        (-0.2, True, "−0.2"),
        (0.0, True, "0"),
        (1204.4, False, "1,204"),
        (-1204.4, True, "−1,204"),
    ],
)
def test_an_amount_has_three_digits_and_its_sign(score: float, signed: bool, text: str):
    assert amount(score, signed) == text


def test_a_notebook_shows_one_with_its_legend():
    formatter = pytest.importorskip("IPython.core.formatters").DisplayFormatter()
    shown, _ = formatter.format(attribution(SCORES, "bits"))
    assert "bits per word" in shown["text/html"]
    assert shown["text/html"].count('<mark data-score=""') == 1  # the space in "Never dull", which is underlined
    assert shown["text/html"].count("<mark") == 7
    assert shown["text/plain"].startswith("<Attribution fine-tuned")


def test_a_notebook_shows_a_list_on_one_scale():
    formatter = pytest.importorskip("IPython.core.formatters").DisplayFormatter()
    low, high = attribution(SCORES), attribution([4 * s for s in SCORES], checkpoint="general")
    shown, _ = formatter.format(Attributions([low, high]))
    markup = shown["text/html"]
    span = Scale.of([low, high]).at(low)
    assert re.search(rf'data-score="2" [^>]*{re.escape(span.tint(2.0))}', markup)
    assert re.search(rf'data-score="8" [^>]*{re.escape(span.tint(8.0))}', markup)
    assert markup.count("nats per word") == 1
    assert shown["text/plain"].count("<Attribution") == 2
    assert "text/html" not in formatter.format(Attributions())[0]


def test_text_labels_and_names_are_escaped():
    nasty = tokenized(Text("<script>alert(1)</script> & so on", 0))
    labels = ("<b>no</b>", "<i>yes</i>")
    markup = attribution(text=nasty, checkpoint="<u>mine</u>", labels=labels)._repr_html_()
    assert markup is not None
    for tag in ("<script", "<b>no", "<i>yes", "<u>mine"):
        assert tag not in markup
    assert "&lt;u&gt;mine" in markup


def test_a_long_list_shows_its_beginning_on_the_scale_of_all():
    many = Attributions([attribution(SCORES)] * 29 + [attribution([9 * s for s in SCORES])])
    markup = many._repr_html_()
    assert markup is not None
    assert markup.count("<b>fine-tuned") == 24
    assert "6 more are not shown; for those take a slice, such as [24:48]" in markup
    assert Scale.of(many).at(many[0]).tint(2.0) in markup


def test_it_is_a_list_and_slices_and_sums_stay_one():
    a, b, c = (attribution(SCORES, checkpoint=name) for name in "abc")
    found = Attributions([a, b])
    assert isinstance(found, list)
    assert found == [a, b]
    assert isinstance(found[0], Attribution)
    assert [type(found[:1]), type(found + [c])] == [Attributions] * 2  # noqa: RUF005 - the sum is what is tested
    assert [x.checkpoint for x in found + Attributions([c])] == ["a", "b", "c"]
    assert type(pickle.loads(pickle.dumps(found))) is Attributions  # noqa: S301 - our own bytes
    [first, second] = found
    assert (first, second) == (a, b)


def test_explain_returns_one():
    found = textiba.explain(toys.model(), Random(), ["the film was superb .", "a dreadful plot"])
    assert type(found) is Attributions
    assert "superb" in (found._repr_html_() or "")


def test_a_line_needs_no_spacy_and_a_cell_no_matplotlib():
    made = "from pictures import attribution; a = attribution()"
    path = f"import sys; sys.path.insert(0, {str(__file__.rpartition('/')[0])!r}); {made}"
    assert not loaded_by(f"{path}; repr(a)") & {"spacy", "matplotlib"}
    assert "matplotlib" not in loaded_by(f"{path}; a._repr_html_()")
