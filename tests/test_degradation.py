"""The degradation test against a slow literal loop: one text, one variant at a time."""

import math
from dataclasses import replace
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
import torch
import toys

from textiba.attribution import Attribution
from textiba.errors import InputError, SettingError
from textiba.evaluation import degradation
from textiba.evaluation.degradation import Degradation, degrade, removal_order
from textiba.model.outcomes import Rather
from textiba.model.view import Model
from textiba.texts.sources import Text
from textiba.texts.tokens import TokenizedText

MODEL = toys.model()
STAND_INS = {"mask": toys.VOCABULARY.index("[MASK]"), "pad": toys.VOCABULARY.index("[PAD]")}


def attributions(count: int = 5, seed: int = 11) -> list[Attribution]:
    """Random scores without ties, for texts with and without a label."""
    texts = [Text(t, label=(0, 1, 2, None)[i % 4]) for i, t in enumerate(toys.texts(count, seed=seed))]
    draw = np.random.default_rng(seed)
    return [
        toys.scored(e, draw.normal(size=len(e.content)).tolist(), target=i % 3)
        for i, e in enumerate(MODEL.tokenize(texts))
    ]


def literal(a: Attribution, order: str, settings: Degradation, bert: Any) -> tuple[list[float], list[float]]:
    """Probability of the target, and whether the gold class is predicted, at each step; by lists of ids alone."""
    falling = [i for _, i in sorted([(-float(a.scores[i]), i) for i in a.text.content])]
    probabilities, wins = [], []
    for step in settings.steps:
        if settings.by == "count":
            ordered = falling if order == "morf" else falling[::-1]
            gone = ordered[: int(step)]
        elif order == "morf":
            gone = falling[: toys.nearest(step, len(falling))]
        else:  # LeRF keeps what MoRF removes at the complement
            complement = float(1 - Decimal(str(step)))
            gone = falling[toys.nearest(complement, len(falling)) :]
        places = list(range(len(a.text)))
        if settings.removal in STAND_INS:
            ids = [STAND_INS[settings.removal] if i in gone else v for i, v in enumerate(a.text.ids)]
            types = list(a.text.type_ids)
        else:
            ids = [v for i, v in enumerate(a.text.ids) if i not in gone]
            types = [v for i, v in enumerate(a.text.type_ids) if i not in gone]
            # A token that is hidden from attention is absent, except that the others keep their positions.
            places = [i for i in places if i not in gone] if settings.removal == "attention" else places[: len(ids)]
        with torch.no_grad():
            arguments = {"token_type_ids": torch.tensor([types]), "position_ids": torch.tensor([places])}
            p = bert(torch.tensor([ids]), **arguments).logits.softmax(1)[0]
        probabilities.append(float(p[a.target]))
        label = a.text.source.label
        wins.append(float(p.argmax() == (a.target if label is None else label)))
    return probabilities, wins


@pytest.mark.parametrize("removal", ["delete", "mask", "pad", "attention"])
@pytest.mark.parametrize(("by", "steps"), [("fraction", (0, 0.15, 0.5, 0.85, 1.0)), ("count", (0, 1, 2, 5, 30))])
def test_curves_equal_the_literal_loop(removal: Any, by: Any, steps: tuple[float, ...]):
    settings = Degradation(removal=removal, by=by, steps=steps)
    found, bert = attributions(), toys.classifier().eval()
    assert any(len(a.text.content) % 2 for a in found), "half of an odd number of tokens has to be rounded"
    curves = degrade(MODEL, found, settings, budget=80)
    for order in ("morf", "lerf"):
        for i, a in enumerate(found):
            probabilities, wins = literal(a, order, settings, bert)
            np.testing.assert_allclose(curves[order].probability[i], probabilities, rtol=0, atol=1e-5)
            assert curves[order].correct[i].tolist() == wins


def test_nothing_removed_is_the_whole_prediction_and_all_removed_the_bare_one():
    found = attributions()
    curves = degrade(MODEL, found)
    whole = toys.forward(MODEL, [a.text.source for a in found]).logits.softmax(dim=1)
    bare = MODEL.logits(MODEL.collate([found[0].text.drop(found[0].text.content)])).softmax(dim=1)[0]
    for curve in curves.values():
        expected = [float(whole[i, a.target]) for i, a in enumerate(found)]
        np.testing.assert_allclose(curve.probability[:, 0], expected, atol=1e-6)
        np.testing.assert_allclose(curve.probability[:, -1], [float(bare[a.target]) for a in found], atol=1e-6)


def test_special_tokens_are_never_removed(monkeypatch: pytest.MonkeyPatch):
    seen: list[TokenizedText] = []
    collate = Model.collate
    monkeypatch.setattr(Model, "collate", lambda self, texts: seen.extend(texts) or collate(self, texts))
    degrade(MODEL, attributions())
    assert any(len(variant) == 2 for variant in seen), "the fully degraded text must be among them"
    assert all((variant.tokens[0], variant.tokens[-1]) == ("[CLS]", "[SEP]") for variant in seen)


def test_token_types_stay_with_their_tokens(monkeypatch: pytest.MonkeyPatch):
    [text] = MODEL.tokenize(["a film with a plot"])
    typed = replace(text, type_ids=(0, 0, 1, 0, 1, 1, 0))
    types: list[tuple[tuple[tuple[int, int], ...], tuple[int, ...]]] = []
    collate = Model.collate
    monkeypatch.setattr(
        Model, "collate", lambda self, rs: types.extend((r.offsets, r.type_ids) for r in rs) or collate(self, rs)
    )
    degrade(MODEL, [toys.scored(typed, [3, 1, 5, 2, 4])])
    place = dict(zip(typed.offsets[1:-1], typed.type_ids[1:-1], strict=True))
    assert len(types) > 5
    for offsets, kept in types:
        assert kept[1:-1] == tuple(place[span] for span in offsets[1:-1])


def test_orders_by_hand():
    [text] = MODEL.tokenize(["a film with a plot"])
    a = toys.scored(text, [2, -1, 5, 3, 0])
    assert removal_order(a, "morf") == [3, 4, 1, 5, 2]
    assert removal_order(a, "lerf") == [2, 5, 1, 4, 3]


def test_ties_go_in_a_drawn_order_and_lerf_is_morf_backwards():
    [text] = MODEL.tokenize([" ".join(["film"] * 20)])
    flat = toys.scored(text, [1.0] * 20)
    order = removal_order(flat, "morf")
    assert sorted(order) == list(text.content)
    assert order not in (list(text.content), list(text.content)[::-1])
    assert removal_order(flat, "lerf") == order[::-1]
    assert removal_order(flat, "morf", seed=1) != order
    two = toys.scored(text, [0.0] * 10 + [1.0] * 10)
    assert sorted(removal_order(two, "morf")[:10]) == list(text.content)[10:]


def test_the_random_order_has_a_seed_of_its_own_for_each_text():
    first, second = MODEL.tokenize(["a film with a plot and a scene", "the film with a plot and a scene"])
    a, b = (toys.scored(r, list(range(len(r.content)))) for r in (first, second))
    assert removal_order(a, "random", 0) == removal_order(a, "random", 0)
    assert sorted(removal_order(a, "random", 0)) == list(first.content)
    assert removal_order(a, "random", 0) != removal_order(a, "random", 1)
    assert removal_order(a, "random", 0) != removal_order(b, "random", 0)
    opposite = toys.scored(first, list(range(len(first.content)))[::-1])
    assert removal_order(a, "random", 0) == removal_order(opposite, "random", 0), "it must not look at the scores"


def test_windows_do_not_change_the_curves(monkeypatch: pytest.MonkeyPatch):
    found = attributions(7)
    whole = degrade(MODEL, found)
    monkeypatch.setattr(degradation, "_WINDOW", 2)
    windowed = degrade(MODEL, iter(found), budget=1)
    for order, curve in whole.items():
        np.testing.assert_allclose(windowed[order].probability, curve.probability, atol=1e-5)


def test_a_curve_says_what_it_is():
    found = attributions()
    settings = Degradation(removal="mask", by="count", steps=(0, 2), orders=("lerf",))
    curves = degrade(MODEL, found, settings)
    assert list(curves) == ["lerf"]
    curve = curves["lerf"]
    assert (curve.order, curve.removal, curve.by, curve.method) == ("lerf", "mask", "count", "by_hand")
    assert curve.checkpoint == "toy-bert"
    assert curve.steps.tolist() == [0, 2]
    assert curve.probability.shape == curve.correct.shape == (len(found), 2)


def test_counts_of_steps():
    assert Degradation(steps=(0, 0.1, 0.5, 1)).counts(7) == [0, 1, 4, 7]
    assert Degradation(by="count", steps=(0, 1, 5, 50)).counts(7) == [0, 1, 5, 7]
    assert Degradation(by="count", steps=(0, 1, 5, 50)).counts(7, "lerf") == [0, 1, 5, 7]


@pytest.mark.parametrize("tokens", [1, 2, 3, 5, 9, 10, 13, 30, 50, 77])
def test_lerf_keeps_the_tokens_that_morf_removes(tokens: int):
    shares = (0, 0.01, 0.05, 0.1, 0.2, 0.25, 0.5, 0.75, 0.8, 0.9, 0.95, 0.99, 1)
    settings = Degradation(steps=shares)
    assert settings.counts(tokens) == [toys.nearest(share, tokens) for share in shares]
    complements = settings.counts(tokens, "lerf")[::-1]  # the shares are their own complements, backwards
    assert [tokens - count for count in complements] == settings.counts(tokens)


@pytest.mark.parametrize("tokens", [5, 9, 13])
def test_half_of_an_odd_text_is_the_same_half_for_both_orders(tokens: int, monkeypatch: pytest.MonkeyPatch):
    [text] = MODEL.tokenize([" ".join(toys.FILLER[:tokens])])
    a = toys.scored(text, list(range(tokens)))
    seen: list[tuple[str, ...]] = []
    without = Model.without

    def recorded(self: Model, whole: TokenizedText, gone: list[int], removal: str) -> TokenizedText:
        seen.append(tuple(whole.tokens[i] for i in sorted(gone)))
        return without(self, whole, gone, removal)

    monkeypatch.setattr(Model, "without", recorded)
    degrade(MODEL, [a], Degradation(steps=(0, 0.5), orders=("morf", "lerf")))
    _, removed, _, lost = seen
    assert sorted((*removed, *lost)) == sorted(toys.FILLER[:tokens]), "MoRF removes what LeRF keeps, and nothing twice"


def test_what_cannot_be_degraded():
    with pytest.raises(SettingError, match="needs at least one attribution; got none"):
        degrade(MODEL, [])
    with pytest.raises(SettingError, match=r"fraction is at most 1; got 2.*set by='count'"):
        degrade(MODEL, attributions(), Degradation(steps=(0, 2)))


@pytest.mark.parametrize("steps", [(0.1, 0.5), (0, 0.5, 0.5), (0, 0.5, 0.2), (0, math.nan)])
def test_steps_rise_from_zero(steps: tuple[float, ...]):
    with pytest.raises(SettingError, match="steps"):
        Degradation(steps=steps)


@pytest.mark.parametrize("steps", [(0, 0.1, 0.5, 1), (0, 2.5), (0, 1, 1.25)])
def test_numbers_of_tokens_are_whole(steps: tuple[float, ...]):
    broken = next(step for step in steps if step != int(step))
    with pytest.raises(SettingError, match=f"a number of tokens is whole; got {broken}.*set by='fraction'"):
        Degradation(by="count", steps=steps)


def test_a_curve_is_of_one_method():
    one, two, *_ = attributions()
    for other in (replace(two, method="lrp"), replace(two, settings={"layer": 1}), replace(two, settings={"layer": 2})):
        with pytest.raises(InputError, match=r"is of one method with one choice of settings.*Call degrade once for"):
            degrade(MODEL, [one, other])


@pytest.mark.parametrize("place", [0, 1, -1])
def test_a_score_that_is_no_number_has_no_place_in_the_order(place: int):
    [a] = attributions(1)
    scores = a.scores.copy()
    scores[a.text.content[place]] = math.nan
    with pytest.raises(InputError, match=f"1 of {len(a.text.content)} are NaN"):
        degrade(MODEL, [replace(a, scores=scores)])


def test_scores_for_another_question_are_refused():
    found = attributions()
    asked = MODEL.asking(Rather(this=2, that=0))
    with pytest.raises(InputError, match="the model is asked 'LABEL_2 rather than LABEL_0', with 2 answers"):
        degrade(asked, found)
    curves = degrade(asked, [replace(a, asked=asked.reading.words, labels=asked.labels, target=1) for a in found])
    assert set(curves) == {"morf", "lerf", "random"}


def test_a_label_says_nothing_on_another_question_than_which_class():
    asked = MODEL.asking(Rather(this=2, that=0))
    found = [replace(a, asked=asked.reading.words, labels=asked.labels, target=1) for a in attributions(8)]
    assert {a.text.source.label for a in found} == {0, 1, 2, None}
    for curve in degrade(asked, found).values():
        np.testing.assert_array_equal(curve.correct, curve.probability > 0.5)


@pytest.mark.parametrize("removal", ["mask", "pad"])
def test_a_stand_in_needs_its_token(monkeypatch: pytest.MonkeyPatch, removal: Any):
    found = attributions()
    toys.without_token(monkeypatch, MODEL, removal)
    message = f"removal='{removal}' needs a tokenizer with a {removal} token; use removal='delete'"
    with pytest.raises(SettingError, match=message):
        degrade(MODEL, found, Degradation(removal=removal))


@pytest.mark.parametrize("removal", ["mask", "pad", "attention"])
def test_all_but_deletion_keep_the_length(monkeypatch: pytest.MonkeyPatch, removal: Any):
    found = attributions(1)
    lengths: set[int] = set()
    collate = Model.collate
    monkeypatch.setattr(Model, "collate", lambda self, rs: lengths.update(map(len, rs)) or collate(self, rs))
    degrade(MODEL, found, Degradation(removal=removal))
    assert lengths == {len(found[0].text)}


def test_hidden_tokens_are_without_influence_and_the_others_keep_their_place():
    """The attention mask against the model itself, run on the kept tokens alone at the positions they had."""
    text, bert = MODEL.tokenize(["a film with a plot and a scene"])[0], toys.classifier().eval()
    gone = [2, 3, 6]
    keep = [i for i in range(len(text)) if i not in gone]
    with torch.no_grad():
        literal = bert(
            torch.tensor([[text.ids[i] for i in keep]]),
            token_type_ids=torch.tensor([[text.type_ids[i] for i in keep]]),
            position_ids=torch.tensor([keep]),
        ).logits[0]
    [logits] = MODEL.logits(MODEL.collate([text.hide(gone)]))
    torch.testing.assert_close(logits, literal, rtol=0, atol=1e-5)
    [deleted] = MODEL.logits(MODEL.collate([text.drop(gone)]))
    assert (deleted - literal).abs().max() > 1e-3, "places must matter, or the test says nothing"
    [other] = MODEL.logits(MODEL.collate([text.substitute(gone, 9).hide(gone)]))
    torch.testing.assert_close(other, logits, rtol=0, atol=1e-5)


def test_an_order_that_does_not_exist():
    with pytest.raises(SettingError, match=r"orders.*'morf', 'lerf' or 'random'; got 'best'"):
        Degradation(orders=("best",))  # type: ignore[arg-type]
