"""Planted evidence: on a task that one word decides, the methods must find that word, and chance must not."""

import numpy as np
import pytest
import toys

import textiba
from textiba.attribution import Attribution
from textiba.methods import Evidence, Method, PerSampleBottleneck, Random

CASES = toys.planted_cases(80, seed=5)


def found_first(results: list[Attribution]) -> float:
    """The share of texts whose cue word has the highest score."""
    hits = [a.text.content[place] == int(np.nanargmax(a.scores)) for a, (_, place) in zip(results, CASES, strict=True)]
    return float(np.mean(hits))


def explained(planted: toys.Trained, method: Method) -> list[Attribution]:
    model, statistics = planted
    return textiba.explain(model, method, [text for text, _ in CASES], statistics)


def test_the_model_has_learnt_the_task(planted: toys.Trained):
    results = explained(planted, Random())
    assert np.mean([a.predicted == a.text.source.label for a in results]) > 0.97


@pytest.mark.parametrize(
    "method",
    [
        PerSampleBottleneck(layer=0, beta=1e-4),  # at the embeddings: by layer 1, [CLS] may have read the cue
        PerSampleBottleneck(layer=0, beta=1e-2),
        PerSampleBottleneck(layer=0, beta=1e-3, gates="feature"),
        Evidence(layer=0),
        Evidence(layer=2),
        Evidence(layer=0, closed="mask"),
    ],
    ids=lambda method: f"{method.name}-{getattr(method, 'gates', None) or method.closed}",
)
def test_the_cue_comes_first(planted: toys.Trained, method: Method):
    assert found_first(explained(planted, method)) >= 0.95


def test_chance_does_not_find_the_cue(planted: toys.Trained):
    assert found_first(explained(planted, Random())) < 0.2


def test_removing_the_cue_first_takes_the_prediction_away(planted: toys.Trained):
    model, _ = planted
    curves = textiba.degrade(model, explained(planted, Evidence(layer=0)))
    assert textiba.lerf_morf_area(curves).mean() > 0.2
    chance = textiba.degrade(model, explained(planted, Random()))
    assert abs(textiba.lerf_morf_area(chance).mean()) < 0.1
