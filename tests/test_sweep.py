"""Sweeps: the grid, the stream, its order, and how much of it is held at a time."""

from collections.abc import Iterator

import numpy as np
import pytest
import toys

import textiba
from textiba import sweep
from textiba.attribution import Attribution
from textiba.data import Review
from textiba.encoder import Encoder
from textiba.errors import EmptyTextError, LayerError, SettingError, StatisticsMismatchError, TargetError
from textiba.methods import Evidence, PerSample

ENCODER = toys.encoder()
STATISTICS = toys.statistics(ENCODER)
REVIEWS = [Review(text, label=i % 3) for i, text in enumerate(toys.texts(9, seed=10))]
FAST = PerSample(steps=2)


def equal(a: Attribution, b: Attribution) -> bool:
    scale = np.nanmax(np.abs(a.scores))
    close = np.allclose(a.scores, b.scores, rtol=0, atol=1e-4 * scale, equal_nan=True)
    return close and (a.review, a.target, a.layer, dict(a.settings)) == (b.review, b.target, b.layer, dict(b.settings))


def test_a_grid_is_every_layer_at_every_beta():
    methods = sweep.grid(PerSample(steps=3), layers=[0, 2], betas=[1e-4, 1e-3])
    assert methods == [PerSample(steps=3, layer=layer, beta=beta) for layer in (0, 2) for beta in (1e-4, 1e-3)]


def test_a_grid_without_an_axis_keeps_the_method_s_own():
    assert sweep.grid(PerSample(layer=3)) == [PerSample(layer=3)]
    assert sweep.grid(PerSample(layer=3), betas=[0.5]) == [PerSample(layer=3, beta=0.5)]
    assert sweep.grid(Evidence(nodes=2), layers=range(2), betas=[1.0, 2.0]) == [
        Evidence(nodes=2, layer=0),
        Evidence(nodes=2, layer=1),
    ]


def test_a_grid_checks_its_values():
    with pytest.raises(SettingError, match=r"layer: .*greater than or equal to 0; got -1"):
        sweep.grid(PerSample(), layers=[0, -1])


def test_explain_keeps_the_order_of_the_reviews():
    found = textiba.explain(ENCODER, FAST, REVIEWS, STATISTICS, budget=50)
    assert [a.review.review for a in found] == REVIEWS
    assert len({len(a.review) for a in found}) > 1, "reviews of one length prove nothing"


def test_the_stream_gives_what_explain_gives_for_every_method():
    methods = [*sweep.grid(FAST, layers=[0, 2], betas=[1e-3, 1e-1]), Evidence(nodes=2)]
    found: dict[int, list[Attribution]] = {}
    for i, attribution in textiba.stream(ENCODER, methods, REVIEWS, STATISTICS, seed=4, budget=60):
        found.setdefault(i, []).append(attribution)
    assert sorted(found) == list(range(len(REVIEWS)))
    for k, method in enumerate(methods):
        alone = textiba.explain(ENCODER, method, REVIEWS, STATISTICS, seed=4)
        assert all(equal(found[i][k], a) for i, a in enumerate(alone))


def test_the_whole_model_runs_once_for_all_methods(monkeypatch: pytest.MonkeyPatch):
    runs, forward = [], Encoder.forward
    monkeypatch.setattr(Encoder, "forward", lambda self, batch: runs.append(len(batch.reviews)) or forward(self, batch))
    list(textiba.stream(ENCODER, sweep.grid(FAST, layers=range(4)), REVIEWS, STATISTICS, budget=60))
    assert len(runs) > 1
    assert sum(runs) == len(REVIEWS)


def test_texts_are_read_a_window_at_a_time(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sweep, "WINDOW", 3)
    pulled = 0

    def source() -> Iterator[Review]:
        nonlocal pulled
        for review in REVIEWS:
            pulled += 1
            yield review

    results = textiba.stream(ENCODER, [FAST], source(), STATISTICS)
    places = [next(results)[0] for _ in range(3)]
    assert sorted(places) == [0, 1, 2]
    assert pulled == 3
    places += [place for place, _ in results]
    assert sorted(places) == list(range(9))
    windowed = textiba.explain(ENCODER, FAST, REVIEWS, STATISTICS)
    monkeypatch.setattr(sweep, "WINDOW", 1024)
    whole = textiba.explain(ENCODER, FAST, REVIEWS, STATISTICS)
    assert all(equal(a, b) for a, b in zip(windowed, whole, strict=True))


def test_the_same_review_twice_is_explained_twice():
    first, second = textiba.explain(ENCODER, FAST, [REVIEWS[0], REVIEWS[0]], STATISTICS)
    assert equal(first, second)


def test_targets():
    logits = toys.forward(ENCODER, REVIEWS).logits
    predicted = textiba.explain(ENCODER, FAST, REVIEWS, STATISTICS)
    assert [a.target for a in predicted] == [a.predicted for a in predicted] == logits.argmax(dim=1).tolist()
    gold = textiba.explain(ENCODER, FAST, REVIEWS, STATISTICS, target="gold")
    assert [a.target for a in gold] == [r.label for r in REVIEWS]
    assert [a.predicted for a in gold] == [a.predicted for a in predicted]
    fixed = textiba.explain(ENCODER, FAST, REVIEWS, STATISTICS, target=2)
    assert [a.target for a in fixed] == [2] * len(REVIEWS)
    np.testing.assert_allclose([a.probability for a in fixed], logits.softmax(dim=1)[:, 2], atol=1e-6)


@pytest.mark.parametrize(
    ("target", "rule"),
    [
        (3, "between 0 and 2 .*; got 3"),
        (-1, "between 0 and 2 .*; got -1"),
        ("god", "'predicted', 'gold' or a class index; got 'god'"),
        (True, "'predicted', 'gold' or a class index; got True"),
    ],
)
def test_a_target_that_does_not_exist(target: str | int, rule: str):
    with pytest.raises(TargetError, match=rule):
        textiba.explain(ENCODER, FAST, REVIEWS, STATISTICS, target=target)


def test_gold_needs_a_label_that_the_model_has():
    with pytest.raises(TargetError, match=r"'gold' needs a label for every review; some have none. Use 'predicted'"):
        textiba.explain(ENCODER, FAST, [REVIEWS[0], "a film"], STATISTICS, target="gold")
    with pytest.raises(TargetError, match=r"between 0 and 2 .*; got 7"):
        textiba.explain(ENCODER, FAST, [Review("a film", label=7)], STATISTICS, target="gold")


def test_errors_of_the_parts_come_through():
    with pytest.raises(LayerError, match="; got 8"):
        textiba.explain(ENCODER, PerSample(layer=8), REVIEWS, STATISTICS)
    with pytest.raises(SettingError, match="needs feature statistics"):
        textiba.explain(ENCODER, FAST, REVIEWS)
    with pytest.raises(StatisticsMismatchError, match="estimate them anew"):
        textiba.explain(ENCODER, FAST, REVIEWS, toys.statistics(toys.encoder(seed=1)))
    with pytest.raises(EmptyTextError, match="number 1 is empty"):
        textiba.explain(ENCODER, FAST, [REVIEWS[0], " "], STATISTICS)


def test_no_review_gives_no_result():
    assert textiba.explain(ENCODER, FAST, [], STATISTICS) == []
