"""Noise at a hidden layer, against a literal loop: one text, one share and one draw at a time."""

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
import toys
from benches import CONFIG, changed

from textiba.benchmark import BenchmarkConfig, benchmark
from textiba.benchmark import noise as metric
from textiba.benchmark import run as module
from textiba.benchmark.config import Noise
from textiba.benchmark.noise import noise_kept
from textiba.benchmark.score import NOISE_KEPT, attribute, rows
from textiba.errors import LayerError, SettingError
from textiba.methods import METHODS, PerSampleBottleneck, optimised, per_sample

MODEL = toys.model()
LENGTHS = (5, 9, 13, 10)  # half of the odd ones lies between two whole numbers
TOPS = {0.1: (0, 1, 1, 1), 0.5: (2, 4, 6, 5)}  # by hand: halves go to the even number


def attributions() -> list:
    texts = MODEL.tokenize([" ".join(toys.FILLER[:length]) for length in LENGTHS])
    draw = np.random.default_rng(0)
    return [toys.scored(t, draw.normal(size=len(t.content)).tolist(), target=i % 3) for i, t in enumerate(texts)]


@pytest.mark.parametrize("layer", [0, 1, 2, 3])
def test_it_is_the_probability_with_all_others_replaced(layer: int):
    found, bert = attributions(), toys.classifier().eval()
    statistics = toys.statistics(MODEL)
    mean, std = (x.float() for x in (statistics.mean[layer], statistics.std[layer]))
    choice = Noise(layer=layer, shares=tuple(TOPS), draws=3)
    for i, (a, kept) in enumerate(zip(found, noise_kept(MODEL, found, statistics, choice, seed=7), strict=True)):
        state = toys.forward(MODEL, [a.text.source]).hidden_states[layer][0]
        generator = torch.Generator().manual_seed(a.text.seed(7))
        draws = torch.randn(3, len(a.text), state.shape[1], generator=generator)
        falling = [place for _, place in sorted((-float(a.scores[place]), place) for place in a.text.content)]
        probabilities = []
        for counts in TOPS.values():
            top = falling[: counts[i]]
            for noise in draws:
                replaced = state.clone()
                for place in a.text.content:
                    if place not in top:
                        replaced[place] = mean + std * noise[place]
                with torch.no_grad():
                    logits = toys.with_state(bert, a.text, layer, replaced)
                probabilities.append(float(logits.softmax(dim=1)[0, a.target]))
        assert kept == pytest.approx(np.mean(probabilities), abs=1e-5)


def test_it_does_not_depend_on_the_batch_and_all_methods_meet_the_same_noise():
    found, choice = attributions(), Noise(layer=1)
    together = noise_kept(MODEL, found, toys.statistics(MODEL), choice, 0)
    alone = [float(noise_kept(MODEL, [a], toys.statistics(MODEL), choice, 0)[0]) for a in found]
    np.testing.assert_allclose(together, alone, atol=1e-5)
    assert not np.allclose(together, noise_kept(MODEL, found, toys.statistics(MODEL), choice, 1), atol=1e-4)


def test_the_metric_s_noise_is_none_that_a_bottleneck_has_seen(monkeypatch: pytest.MonkeyPatch):
    """At one layer with one seed, the gates would have been optimised for the very noise that they are judged by."""
    drawn: dict[str, list[torch.Tensor]] = {"method": [], "metric": []}
    standard_normal = optimised.standard_normal

    def recorded(who: str, *arguments: Any) -> Iterator[torch.Tensor]:
        for draws in standard_normal(*arguments):
            drawn[who] += list(draws.flatten(0, 1))
            yield draws

    monkeypatch.setattr(per_sample, "standard_normal", partial(recorded, "method"))
    monkeypatch.setattr(metric, "standard_normal", partial(recorded, "metric"))
    values = changed(noise={"layer": 1, "shares": [0.5], "draws": 2}, removals=[], seed=5)
    config = BenchmarkConfig.from_mapping(values, "test")
    method, statistics = PerSampleBottleneck(layer=1, steps=2), toys.statistics(MODEL)
    timed = attribute(MODEL, method, ["a film with a plot"], statistics, "predicted", config.seed)
    [row] = rows(MODEL, method, timed, [0], config, statistics)
    assert NOISE_KEPT in row
    assert (len(drawn["method"]), len(drawn["metric"])) == (3 * 2, 2)
    assert not any(torch.equal(one, other) for one in drawn["method"] for other in drawn["metric"])


def test_the_layer_is_half_of_the_depth_unless_named():
    assert [Noise().place(layers) for layers in (1, 2, 3, 6, 12, 24)] == [1, 1, 2, 3, 6, 12]
    assert Noise(layer=0).place(6) == 0


@pytest.mark.parametrize("layers", [6, 12])
def test_no_method_sits_at_that_layer_by_default(layers: int):
    for name, cls in METHODS.items():
        if name in ("two_sided", "per_sample", "readout", "schulz2020"):
            assert Noise().place(layers) not in cls().at_depth(layers).layers_used, name


def test_a_planted_word_is_enough(planted: toys.Trained):
    model, statistics = planted
    cases = toys.planted_cases(12, seed=8)
    texts = model.tokenize([text for text, _ in cases])
    right, wrong = [], []
    for text, (source, place) in zip(texts, cases, strict=True):
        assert isinstance(source.label, int)
        scores = [float(i == place) for i in range(len(text.content))]
        right.append(toys.scored(text, scores, target=source.label))
        wrong.append(toys.scored(text, [-s for s in scores], target=source.label))
    choice = Noise(layer=0, shares=(0.1, 0.3))
    assert noise_kept(model, right, statistics, choice, 0).mean() > 0.95
    assert noise_kept(model, wrong, statistics, choice, 0).mean() < 0.7


def test_a_checkpoint_without_statistics_or_the_layer_is_refused_before_anything_runs(
    tmp_path, monkeypatch: pytest.MonkeyPatch
):
    deep = BenchmarkConfig.from_mapping(changed(noise={"layer": 7}), "test")
    with pytest.raises(LayerError, match="got 7"):
        benchmark(deep, tmp_path / "deep")
    monkeypatch.setattr(module, "own_statistics", lambda _: None)
    config = BenchmarkConfig.from_mapping(changed(methods=[{"name": "random"}], reference="random", sanity={},
                                                  leave_one_out=None), "test")  # fmt: skip
    with pytest.raises(SettingError, match="noise at a hidden layer needs feature statistics"):
        benchmark(config, tmp_path / "bare")
    assert not list(tmp_path.glob("*/rows"))
    assert CONFIG.noise is not None
