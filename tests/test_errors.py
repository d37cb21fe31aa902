"""The exception tree is the one its docstring draws, and settings explain themselves."""

import inspect
import re
from pathlib import Path
from typing import Any

import pytest

from textiba import errors
from textiba.errors import InputError, MissingExtraError, SettingError, TextibaError, TextibaWarning, missing_extra
from textiba.evaluation.degradation import Degradation
from textiba.methods import PerSampleBottleneck
from textiba.settings import Settings

CLASSES = {name: c for name, c in inspect.getmembers(errors, inspect.isclass) if c.__module__ == errors.__name__}


def drawn() -> dict[str, str]:
    """Child -> parent, as the module's docstring draws them."""
    parents, stack = {}, []
    for line in (errors.__doc__ or "").splitlines():
        if match := re.match(r"    ([│├└─ ]*)(Textiba\w+|\w+(?:Error|Warning))\b", line):
            depth = len(match[1]) // 4
            stack = [*stack[:depth], match[2]]
            if depth:
                parents[match[2]] = stack[depth - 1]
    return parents


def test_the_tree_is_as_drawn():
    tree = drawn()
    assert set(tree) == set(CLASSES) - {"TextibaError", "TextibaWarning"}
    for child, parent in tree.items():
        assert CLASSES[child].__bases__[0] is CLASSES[parent], child


def test_errors_are_caught_where_python_s_own_would_be():
    assert issubclass(InputError, ValueError)
    assert issubclass(MissingExtraError, ImportError)
    assert issubclass(TextibaWarning, UserWarning)
    assert not issubclass(TextibaWarning, TextibaError)


def test_every_class_says_when_it_is_raised():
    assert all(inspect.getdoc(c) and inspect.getdoc(c) != inspect.getdoc(c.__bases__[0]) for c in CLASSES.values())


def test_a_missing_extra_is_told_with_the_command_that_brings_it():
    error = missing_extra("peft", "demo")
    assert isinstance(error, MissingExtraError)
    assert str(error) == "peft is needed here and not installed; run: pip install 'textiba[demo]'"


def test_every_problem_of_the_settings_is_told_at_once():
    with pytest.raises(SettingError) as caught:
        PerSampleBottleneck(layer=-1, stepz=3)  # type: ignore[call-arg]
    layer, stepz = str(caught.value).splitlines()
    assert re.fullmatch(r"PerSampleBottleneck: layer: .*greater than or equal to 0; got -1", layer)
    assert stepz == (
        "PerSampleBottleneck: unknown key 'stepz'; remove it or correct its spelling (did you mean 'steps'?)"
    )


def test_settings_from_yaml(tmp_path: Path):
    path = tmp_path / "d.yaml"
    path.write_text("removal: mask\nsteps: [0, 0.5]\n")
    assert Degradation.from_yaml(path) == Degradation(removal="mask", steps=(0, 0.5))


@pytest.mark.parametrize(
    ("content", "rule"),
    [
        ("removal: [", "not valid YAML"),
        ("- removal", "a config is a mapping of names to values; got list"),
        ("", "a config is a mapping of names to values; got NoneType"),
        ("removals: mask", "Degradation: unknown key 'removals'; remove it or correct its spelling"),
        ("removal: burn", "Degradation: removal: .*'delete', 'mask', 'pad' or 'attention'; got 'burn'"),
    ],
)
def test_a_config_that_cannot_be_used_is_named_with_the_reason(tmp_path: Path, content: str, rule: str):
    path = tmp_path / "broken.yaml"
    path.write_text(content)
    with pytest.raises(SettingError, match=rf"broken\.yaml: {rule}"):
        Degradation.from_yaml(path)


def test_a_rule_of_two_settings_is_told_with_what_came():
    with pytest.raises(
        SettingError, match=r"^PerSampleBottleneck: antithetic noise comes in pairs, .*even.*; got .*'samples': 3"
    ):
        PerSampleBottleneck(samples=3)


def test_settings_within_settings_say_where():
    class Outer(Settings):
        inner: Degradation

    with pytest.raises(
        SettingError,
        match=r"^here: Outer: inner: Degradation: removal: .*'delete', 'mask', 'pad' or 'attention'; got 'burn'$",
    ):
        Outer.from_mapping({"inner": {"removal": "burn"}}, "here")


def test_a_config_that_is_not_there():
    with pytest.raises(SettingError, match=r"absent.yaml: no such config; experiments/ holds examples"):
        Degradation.from_yaml("absent.yaml")


@pytest.mark.parametrize("values", [3, ["removal"], None])
def test_a_mapping_is_a_mapping(values: Any):
    with pytest.raises(SettingError, match=rf"here: a config is a mapping .*; got {type(values).__name__}"):
        Degradation.from_mapping(values, "here")
