"""Sweeps: the grid of methods, the stream, its order, and how many texts it keeps in memory."""

from collections.abc import Iterator

import numpy as np
import pytest
import toys

import textiba
from textiba.attribution import Attribution
from textiba.errors import EmptyTextError, InputError, LayerError, SettingError, StatisticsMismatchError, TargetError
from textiba.methods import Evidence, PerSampleBottleneck
from textiba.model.view import Model
from textiba.runs import stream as sweep
from textiba.texts.sources import Text

MODEL = toys.model()
STATISTICS = toys.statistics(MODEL)
TEXTS = [Text(text, label=i % 3) for i, text in enumerate(toys.texts(9, seed=10))]
FAST = PerSampleBottleneck(steps=2)


def equal(a: Attribution, b: Attribution) -> bool:
    scale = np.nanmax(np.abs(a.scores))
    close = np.allclose(a.scores, b.scores, rtol=0, atol=1e-4 * scale, equal_nan=True)
    return close and (a.text, a.target, a.layer, dict(a.settings)) == (b.text, b.target, b.layer, dict(b.settings))


def test_a_grid_is_every_layer_at_every_beta():
    methods = sweep.sweep_grid(PerSampleBottleneck(steps=3), layers=[0, 2], betas=[1e-4, 1e-3])
    assert methods == [
        PerSampleBottleneck(steps=3, layer=layer, beta=beta) for layer in (0, 2) for beta in (1e-4, 1e-3)
    ]


def test_a_grid_without_an_axis_keeps_the_method_s_own():
    assert sweep.sweep_grid(PerSampleBottleneck(layer=3)) == [PerSampleBottleneck(layer=3)]
    assert sweep.sweep_grid(PerSampleBottleneck(layer=3), betas=[0.5]) == [PerSampleBottleneck(layer=3, beta=0.5)]
    assert sweep.sweep_grid(Evidence(nodes=2), layers=range(2), betas=[1.0, 2.0]) == [
        Evidence(nodes=2, layer=0),
        Evidence(nodes=2, layer=1),
    ]


def test_a_grid_checks_its_values():
    with pytest.raises(SettingError, match=r"layer: .*greater than or equal to 0; got -1"):
        sweep.sweep_grid(PerSampleBottleneck(), layers=[0, -1])


def test_explain_keeps_the_order_of_the_texts():
    found = textiba.explain(MODEL, FAST, TEXTS, STATISTICS, budget=50)
    assert [a.text.source for a in found] == TEXTS
    assert len({len(a.text) for a in found}) > 1, "texts of one length prove nothing"


def test_the_stream_gives_what_explain_gives_for_every_method():
    methods = [*sweep.sweep_grid(FAST, layers=[0, 2], betas=[1e-3, 1e-1]), Evidence(nodes=2)]
    found: dict[int, list[Attribution]] = {}
    for i, attribution in textiba.stream(MODEL, methods, TEXTS, STATISTICS, seed=4, budget=60):
        found.setdefault(i, []).append(attribution)
    assert sorted(found) == list(range(len(TEXTS)))
    for k, method in enumerate(methods):
        alone = textiba.explain(MODEL, method, TEXTS, STATISTICS, seed=4)
        assert all(equal(found[i][k], a) for i, a in enumerate(alone))


def test_the_whole_model_runs_once_for_all_methods(monkeypatch: pytest.MonkeyPatch):
    runs, forward = [], Model.forward
    monkeypatch.setattr(Model, "forward", lambda self, batch: runs.append(len(batch.texts)) or forward(self, batch))
    list(textiba.stream(MODEL, sweep.sweep_grid(FAST, layers=range(4)), TEXTS, STATISTICS, budget=60))
    assert len(runs) > 1
    assert sum(runs) == len(TEXTS)


def test_texts_are_read_a_window_at_a_time(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sweep, "WINDOW", 3)
    pulled = 0

    def source() -> Iterator[Text]:
        nonlocal pulled
        for text in TEXTS:
            pulled += 1
            yield text

    results = textiba.stream(MODEL, [FAST], source(), STATISTICS)
    places = [next(results)[0] for _ in range(3)]
    assert sorted(places) == [0, 1, 2]
    assert pulled == 3
    places += [place for place, _ in results]
    assert sorted(places) == list(range(9))
    windowed = textiba.explain(MODEL, FAST, TEXTS, STATISTICS)
    monkeypatch.setattr(sweep, "WINDOW", 1024)
    whole = textiba.explain(MODEL, FAST, TEXTS, STATISTICS)
    assert all(equal(a, b) for a, b in zip(windowed, whole, strict=True))


def test_the_same_text_twice_is_explained_twice():
    first, second = textiba.explain(MODEL, FAST, [TEXTS[0], TEXTS[0]], STATISTICS)
    assert equal(first, second)


def test_targets():
    logits = toys.forward(MODEL, TEXTS).logits
    predicted = textiba.explain(MODEL, FAST, TEXTS, STATISTICS)
    assert [a.target for a in predicted] == [a.predicted for a in predicted] == logits.argmax(dim=1).tolist()
    gold = textiba.explain(MODEL, FAST, TEXTS, STATISTICS, target="gold")
    assert [a.target for a in gold] == [r.label for r in TEXTS]
    assert [a.predicted for a in gold] == [a.predicted for a in predicted]
    fixed = textiba.explain(MODEL, FAST, TEXTS, STATISTICS, target=2)
    assert [a.target for a in fixed] == [2] * len(TEXTS)
    np.testing.assert_allclose([a.probability for a in fixed], logits.softmax(dim=1)[:, 2], atol=1e-6)


@pytest.mark.parametrize(
    ("target", "rule"),
    [
        (3, "or an index from 0 to 2; got 3"),
        (-1, "or an index from 0 to 2; got -1"),
        ("god", "a label must be one of .*; got 'god'"),
        (True, "'predicted', 'gold', or an outcome's name or index; got True"),
    ],
)
def test_a_target_that_does_not_exist(target: str | int, rule: str):
    with pytest.raises(TargetError, match=rule):
        textiba.explain(MODEL, FAST, TEXTS, STATISTICS, target=target)


def test_gold_needs_a_label_that_the_model_has():
    with pytest.raises(TargetError, match=r"'gold' needs a label for every text; some have none. Use 'predicted'"):
        textiba.explain(MODEL, FAST, [TEXTS[0], "a film"], STATISTICS, target="gold")
    with pytest.raises(InputError, match="text number 0 .*a label is an index from 0 to 2, .*; got 7"):
        textiba.explain(MODEL, FAST, [Text("a film", label=7)], STATISTICS, target="gold")


def test_errors_of_model_and_method_are_raised():
    with pytest.raises(LayerError, match="; got 8"):
        textiba.explain(MODEL, PerSampleBottleneck(layer=8), TEXTS, STATISTICS)
    with pytest.raises(SettingError, match="needs feature statistics"):
        textiba.explain(MODEL, FAST, TEXTS)
    with pytest.raises(StatisticsMismatchError, match="estimate them anew"):
        textiba.explain(MODEL, FAST, TEXTS, toys.statistics(toys.model(seed=1)))
    with pytest.raises(EmptyTextError, match=r"text number 1 .*the text is empty"):
        textiba.explain(MODEL, FAST, [TEXTS[0], " "], STATISTICS)


def test_no_text_gives_no_result():
    assert textiba.explain(MODEL, FAST, [], STATISTICS) == []
