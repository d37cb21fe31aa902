"""The mean of evidences: each term is a mean, and the terms sum to the difference of log-probabilities."""

import numpy as np
import pytest
import toys

from textiba.attribution import EvidenceDetails, content_scores
from textiba.errors import LayerError, SettingError
from textiba.methods import Evidence, EvidenceMean

MODEL = toys.model()
TEXTS = toys.texts(3, seed=50)


def test_it_is_the_mean_of_its_evidences():
    found = toys.attribute(MODEL, EvidenceMean(layers=(0, 2), nodes=3), TEXTS)
    parts = [
        toys.attribute(MODEL, Evidence(layer=layer, closed=closed, nodes=3), TEXTS)
        for layer in (0, 2)
        for closed in ("mean", "mask")
    ]
    for i, a in enumerate(found):
        assert content_scores(a) == pytest.approx(np.mean([content_scores(p[i]) for p in parts], axis=0), abs=1e-6)
        assert a.layer is None
        assert a.settings["layers"] == [0, 2]


def test_scores_and_residual_sum_to_the_difference_of_log_probabilities():
    [a] = toys.attribute(MODEL, EvidenceMean(layers=(0, 1), nodes=30), TEXTS[:1])
    assert isinstance(a.details, EvidenceDetails)
    assert a.total + a.details.residual == pytest.approx(a.details.opened - a.details.closed, abs=1e-5)
    assert abs(a.details.residual) < 1e-3


def test_statistics_are_needed_only_for_mean_features():
    assert EvidenceMean().needs_statistics
    assert not EvidenceMean(closed=("mask",)).needs_statistics


def test_a_layer_that_does_not_exist():
    with pytest.raises(LayerError, match="a layer is between 0"):
        toys.attribute(MODEL, EvidenceMean(layers=(1, 9)), TEXTS)


@pytest.mark.parametrize("settings", [{"layers": (1, 1)}, {"closed": ("mask", "mask")}])
def test_repeated_layers_or_closed_states_raise(settings: dict):
    with pytest.raises(SettingError, match="averaged once; remove the repeated ones"):
        EvidenceMean(**settings)
