"""The manifest of a run's folder: settings, versions, fingerprints, timings, and how much the run will have."""

import hashlib
import json
import platform
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from textiba.errors import BusyFolderError, CorruptFileError, InputError, VersionWarning
from textiba.store.files import LOCK, TEMPORARY, write_text

MANIFEST = "manifest.json"
_PACKAGES = ("textiba", "torch", "transformers", "peft", "datasets", "numpy", "captum", "shap", "scikit-learn")
_NOT_RESULTS = (".lock", TEMPORARY)


class Manifest:
    """The facts behind a folder's results, kept in manifest.json. A run with other facts is refused.

    A folder that this process has claimed (see `claimed`) and that holds no result yet is begun anew, whatever its
    settings were: a run that was killed at its first step leaves such a folder.

    Args:
        path: the folder; made when missing.
        settings: of the run, which must be those of a run that the folder holds already; None reads a folder that must
            hold a run.
        command: the textiba command that makes such a folder.
        writes: whether this process writes the file; of several processes that share a run only the first does.

    Attributes:
        values: the content of manifest.json.
        run: a short hash of the settings, which every file of results carries.

    Raises:
        InputError: the folder holds a run with other settings, or no run where one must be.
        CorruptFileError: the manifest cannot be read.
        StorageError: the manifest cannot be written.

    Warns:
        VersionWarning: the folder's results were made with other versions of Python or of packages.
    """

    def __init__(self, path: Path, settings: dict[str, Any] | None, command: str, writes: bool = True):
        self.path, self._writes = path, writes
        there = (path / MANIFEST).is_file()
        if settings is None:
            if not there:
                raise InputError(f"{path}: no run here ({MANIFEST} is missing); make one with textiba {command}")
            self.values: dict[str, Any] = _read(path)
        elif there and (holds_results(path) or not (path / LOCK).is_file()):
            self.values = _read(path)
            if other := difference(self.values["settings"], json.loads(json.dumps(settings))):
                raise InputError(f"{path} holds a run with other settings: {other}; name another folder or remove it")
            self._compare_versions()
        else:
            self.values = {"command": command.split()[0], "settings": settings, "versions": versions()}
            self.values |= {"checkpoints": {}, "seconds": {}}
            path.mkdir(parents=True, exist_ok=True)
            self.save()
        self.run = settings_hash(self.values["settings"])

    def hold(self, what: str, name: str, identity: str) -> None:
        """Writes down the identity of something that the results depend on.

        Args:
            what: the kind, such as "checkpoints".
            name: its name.
            identity: its hash.

        Raises:
            InputError: the folder's results depend on another one of that name.
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

    def expect(self, part: str, count: int | None) -> None:
        """Writes down how much a part of the run will have: results of a sweep, tables of a benchmark.

        Args:
            part: a checkpoint, or a data set on a checkpoint.
            count: None where nobody knows before the end, as for streamed texts.
        """
        if self.values.setdefault("expected", {}).get(part, ...) != count:
            self.values["expected"][part] = count
            self.save()

    def save(self) -> None:
        """Writes manifest.json, whole or not at all."""
        if self._writes:
            write_text(self.path / MANIFEST, json.dumps(self.values, indent=1) + "\n")

    def _compare_versions(self) -> None:
        """Warns where the versions of now are not those that the run was begun with, and writes them down."""
        begun, now = self.values.get("versions", {}), versions()
        if not (changes := version_changes(begun, now)):
            return
        warnings.warn(
            f"{self.path} was begun with other versions: {changes}. Results of both are in one folder now, and may "
            "differ in their last digits; to have all from one, name another folder or install the versions before",
            VersionWarning,
            stacklevel=4,
        )
        if now not in self.values.setdefault("resumed_with", []):
            self.values["resumed_with"].append(now)
            self.save()


@contextmanager
def no_empty_run(path: Path) -> Iterator[None]:
    """Removes the manifest that was made inside, and the folder, if an error leaves the block before any result.

    Without this a run that fails at its first step would leave a folder that refuses the corrected config.
    """
    known = (path / MANIFEST).exists()
    folders = [folder for folder in (path, *path.parents) if not folder.exists()]
    try:
        yield
    except BusyFolderError:
        raise  # the folder is another run's
    except BaseException:
        if not known and not holds_results(path):
            for file in [file for file in path.rglob("*") if file.is_file()]:
                with suppress(OSError):
                    file.unlink()
            inside = sorted((p for p in path.rglob("*") if p.is_dir()), reverse=True)
            for folder in (*inside, *folders):
                with suppress(OSError):
                    folder.rmdir()
        raise


def holds_results(path: Path) -> bool:
    """Whether a folder holds any file besides the manifest, locks and unfinished files."""
    files = (file for file in path.rglob("*") if file.is_file())
    return any(file.name != MANIFEST and not file.name.endswith(_NOT_RESULTS) for file in files)


def settings_hash(settings: Any) -> str:
    """A short hash of a manifest's settings."""
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:16]


def difference(known: Any, given: Any, where: str = "") -> str | None:
    """The first place where two settings differ, in words; None where they are equal."""
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


def version_changes(known: dict[str, str], now: dict[str, str]) -> str:
    """The versions that differ, in words: "torch 2.12.0, now 2.13.0"; empty where none does."""
    names = [*known, *(name for name in now if name not in known)]
    changes = [
        f"{name} {known.get(name, 'not installed')}, now {now.get(name, 'not installed')}"
        for name in names
        if known.get(name) != now.get(name)
    ]
    return "; ".join(changes)


def versions() -> dict[str, str]:
    """The versions that a result depends on: Python's, the packages', and the kind of machine."""
    found = {"python": platform.python_version(), "machine": platform.machine()}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def _read(path: Path) -> dict[str, Any]:
    """The manifest's values."""
    file = path / MANIFEST
    try:
        values = json.loads(file.read_text("utf-8"))
        if not isinstance(values["settings"], dict):
            raise TypeError("its settings are no mapping")
    except (ValueError, KeyError, TypeError) as error:
        raise CorruptFileError(
            f"{file}: damaged ({type(error).__name__}: {error}); `textiba runs repair {path}` makes the manifest anew "
            "from the results of a sweep"
        ) from None
    except OSError as error:
        raise CorruptFileError(f"{file}: cannot be read ({error.strerror})") from None
    return values
