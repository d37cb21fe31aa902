"""What a user installs: the wheel holds the whole package, and a text of one's own is a few lines away."""

import importlib.util
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FIRST_LINES = """
import textiba
model, statistics = textiba.load("fine-tuned"), textiba.load_statistics("fine-tuned")
found = textiba.explain(model, textiba.Evidence(), ["A dull plot, and yet I loved it."], statistics)
print(found)
open("mine.html", "w", encoding="utf-8").write(found[0]._repr_html_())
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """The wheel, built as pip builds it; without the registry where hatchling is installed."""
    folder = tmp_path_factory.mktemp("wheel")
    offline = ["--no-build-isolation"] if importlib.util.find_spec("hatchling") else []
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", *offline, "-w", str(folder), str(ROOT)]
    subprocess.run(command, check=True)  # noqa: S603
    [path] = folder.glob("textiba-*-py3-none-any.whl")
    return zipfile.ZipFile(path)


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
    assert any(n.endswith(".dist-info/licenses/LICENSE") for n in wheel.namelist())


def test_what_is_in_the_wheel_runs_away_from_the_repository(wheel: zipfile.ZipFile, tmp_path: Path):
    wheel.extractall(tmp_path / "site")
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
