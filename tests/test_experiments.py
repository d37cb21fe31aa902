"""Every experiment runs from its config to its result, and its README says what the committed result says."""

import json
import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from experiments.__main__ import NAMES
from experiments.study import ROOT, Small, Study, in_order, plain, shown
from textiba import Curve, Degradation
from textiba.evaluation.intervals import Interval

pytestmark = pytest.mark.filterwarnings("ignore::textiba.errors.TruncationWarning")
SMALL = Small(texts=("b19", "b08", "a42", "c41"), tokens=40)  # short ones, with marks
NUMBER = re.compile(r"(?<![\w.])[−-]?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?(?![\w.]*\w)")


@pytest.mark.parametrize("name", NAMES)
def test_an_experiment_runs_and_publishes(name: str, tmp_path: Path):
    done: list[str] = []
    study = Study(
        ROOT / name, tmp_path / "runs", None, lambda what, *_: done.append(what), SMALL, output=tmp_path / "out"
    )
    result = import_module(f"experiments.{name}.experiment").answer(study)
    written = json.loads(result.read_text("utf-8"))
    committed = json.loads((ROOT / name / "result.json").read_text("utf-8"))
    assert done
    assert written["found"].keys() == committed["found"].keys()
    figures = {path.name for path in (tmp_path / "out").glob("*.png")}
    assert figures
    assert figures == {path.name for path in (ROOT / name).glob("*.png")}
    assert (tmp_path / "out" / "README.md").read_text("utf-8") != (ROOT / name / "README.md").read_text("utf-8")


@pytest.mark.parametrize("name", NAMES)
def test_its_readme_gives_the_command_and_shows_the_figures(name: str):
    readme = (ROOT / name / "README.md").read_text("utf-8")
    assert f"python -m experiments {name}" in readme
    for figure in (ROOT / name).glob("*.png"):
        assert f"]({figure.name})" in readme


@pytest.mark.parametrize("name", NAMES)
def test_every_number_with_decimals_in_its_readme_is_in_its_result(name: str):
    result = json.loads((ROOT / name / "result.json").read_text("utf-8"))
    known = {form for value in _numbers(result) for form in _forms(value)}
    readme = re.sub(r"```.*?```|`[^`]*`|\]\([^)]*\)", " ", (ROOT / name / "README.md").read_text("utf-8"), flags=re.S)
    told = [number.replace("−", "-") for number in NUMBER.findall(readme) if "." in number or "," in number]
    assert told
    assert [number for number in told if number not in known] == []


@pytest.mark.parametrize("name", NAMES)
def test_what_is_claimed_of_many_texts_rests_on_200_or_more(name: str):
    settings = json.loads((ROOT / name / "result.json").read_text("utf-8"))["settings"]
    reported = {config["data"]["limit"] for which, config in settings.items() if which != "validation"}
    assert min(reported) >= 200


def test_numbers_in_a_result_have_four_digits():
    found = plain({"a": Interval(0.123456, np.nan, 2.0), "b": [np.float64(123456.0), np.int64(7)], 3: "text"})
    assert found == {"a": {"mean": 0.1235, "low": None, "high": 2.0}, "b": [123500.0, 7], "3": "text"}
    assert shown(Interval(0.12345, 0.1, 0.2)) == "0.123 [0.100, 0.200]"
    assert shown(Interval(1234.5, 1000.0, 2000.0)) == "1,234 [1,000, 2,000]"


def test_curves_are_compared_text_by_text():
    rows = np.array([[0.1], [0.2], [0.3]])
    curve = Curve("morf", "delete", "fraction", np.array([0.0]), rows, rows, "m", "c", texts=(2, 0, 1))
    assert in_order(curve).tolist() == [[0.2], [0.3], [0.1]]


def test_curves_are_made_again_when_they_are_of_other_steps(tmp_path: Path):
    study = Study(ROOT / "01_layer_sweep", tmp_path, small=Small(texts=SMALL.texts[:1], tokens=12, layers=(5,)))
    run = study.sweep()
    coarse, fine = Degradation(steps=(0, 1.0)), Degradation(steps=(0, 0.5, 1.0))
    first = study.degrade(run, coarse)
    again = study.degrade(run, coarse)
    assert [g["morf"].probability.tolist() for g in again] == [g["morf"].probability.tolist() for g in first]
    assert all(len(g["morf"].steps) == 3 for g in study.degrade(run, fine))


def _numbers(value: Any) -> Iterator[float]:
    if isinstance(value, dict):
        for inner in value.values():
            yield from _numbers(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _numbers(inner)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield float(value)


def _forms(value: float) -> list[str]:
    """As a text may write it: with fewer digits, or as a percentage."""
    return [f"{value:.{digits}f}" for digits in (1, 2, 3, 4)] + [f"{value:,.0f}", f"{100 * value:.1f}"]
