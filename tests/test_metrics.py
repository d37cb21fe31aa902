"""Every metric against numbers worked out by hand, and against scipy, sklearn and a loop of single passes."""

import math
from typing import Any

import numpy as np
import pytest
import torch
import toys

from textiba.attribution import Attribution, Curve
from textiba.errors import InputError, SettingError
from textiba.evaluation import metrics
from textiba.evaluation.degradation import Degradation, degrade
from textiba.evaluation.metrics import faithfulness, plausibility
from textiba.texts.sources import Text

MODEL = toys.model()


def floats(*values: Any) -> np.ndarray:
    return np.array(values, dtype=np.float64)


def bools(pattern: str) -> np.ndarray:
    """An x is True and a dot False."""
    return np.array([c == "x" for c in pattern])


def curve(order: str, rows: list[list[float]], steps: list[float], by: str = "fraction") -> Curve:
    array = np.asarray(rows)
    return Curve(order, "delete", by, floats(*steps), array, np.ones_like(array), "by_hand", "toy")


def test_area_under_a_curve_by_hand():
    rows = floats([0.9, 0.1, 0.5], [0.8, 0.8, 0.8])
    np.testing.assert_allclose(faithfulness.auc(rows, floats(0, 0.5, 1)), [0.4, 0.8])
    # 0.2 · 0.5 + 0.8 · 0.3, whatever the unit of the steps.
    np.testing.assert_allclose(faithfulness.auc(rows, floats(0, 0.2, 1)), [0.34, 0.8])
    np.testing.assert_allclose(faithfulness.auc(rows, floats(0, 2, 10)), [0.34, 0.8])


def test_area_between_curves_by_hand():
    morf, lerf = floats([0.9, 0.1, 0.5], [0.8, 0.8, 0.8]), floats([0.9, 0.7, 0.5], [0.8, 0.4, 0.8])
    # Triangles of heights 0.6 and −0.4 over the whole span.
    np.testing.assert_allclose(faithfulness.area(morf, lerf, floats(0, 0.5, 1)), [0.3, -0.2])


@pytest.mark.parametrize("steps", [[0.0], [0.0, 0.5, 0.5], [0.0, 0.5, 0.2]])
def test_an_area_needs_rising_steps(steps: list[float]):
    with pytest.raises(InputError, match="two or more steps, which rise; got"):
        faithfulness.auc(np.ones((2, len(steps))), floats(*steps))


def test_comprehensiveness_and_sufficiency_by_hand():
    whole = floats(0.9, 0.6)
    removed = floats([0.8, 0.5, 0.1], [0.6, 0.7, 0.2])
    kept = floats([0.3, 0.9, 0.9], [0.6, 0.5, 0.7])
    np.testing.assert_allclose(faithfulness.comprehensiveness(whole, removed), [1.3 / 3, 0.1])
    np.testing.assert_allclose(faithfulness.sufficiency(whole, kept), [0.2, 0], atol=1e-12)


def test_log_odds_by_hand_and_with_nothing_left():
    found = faithfulness.log_odds(floats(0.8, 0.5), floats([0.4, 0.2], [0.5, 0.0]))
    # (log ½ + log ¼) / 2, and (log 1 + log(1e-12 / ½)) / 2.
    np.testing.assert_allclose(found, [-1.5 * math.log(2), -13.4689369677], rtol=1e-10)


def test_sensitivity_n_by_hand():
    scores = floats(3, 1, -2, 0)
    subsets = np.stack([bools("xx.."), bools("x.x."), bools(".x.x"), bools("..xx")])
    # Sums 4, 1, 1, −2: deviations 3, 0, 0, −3; drops: 0.4, 0.1, −0.1, −0.4; 2.4 / √(18 · 0.34).
    found = faithfulness.sensitivity_n(scores, subsets, floats(0.6, 0.3, 0.1, -0.2))
    assert found == pytest.approx(2.4 / math.sqrt(6.12))
    assert faithfulness.sensitivity_n(scores, subsets, floats(0.9, 0.6, 0.6, 0.3)) == pytest.approx(1)


def test_sensitivity_n_has_no_value_where_a_side_is_constant():
    subsets = np.stack([bools("xx."), bools("x.x"), bools(".xx")])
    assert math.isnan(faithfulness.sensitivity_n(floats(0.1, 0.1, 0.1), subsets, floats(1, 2, 3)))
    assert math.isnan(faithfulness.sensitivity_n(floats(1, 2, 3), subsets, floats(0.1, 0.1, 0.1)))
    assert math.isnan(faithfulness.sensitivity_n(floats(1, 2, 3), subsets, floats(0, 0, 0)))


def test_rank_agreement_by_hand():
    # Ranks 1, 2½, 2½, 4 and 1, 3, 2, 4: 4.5 / √(4.5 · 5).
    found = faithfulness.rank_agreement(floats(1, 2, 2, 5), floats(10, 30, 20, 40))
    assert found == pytest.approx(4.5 / math.sqrt(22.5))
    assert faithfulness.ranks(floats(7, -1, 7, 7, 0)).tolist() == [4, 1, 4, 4, 2]
    assert math.isnan(faithfulness.rank_agreement(floats(1, 1, 1), floats(1, 2, 3)))


def test_correlations_equal_those_of_scipy():
    stats = pytest.importorskip("scipy.stats")
    draw = np.random.default_rng(0)
    for _ in range(20):
        a, b = (draw.integers(-4, 5, 12).astype(np.float32) for _ in range(2))
        assert faithfulness.rank_agreement(a, b) == pytest.approx(stats.spearmanr(a, b).statistic)
        np.testing.assert_array_equal(faithfulness.ranks(a), stats.rankdata(a))
        subsets, drops = draw.random((9, 12)) < 0.3, draw.random(9)
        literal = stats.pearsonr([a[s].sum() for s in subsets], drops).statistic
        assert faithfulness.sensitivity_n(a, subsets, drops) == pytest.approx(literal)


def test_scores_of_special_tokens_are_refused():
    scores, subsets = floats(math.nan, 1, 2, math.nan), np.stack([bools("xx.."), bools("..xx")])
    for call in (
        lambda: faithfulness.sensitivity_n(scores, subsets, floats(0.1, 0.2)),
        lambda: faithfulness.rank_agreement(scores, floats(1, 2, 3, 4)),
        lambda: faithfulness.rank_agreement(floats(1, 2, 3, 4), scores),
        lambda: plausibility.top(scores, 2),
        lambda: plausibility.auprc(scores, bools(".x..")),
    ):
        with pytest.raises(InputError, match=r"2 of 4 are NaN.*take textiba.attribution.content_scores"):
            call()


STEPS = [0, 0.1, 0.5, 0.9, 1]


def test_metrics_off_curves_by_hand():
    curves = {
        "morf": curve("morf", [[0.9, 0.7, 0.3, 0.2, 0.5]], STEPS),
        "lerf": curve("lerf", [[0.9, 0.95, 0.8, 0.6, 0.5]], STEPS),
    }
    found = metrics.from_curves(curves, shares=(0.1, 0.5))
    assert {name: float(values[0]) for name, values in found.items()} == pytest.approx(
        {
            "area": 0.3625,
            "morf": 0.415,
            "lerf": 0.7775,
            "comprehensiveness": (0.2 + 0.6) / 2,
            "sufficiency": (0.3 + 0.1) / 2,
            "log_odds": -0.6749633585,
        }
    )


def test_the_steps_that_the_metrics_need():
    assert metrics.aopc_steps() == (0, 0.01, 0.05, 0.1, 0.2, 0.5, 0.8, 0.9, 0.95, 0.99, 1)
    assert metrics.aopc_steps((0.1, 0.5), others=(0.25,)) == (0, 0.1, 0.25, 0.5, 0.9)
    assert faithfulness.missing_steps(floats(0, 0.1 + 2e-10, 0.5, 1)) == (0.01, 0.05, 0.2, 0.8, 0.9, 0.95, 0.99)
    assert faithfulness.missing_steps(floats(0, 1 - 0.9, 0.5, 0.9), (0.1, 0.5)) == ()


def test_what_cannot_be_read_off_curves():
    flat = [[0.5] * 5]
    good = {order: curve(order, flat, STEPS) for order in ("morf", "lerf")}
    with pytest.raises(InputError, match=r"\['lerf'\] is missing. Add it to `orders`"):
        metrics.from_curves({"morf": good["morf"]})
    with pytest.raises(SettingError, match=r"add 0.01, 0.05, 0.2, 0.8, 0.95, 0.99 to the steps \(see aopc_steps\)"):
        metrics.from_curves(good)
    with pytest.raises(InputError, match="MoRF and LeRF have the same steps"):
        metrics.from_curves({**good, "lerf": curve("lerf", flat, [0, 0.1, 0.4, 0.9, 1])})
    with pytest.raises(SettingError, match="got by='count'. Set by='fraction'"):
        metrics.from_curves({order: curve(order, flat, [0, 1, 2, 3, 4], "count") for order in good})


@pytest.mark.parametrize("removal", ["delete", "mask"])
def test_metrics_off_curves_equal_one_pass_for_each_variant(removal: Any):
    draw, bert = np.random.default_rng(5), toys.classifier().eval()
    lengths = (5, 9, 13, 10, 30)  # half of the odd ones, and 5 % of 10 and 30, lie between two whole numbers
    tokenized = MODEL.tokenize([" ".join(toys.FILLER[:length]) for length in lengths])
    assert tuple(len(text.content) for text in tokenized) == lengths
    found = [toys.scored(e, draw.normal(size=len(e.content)).tolist(), target=i % 3) for i, e in enumerate(tokenized)]

    def probability(a: Attribution, gone: list[int]) -> float:
        mask = toys.VOCABULARY.index("[MASK]")
        text = a.text.drop(gone) if removal == "delete" else a.text.substitute(gone, mask)
        with torch.no_grad():
            logits = bert(torch.tensor([text.ids]), token_type_ids=torch.tensor([text.type_ids])).logits
        return float(logits.softmax(1)[0, a.target])

    literal: dict[str, list[float]] = {"comprehensiveness": [], "sufficiency": [], "log_odds": []}
    for a in found:
        falling = [i for _, i in sorted((-float(a.scores[i]), i) for i in a.text.content)]
        tops = [falling[: toys.nearest(k, len(falling))] for k in ("0.01", "0.05", "0.1", "0.2", "0.5")]
        whole = probability(a, [])
        removed = [probability(a, top) for top in tops]
        kept = [probability(a, [i for i in falling if i not in top]) for top in tops]
        literal["comprehensiveness"].append(sum(whole - p for p in removed) / 5)
        literal["sufficiency"].append(sum(whole - p for p in kept) / 5)
        literal["log_odds"].append(sum(math.log(p / whole) for p in removed) / 5)
    curves = degrade(MODEL, found, Degradation(removal=removal, steps=metrics.aopc_steps()))
    read = metrics.from_curves(curves)
    for name, values in literal.items():
        np.testing.assert_allclose(read[name], values, atol=1e-5, err_msg=name)


def test_a_share_that_removes_no_token_adds_nothing():
    [text] = MODEL.tokenize(["a film with a plot"])
    curves = degrade(MODEL, [toys.scored(text, [3, 1, 5, 2, 4])], Degradation(steps=(0, 0.05, 0.95, 1)))
    read = metrics.from_curves(curves, shares=(0.05,))
    assert read["comprehensiveness"].tolist() == read["log_odds"].tolist() == [0]


SCORES = floats(5, 1, 4, -3, 4)
MARKED = bools("x...x")


def test_top_units_with_ties_in_the_order_of_the_text():
    assert plausibility.top(SCORES, 0).tolist() == bools(".....").tolist()
    assert plausibility.top(SCORES, 2).tolist() == bools("x.x..").tolist()
    assert plausibility.top(SCORES, 4).tolist() == bools("xxx.x").tolist()
    with pytest.raises(InputError, match="between 0 and 5; got 6"):
        plausibility.top(SCORES, 6)


def test_plausibility_by_hand():
    assert plausibility.top_share(SCORES, MARKED) == 0.5
    # 5 alone: precision 1 at recall ½; the two 4s together: precision ⅔ at recall 1.
    assert plausibility.auprc(SCORES, MARKED) == pytest.approx(0.5 * 1 + 0.5 * 2 / 3)
    assert plausibility.token_f1(bools("xxx.."), MARKED) == pytest.approx(2 / 5)
    assert plausibility.iou(bools("xxx.."), MARKED) == pytest.approx(1 / 4)
    assert plausibility.token_f1(bools("....."), MARKED) == plausibility.iou(bools("....."), MARKED) == 0


def test_average_precision_equals_that_of_sklearn():
    sklearn = pytest.importorskip("sklearn.metrics")
    draw = np.random.default_rng(1)
    for size in (1, 2, 7, 40):
        for _ in range(10):
            scores, marked = draw.integers(-3, 4, size).astype(float), draw.random(size) < 0.4
            marked[draw.integers(size)] = True
            assert plausibility.auprc(scores, marked) == pytest.approx(sklearn.average_precision_score(marked, scores))
            chosen = plausibility.top(scores, size // 2)
            assert plausibility.token_f1(chosen, marked) == pytest.approx(sklearn.f1_score(marked, chosen))
            assert plausibility.iou(chosen, marked) == pytest.approx(sklearn.jaccard_score(marked, chosen))


def test_nothing_marked_is_told():
    nothing = bools(".....")
    for metric in (plausibility.top_share, plausibility.auprc, plausibility.from_units):
        with pytest.raises(InputError, match="none of the 5 units is marked. Leave such texts out"):
            metric(SCORES, nothing)
    for metric in (plausibility.token_f1, plausibility.iou):
        with pytest.raises(InputError, match="none of the 5 units is marked"):
            metric(MARKED, nothing)


def words_by_hand() -> Attribution:
    """Scores: the 2.5 | actor s 1 + 2 | film ed −1 + 0.5 | a 0 | superb 4 | film 1; marked: "ctor", "superb film"."""
    text = "the actors filmed a superb film"
    spans = ((text.index("ctor"), text.index("ctor") + 4), (text.index("superb"), len(text)))
    [text] = MODEL.tokenize([Text(text, rationale=spans)])
    return toys.scored(text, [2.5, 1, 2, -1, 0.5, 0, 4, 1], signed=True)


def test_words_and_their_rationale():
    scores, marked = metrics.words_and_rationale(words_by_hand())
    assert scores.tolist() == [2.5, 3, -0.5, 0, 4, 1]
    assert marked.tolist() == bools(".x..xx").tolist()
    assert plausibility.word_rationale(words_by_hand()).tolist() == marked.tolist()


def test_plausibility_of_an_attribution_by_hand():
    # Falling: superb, actors, the, film.
    expected = {"top_share": 2 / 3, "auprc": (1 + 1 + 3 / 4) / 3, "token_f1": 2 / 3, "iou": 2 / 4}
    assert metrics.from_attribution(words_by_hand()) == pytest.approx(expected)
    assert metrics.from_attribution(words_by_hand(), 0.5) == pytest.approx(expected)
    two = metrics.from_attribution(words_by_hand(), 0.4)
    assert two == pytest.approx({**expected, "token_f1": 4 / 5, "iou": 2 / 3})
    one = metrics.from_attribution(words_by_hand(), 0.01)
    assert one == pytest.approx({**expected, "token_f1": 2 / 4, "iou": 1 / 3})


@pytest.mark.parametrize("share", [0.0, -0.1, 1.1])
def test_a_share_of_the_words_to_choose(share: float):
    with pytest.raises(SettingError, match="above 0 and at most 1; got"):
        metrics.from_attribution(words_by_hand(), share)


def test_chosen_as_long_as_the_rationale_f1_is_the_top_share():
    draw = np.random.default_rng(2)
    for _ in range(20):
        marked = draw.random(15) < 0.3
        marked[3] = True
        found = plausibility.from_units(draw.random(15), marked)
        assert found["token_f1"] == pytest.approx(found["top_share"])
