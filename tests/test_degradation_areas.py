"""The area between two curves of degradation, and curves that run from one to nothing, against values by hand."""

from dataclasses import replace

import numpy as np
import pytest

from textiba.attribution import Curve
from textiba.errors import InputError
from textiba.evaluation.degradation import lerf_morf_area, normalized


def given(order: str, rows: list[list[float]], steps: list[float]) -> Curve:
    array = np.asarray(rows)
    correct = (array > 0.5).astype(float)
    return Curve(order, "delete", "fraction", np.asarray(steps, dtype=float), array, correct, "by_hand", "toy")


def test_area_by_hand():
    steps = [0.0, 0.5, 1.0]
    curves = {
        "morf": given("morf", [[0.9, 0.1, 0.5], [0.8, 0.8, 0.8]], steps),
        "lerf": given("lerf", [[0.9, 0.7, 0.5], [0.8, 0.4, 0.8]], steps),
    }
    # Differences 0, 0.6, 0 and 0, −0.4, 0: triangles of base 1.
    np.testing.assert_allclose(lerf_morf_area(curves), [0.3, -0.2])
    in_counts = {name: given(name, c.probability.tolist(), [0, 5, 10]) for name, c in curves.items()}
    np.testing.assert_allclose(lerf_morf_area(in_counts), [0.3, -0.2])


def test_normalised_curves_run_from_one_to_nothing():
    steps = [0.0, 0.5, 1.0]
    curves = {
        "morf": given("morf", [[0.9, 0.2, 0.4], [0.7, 0.4, 0.2]], steps),
        "lerf": given("lerf", [[0.9, 0.9, 0.4], [0.7, 0.6, 0.2]], steps),
    }
    scaled = normalized(curves)
    np.testing.assert_allclose(scaled["morf"].mean(axis=0), [1, 0, 0], atol=1e-12)
    np.testing.assert_allclose(scaled["lerf"].mean(axis=0), [1, 0.9, 0], atol=1e-12)


def test_an_area_is_between_curves_of_the_same_texts_and_steps():
    steps = [0.0, 0.5, 1.0]
    morf = given("morf", [[0.9, 0.1, 0.5], [0.8, 0.8, 0.8]], steps)
    lerf = given("lerf", [[0.9, 0.7, 0.5], [0.8, 0.4, 0.8]], steps)
    with pytest.raises(InputError, match="the same steps"):
        lerf_morf_area({"morf": morf, "lerf": replace(lerf, steps=np.asarray([0.0, 0.4, 1.0]))})
    with pytest.raises(InputError, match="the same texts in the same order"):
        lerf_morf_area({"morf": replace(morf, texts=(0, 1)), "lerf": replace(lerf, texts=(1, 0))})
    with pytest.raises(InputError, match="got 2 and 1 texts"):
        lerf_morf_area({"morf": morf, "lerf": given("lerf", [[0.9, 0.7, 0.5]], steps)})


def test_an_area_needs_both_curves_and_a_scale_two_ends():
    curve = Curve("morf", "delete", "fraction", np.array([0.0, 1.0]), np.full((2, 2), 0.5), np.ones((2, 2)), "m", "c")
    with pytest.raises(InputError, match="'lerf'"):
        lerf_morf_area({"morf": curve})
    with pytest.raises(InputError, match="nothing to normalise by"):
        normalized({"morf": curve})
    with pytest.raises(InputError, match=r"one of the curves \['morf'\]; got 'lerf'. Add it"):
        normalized({"morf": curve}, "lerf")
