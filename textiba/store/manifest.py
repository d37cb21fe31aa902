"""The manifest of a run's folder: settings, versions, fingerprints, timings, and the expected number of results."""

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
    """The settings, versions and fingerprints behind a folder's results, stored in manifest.json.

    A run with other settings or fingerprints is refused. But if this process has locked the folder (see `claimed`) and
    the folder holds no result yet, the manifest is written anew, whatever its settings were: a run that was killed at
    its first step leaves such a folder.

    Args:
        path: the folder; made when missing.
        settings: settings of the run, which must equal those of a run that the folder already holds; None opens an
            existing run.
        command: the textiba command that makes the folder.
        writes: whether this process writes the file; if several processes share a run, only the first one does.

    Attributes:
        values: the content of manifest.json.
        run: a short hash of the settings, which every file of results carries.

    Raises:
        InputError: the folder holds a run with other settings, or (if `settings` is None) no run.
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
        """Records the hash of an input that the results depend on.

        Args:
            what: the kind of input, such as "checkpoints".
            name: the name of the input.
            identity: the hash of the input.

        Raises:
            InputError: another hash was recorded for this name.
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
        """Records the expected number of results (sweep) or tables (benchmark) of a part of the run.

        Args:
            part: a checkpoint, or a data set on a checkpoint.
            count: the number; None if it is unknown before the end, as for streamed texts.
        """
        if self.values.setdefault("expected", {}).get(part, ...) != count:
            self.values["expected"][part] = count
            self.save()

    def save(self) -> None:
        """Writes manifest.json, whole or not at all."""
        if self._writes:
            write_text(self.path / MANIFEST, json.dumps(self.values, indent=1) + "\n")

    def _compare_versions(self) -> None:
        """Warns if the current versions differ from those at the run's start, and records the current versions."""
        begun, now = self.values.get("versions", {}), versions()
        if not (changes := version_changes(begun, now)):
            return
        warnings.warn(
            f"{self.path} was begun with other versions: {changes}. Results of both are now in this folder, and may "
            "differ in their last digits; to avoid this, name another folder or install the former versions",
            VersionWarning,
            stacklevel=4,
        )
        if now not in self.values.setdefault("resumed_with", []):
            self.values["resumed_with"].append(now)
            self.save()


@contextmanager
def no_empty_run(path: Path) -> Iterator[None]:
    """Removes a newly made manifest and its folder if an error ends the block before there is any result.

    Without this function, a run that fails at its first step would leave a folder that refuses the corrected config.
    """
    known = (path / MANIFEST).exists()
    folders = [folder for folder in (path, *path.parents) if not folder.exists()]
    try:
        yield
    except BusyFolderError:
        raise  # the folder belongs to another run
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
    """The versions of Python and of the packages that a result depends on, and the kind of machine."""
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
