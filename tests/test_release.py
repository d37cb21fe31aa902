"""The files of a release: the version, the changelog, the citation, the types, and the workflow of public CI."""

import re
import tomllib

import pytest
import yaml
from guides import ROOT

import textiba

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
WORKFLOW = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text("utf-8"))
CITATION = yaml.safe_load((ROOT / "CITATION.cff").read_text("utf-8"))
CHANGELOG = (ROOT / "CHANGELOG.md").read_text("utf-8")


def test_the_version_is_written_in_one_place():
    assert "version" in PROJECT["dynamic"]
    assert "version" not in PROJECT
    assert "version" not in CITATION
    assert re.fullmatch(r"\d+\.\d+\.\d+((a|b|rc)\d+)?", textiba.__version__)


def test_the_changelog_has_the_form_of_keep_a_changelog():
    sections = re.findall(r"^## (.+)$", CHANGELOG, re.M)
    assert sections[0] == "[Unreleased]"
    assert all(re.fullmatch(r"\[\d+\.\d+\.\d+\] - \d{4}-\d{2}-\d{2}", section) for section in sections[1:])
    kinds = set(re.findall(r"^### (.+)$", CHANGELOG, re.M))
    assert kinds <= {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}


def test_the_changelog_names_public_names_that_exist():
    _, _, renamed = CHANGELOG.partition("| old | new |")
    new = {name for row in re.findall(r"^  \| .+ \| (.+) \|$", renamed, re.M) for name in re.findall(r"`(\w+)`", row)}
    assert {"Text", "Model", "PerSampleBottleneck", "lerf_morf_area", "sweep_grid"} <= new
    public = new - {"tokenize", "input_x_gradient", "smooth_grad_x_input", "smooth_grad"}
    assert public <= set(textiba.__all__)
    assert hasattr(textiba.Model, "tokenize")
    assert {row["name"] for row in textiba.list_methods()} >= {"input_x_gradient", "smooth_grad_x_input", "smooth_grad"}


def test_the_citation_has_what_the_format_asks_for():
    assert {"cff-version", "message", "title", "authors"} <= CITATION.keys()
    assert CITATION["authors"] == [{"name": "the textiba developers"}]
    assert CITATION["license"] == PROJECT["license"]
    for reference in CITATION["references"]:
        assert {"type", "title", "authors", "year"} <= reference.keys()
        for author in reference["authors"]:
            assert {"family-names", "given-names"} == author.keys()


@pytest.mark.parametrize("paper", ["arXiv:2001.00396", "arXiv:2012.13838"])
def test_the_papers_that_the_bottlenecks_come_from_are_cited(paper: str):
    assert paper in {i["value"] for reference in CITATION["references"] for i in reference["identifiers"]}


def test_the_package_has_type_information():
    assert (ROOT / "textiba" / "py.typed").is_file()
    assert "Typing :: Typed" in PROJECT["classifiers"]


def test_public_ci_runs_on_every_version_that_the_package_names():
    named = {c.rpartition(" ")[2] for c in PROJECT["classifiers"] if re.search(r"Python :: 3\.\d+$", c)}
    assert set(WORKFLOW["jobs"]["test"]["strategy"]["matrix"]["python"]) == named
    assert PROJECT["requires-python"] == ">=" + min(named, key=lambda version: int(version.partition(".")[2]))


def test_public_ci_checks_tests_and_builds():
    steps = [step.get("run", "") for job in WORKFLOW["jobs"].values() for step in job["steps"]]
    assert {"make check", "make test", "python -m build", "python -m twine check --strict dist/*"} <= set(steps)
    targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text("utf-8"), re.M)
    assert {step.removeprefix("make ") for step in steps if step.startswith("make ")} <= set(targets)
    assert "cpu" in WORKFLOW["env"]["PIP_EXTRA_INDEX_URL"]
