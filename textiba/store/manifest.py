"""What a folder's results were made with."""

import hashlib
import json
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from textiba.errors import CorruptFileError, InputError
from textiba.store.files import write_text

MANIFEST = "manifest.json"
_PACKAGES = ("textiba", "torch", "transformers", "peft", "datasets", "numpy", "captum", "shap", "scikit-learn")


class Manifest:
    """What a folder's results were made with: settings, versions, fingerprints. Anything else is refused.

    Args:
        path: the folder; made when missing.
        settings: of the run, or None to read a folder that must be there. A folder that holds a run must have been made
            with the same.
        command: of textiba, which makes such a folder.
        writes: whether this process writes the file; of several that share a run only the first does.

    Attributes:
        values: as they are in manifest.json.
        run: a short hash of the settings, which every file of results carries.

    Raises:
        InputError: the folder holds a run with other settings, or none where one must be.
        CorruptFileError: its manifest cannot be read.
    """

    def __init__(self, path: Path, settings: dict[str, Any] | None, command: str, writes: bool = True):
        self.path, self._writes = path, writes
        file = path / MANIFEST
        if file.is_file():
            try:
                self.values: dict[str, Any] = json.loads(file.read_text("utf-8"))
                known = self.values["settings"]
            except (ValueError, KeyError, TypeError) as error:
                raise CorruptFileError(
                    f"{file}: damaged ({type(error).__name__}: {error}); `textiba runs repair {path}` makes it "
                    "anew from the results, where they are attributions"
                ) from None
            if settings is not None and (other := difference(known, json.loads(json.dumps(settings)))):
                raise InputError(f"{path} holds a run with other settings: {other}; name another folder or remove it")
        elif settings is None:
            raise InputError(f"{path}: no run here ({MANIFEST} is missing); make one with textiba {command}")
        else:
            self.values = {"command": command.split()[0], "settings": settings, "versions": versions()}
            self.values |= {"checkpoints": {}, "seconds": {}}
            path.mkdir(parents=True, exist_ok=True)
            self.save()
        self.run = settings_hash(self.values["settings"])

    def hold(self, what: str, name: str, identity: str) -> None:
        """Writes down what a run rests on.

        Raises:
            InputError: it has rested on another so far.
        """
        known = self.values.setdefault(what, {}).get(name)
        if known is None:
            self.values[what][name] = identity
            self.save()
        elif known != identity:
            raise InputError(
                f"{self.path} was made with another '{name}' ({known}, now {identity}); "
                "name another folder or remove it"
            )

    def save(self) -> None:
        """Writes manifest.json, whole or not at all."""
        if self._writes:
            write_text(self.path / MANIFEST, json.dumps(self.values, indent=1) + "\n")


def settings_hash(settings: Any) -> str:
    """A short hash of settings, as they are in a manifest."""
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:16]


def difference(known: Any, given: Any, where: str = "") -> str | None:
    """The first place where two settings differ, for people; None where they are the same."""
    if isinstance(known, dict) and isinstance(given, dict):
        for key in [*known, *(k for k in given if k not in known)]:
            if key not in known or key not in given:
                return f"{where}{key} is {'not there' if key not in known else repr(known[key])}, now " + (
                    "not there" if key not in given else repr(given[key])
                )
            if found := difference(known[key], given[key], f"{where}{key}."):
                return found
        return None
    return None if known == given else f"{where.rstrip('.')} is {known!r}, now {given!r}"


def versions() -> dict[str, str]:
    """What a result depends on: Python, the machine, and the packages."""
    found = {"python": platform.python_version(), "machine": platform.machine()}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
