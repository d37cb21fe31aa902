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
from textiba.settings import Settings, parse_yaml

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


BOMB = "a: &a [0,0,0,0,0,0,0,0,0]\n" + "".join(
    f"{b}: &{b} [{', '.join(['*' + a] * 9)}]\n" for a, b in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize(
    ("content", "rule"),
    [
        (b"\x89PNG\r\n\x1a\n\x00\xff", "a config is YAML in UTF-8; got a binary file, or another encoding"),
        (b"removal: mask\x00", "not valid YAML: .*special characters are not allowed"),
        ("removal: maské".encode("latin-1"), "got a binary file, or another encoding"),
        (b"removal: mask\nby: count\nremoval: pad\n", r"the key 'removal' is written twice \(line 3, column 1\)"),
        (b"a: {b: 1, c: 2, b: 3}\n", "the key 'b' is written twice"),
        (BOMB.encode(), "a config has at most 100,000 values, aliases written out; got more"),
        (b"a: &a [*a]\n", "aliases written out; got more"),
        (b"a: " + b"[" * 5000, "nested too deeply|not valid YAML"),
        (b"1: mask\n", "a key is a name; got 1"),
        (b"? [a, b]\n: mask\n", "not valid YAML: found unhashable key"),
        (b"a: !!python/object:os.system {}\n", "not valid YAML: could not determine a constructor"),
        (b"a: 2024-99-99\n", "not valid YAML: month must be in"),
        (b"x" * 2_000_000, "a config is a YAML file of a few lines; got 2,000,000 bytes"),
    ],
    ids=[
        "png",
        "nul",
        "latin-1",
        "twice",
        "twice within",
        "bomb",
        "itself",
        "deep",
        "number",
        "list",
        "tag",
        "date",
        "huge",
    ],
)
def test_a_file_that_is_no_config_is_one_line(tmp_path: Path, content: bytes, rule: str):
    path = tmp_path / "con[f]ig.yaml"
    path.write_bytes(content)
    with pytest.raises(SettingError, match=rf"con\[f\]ig\.yaml: (.*{rule}|{rule})") as caught:
        Degradation.from_yaml(path)
    assert len(str(caught.value).splitlines()) == 1
    assert len(str(caught.value)) < 400


def test_aliases_and_merges_that_end_are_fine(tmp_path: Path):
    path = tmp_path / "config.yaml"
    path.write_text("removal: mask\nsteps: &steps [0, 1e-1, .5, 1.0]\n")
    assert Degradation.from_yaml(path).steps == (0, 0.1, 0.5, 1)
    assert parse_yaml("a: &a {x: 1, y: 2}\nb: {<<: *a, y: 3}\n", "here") == {
        "a": {"x": 1, "y": 2},
        "b": {"x": 1, "y": 3},
    }
    assert parse_yaml("[1e-4, 1E5, 2.5e+3, -1e-2, 1e, e4, '1e-4', 0x1e4]", "here") == [
        1e-4, 1e5, 2500.0, -0.01, "1e", "e4", "1e-4", 0x1E4,
    ]  # fmt: skip


def test_a_folder_in_the_place_of_a_config_and_names_that_are_near(tmp_path: Path):
    (tmp_path / "layers.yaml").write_text("removal: mask\n")
    with pytest.raises(SettingError, match=r"got a folder\. Name a file in it, such as layers\.yaml"):
        Degradation.from_yaml(tmp_path)
    with pytest.raises(SettingError, match=r"no such config; did you mean .*layers\.yaml\?"):
        Degradation.from_yaml(tmp_path / "layer.yaml")


def test_a_long_value_is_shown_in_short():
    with pytest.raises(SettingError) as caught:
        Degradation(removal="x" * 10_000)  # type: ignore[arg-type]
    assert len(str(caught.value)) < 400


def test_a_rule_of_two_settings_is_told_with_what_came():
    with pytest.raises(
        SettingError, match=r"^PerSampleBottleneck: antithetic noise comes in pairs: .*even.*; got .*'samples': 3"
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
