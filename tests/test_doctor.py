"""`textiba doctor`: what a report of an error needs, and the exit code."""

import importlib.metadata
import importlib.util
from pathlib import Path
from typing import Any

import pytest
from commands import command

import textiba
from textiba.cli import doctor
from textiba.errors import CorruptFileError


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """No import of each extra: it takes seconds, and the test of the extras does it for one."""
    monkeypatch.setattr(doctor, "import_module", lambda name: name)


def test_it_names_versions_devices_extras_and_caches(monkeypatch: pytest.MonkeyPatch):
    answer = command("doctor")
    assert answer.code == 0, answer.out
    for package in ("torch", "transformers", "textiba"):
        assert importlib.metadata.version(package) in answer.out
    for line in ("Machine", "Packages", "Extras", "Devices", "Caches", "Checks", "textiba[demo]", "textiba[baselines]"):
        assert f"\n{line}" in f"\n{answer.out}".replace("ok  ", "").replace("    textiba[", "textiba[")
    assert answer.out.count("loads and explains; predicts") == 3
    assert answer.out.rstrip().endswith("Nothing is broken")
    assert "BAD" not in answer.out


def test_a_broken_checkpoint_is_named_and_the_exit_code_is_1(monkeypatch: pytest.MonkeyPatch):
    load = textiba.load

    def damaged(name: str) -> Any:
        if name == "general-probe":
            raise CorruptFileError("head.safetensors: its SHA-256 is 0…, the card says 1…;\nthe file is damaged")
        return load(name)

    monkeypatch.setattr(textiba, "load", damaged, raising=False)
    answer = command("doctor")
    assert answer.code == 1
    [bad] = [line for line in answer.out.splitlines() if line.startswith("BAD ")]
    assert "general-probe" in bad
    assert "CorruptFileError: head.safetensors" in bad
    assert answer.out.rstrip().endswith("1 broken")
    assert "Traceback" not in answer.err


def test_an_extra_that_is_not_installed_is_no_fault_and_one_that_fails_is(monkeypatch: pytest.MonkeyPatch):
    real = doctor._version
    monkeypatch.setattr(doctor, "_version", lambda name: None if name == "captum" else real(name))
    found = {finding.name: finding for finding in doctor._extras()}
    assert found["textiba[baselines]"].sound is None
    assert found["textiba[baselines]"].value == "captum not installed; pip install 'textiba[baselines]'"

    def fails(name: str) -> None:
        if name == "shap":
            raise AttributeError("module 'numpy' has no attribute 'bool'")

    monkeypatch.setattr(doctor, "_version", real)
    monkeypatch.setattr(doctor, "import_module", fails)
    found = {finding.name: finding for finding in doctor._extras()}
    assert found["textiba[baselines]"].sound is False
    assert "shap: AttributeError: module 'numpy' has no attribute 'bool'" in found["textiba[baselines]"].value
    assert found["textiba[finetune]"].sound is True


def test_every_package_of_an_extra_is_imported_by_its_own_name(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(doctor, "import_module", lambda name: importlib.util.find_spec(name) or _missing(name))
    assert [finding for finding in doctor._extras() if finding.sound is not True] == []


def _missing(name: str) -> None:
    raise ModuleNotFoundError(name)


def test_a_folder_that_cannot_be_written_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    (tmp_path / "file").write_text("")
    monkeypatch.setattr(doctor.Path, "cwd", lambda: tmp_path / "file")
    found = {finding.name: finding for finding in doctor._checks()}
    assert found["writes to this folder"].sound is False
    assert "could not be written" in found["writes to this folder"].value
    assert found["writes to temporary files"].sound is True
