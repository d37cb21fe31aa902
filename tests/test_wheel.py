"""The distributions: the wheel holds the whole package and nothing else, and a few lines explain a text with it."""

import importlib.util
import os
import re
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

import textiba

ROOT = Path(__file__).parent.parent
FIRST_LINES = """
import textiba
model, statistics = textiba.load("fine-tuned"), textiba.load_statistics("fine-tuned")
found = textiba.explain(model, textiba.Evidence(), ["A dull plot, and yet I loved it."], statistics)
print(found)
open("mine.html", "w", encoding="utf-8").write(found[0]._repr_html_())
"""


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with the source distribution, and with the wheel that is built from it; no network where possible."""
    folder = tmp_path_factory.mktemp("dist")
    offline = ["--no-isolation"] if importlib.util.find_spec("hatchling") else []
    command = [sys.executable, "-m", "build", *offline, "--outdir", str(folder), str(ROOT)]
    built = subprocess.run(command, capture_output=True, text=True)  # noqa: S603
    assert built.returncode == 0, built.stdout[-3000:] + built.stderr[-3000:]
    return folder


@pytest.fixture(scope="module")
def wheel(dist: Path) -> zipfile.ZipFile:
    """The wheel."""
    return zipfile.ZipFile(dist / f"textiba-{textiba.__version__}-py3-none-any.whl")


def test_twine_accepts_both_distributions(dist: Path):
    files = sorted(str(file) for file in dist.iterdir())
    assert len(files) == 2
    checked = subprocess.run(  # noqa: S603
        [sys.executable, "-m", "twine", "check", "--strict", *files], capture_output=True, text=True
    )
    assert checked.returncode == 0, checked.stdout
    assert checked.stdout.count("PASSED") == 2


def test_the_source_distribution_is_the_repository(dist: Path):
    with tarfile.open(dist / f"textiba-{textiba.__version__}.tar.gz") as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    for file in ("tests/test_wheel.py", "experiments/README.md", "data/reviews.jsonl", "CHANGELOG.md", "docs/maths.md"):
        assert file in names, file
    assert not {name.partition("/")[0] for name in names} & {".venv", ".git", "runs", "site", "demo", "dist"}
    assert (dist / f"textiba-{textiba.__version__}.tar.gz").stat().st_size < 15_000_000


def test_the_wheel_holds_the_package_and_nothing_else(wheel: zipfile.ZipFile):
    names = {name for name in wheel.namelist() if ".dist-info/" not in name}
    files = {p.relative_to(ROOT).as_posix() for p in (ROOT / "textiba").rglob("*") if p.is_file()}
    files = {name for name in files if "__pycache__" not in name} | {"textiba/checkpoints/builtin/reviews.jsonl"}
    assert names == files
    endings = {Path(name).suffix for name in names}
    assert {".py", ".js", ".css", ".j2", ".safetensors", ".json", ".jsonl"} <= endings
    assert sum(info.compress_size for info in wheel.infolist()) < 5_000_000


def test_the_wheel_says_what_it_is(wheel: zipfile.ZipFile):
    [facts] = [wheel.read(n).decode() for n in wheel.namelist() if n.endswith(".dist-info/METADATA")]
    [commands] = [wheel.read(n).decode() for n in wheel.namelist() if n.endswith(".dist-info/entry_points.txt")]
    assert "textiba = textiba.cli:main" in commands
    assert re.search(r"^Provides-Extra: demo$", facts, re.M)
    assert re.search(rf"^Version: {re.escape(textiba.__version__)}$", facts, re.M)
    assert any(n.endswith(".dist-info/licenses/LICENSE") for n in wheel.namelist())


def test_what_is_in_the_wheel_runs_away_from_the_repository(wheel: zipfile.ZipFile, tmp_path: Path):
    wheel.extractall(tmp_path / "site")  # noqa: S202 - our own wheel
    where = "import textiba; print(textiba.__file__); print(len(textiba.bundled_reviews()))"
    script = f"{where}\n{FIRST_LINES}"
    assert len(FIRST_LINES.split("\n")) < 10
    environment = {**os.environ, "PYTHONPATH": str(tmp_path / "site")}
    ran = subprocess.run(  # noqa: S603
        [sys.executable, "-c", script], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
    )
    file, count, *shown = ran.stdout.splitlines()
    assert Path(file).is_relative_to(tmp_path)
    assert count == "126"
    assert "dull +" in " ".join(shown)
    assert "loved</mark>" in (tmp_path / "mine.html").read_text("utf-8")
