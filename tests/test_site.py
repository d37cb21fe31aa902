"""The site of the documentation is whole: its links, equations, names and settings, and nothing from elsewhere."""

import html
import importlib.util
import re
import shutil
import subprocess
import sys
import zlib
from pathlib import Path
from typing import Any

import pytest
from guides import DOCS, ROOT, blocks

import textiba
from textiba.benchmark import BenchmarkConfig
from textiba.corpus import CorpusConfig
from textiba.evaluation.degradation import Degradation
from textiba.methods import METHODS
from textiba.runs.config import DataChoice, MethodChoice, SweepConfig
from textiba.settings import Settings
from textiba.training.finetune import Recipe
from textiba.training.readout import ReadoutRecipe


def hooks() -> Any:
    spec = importlib.util.spec_from_file_location("hooks", ROOT / "docs" / "hooks.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("page", "link", "there"),
    [
        ("tutorial.md", "maths.md", "maths.md"),
        ("how-to/own-model.md", "../../CONTRIBUTING.md", "CONTRIBUTING.md"),
        ("how-to/own-data.md", "../../README.md", "index.md"),
        ("index.md", "../experiments/main", "experiments/main/README.md"),
        ("index.md", "../textiba", None),
        ("experiments/README.md", "../docs/scale.md", "scale.md"),
        ("experiments/main/README.md", "areas-delete.csv", "experiments/main/areas-delete.csv"),
    ],
)
def test_where_a_link_leads_in_the_site(page: str, link: str, there: str | None):
    assert hooks().place(page, link) == there


def test_a_link_s_text_may_hold_brackets():
    [link] = hooks().LINK.finditer("![by [MASK]](a.png)")
    assert link.groups(default="") == ("!", "by [MASK]", "a.png", "")


def test_an_equation_that_cannot_be_drawn_is_an_error():
    assert "<mfrac>" in hooks().equation_html(r"\frac{1}{2}")
    with pytest.raises(ValueError, match="does not know a command"):
        hooks().equation_html(r"\notacommand{x}")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The whole site, built in the same way as by `make docs`; a warning is an error."""
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)]
    built = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)  # noqa: S603
    assert built.returncode == 0, built.stderr[-3000:]
    return folder


def test_every_public_name_is_in_the_reference(site: Path):
    inventory = (site / "objects.inv").read_bytes().split(b"\n", 4)[4]
    known = {line.split(" ")[0] for line in zlib.decompress(inventory).decode().splitlines()}
    assert {f"textiba.{public}" for public in textiba.__all__} <= known
    methods = {f"{method.__module__}.{method.__name__}" for method in METHODS.values()}
    assert methods <= known


SETTINGS_OF_PAGES: dict[str, dict[str, type[Settings]]] = {
    "methods.html": {f"textiba.{method.__name__}": method for method in METHODS.values()},
    "metrics.html": {"textiba.Degradation": Degradation},
    "models.html": {
        "textiba.training.recipe.Recipe": Recipe,
        "textiba.training.readout.ReadoutRecipe": ReadoutRecipe,
    },
    "runs.html": {
        "textiba.runs.config.SweepConfig": SweepConfig,
        "textiba.runs.config.MethodChoice": MethodChoice,
        "textiba.runs.config.DataChoice": DataChoice,
        "textiba.benchmark.BenchmarkConfig": BenchmarkConfig,
        "textiba.corpus.CorpusConfig": CorpusConfig,
    },
}


def described(site: Path, page: str, qualified: str) -> str:
    """The text of a class on an API page, without its members."""
    _, _, rest = (site / "api" / page).read_text("utf-8").partition(f'id="{qualified}"')
    assert rest, f"{page} has no {qualified}"
    return html.unescape(re.sub(r"<[^>]+>", "", re.split(r'<h[2-6] id="', rest)[0]))


@pytest.mark.parametrize(
    ("page", "qualified"), [(page, qualified) for page, classes in SETTINGS_OF_PAGES.items() for qualified in classes]
)
def test_the_page_of_a_class_lists_every_setting_with_its_default(site: Path, page: str, qualified: str):
    _, _, listed = described(site, page, qualified).rpartition("Settings:\n")
    fields = SETTINGS_OF_PAGES[page][qualified].model_fields
    names = re.findall(r"^ *(\w+)\n +\(", listed, re.M)
    assert sorted(names) == sorted(fields)
    assert listed.count("Default: ") + listed.count("Required.") == len(fields)


def test_every_page_names_the_version(site: Path):
    for page in ("index.html", "maths.html", "api/methods.html"):
        assert f"textiba {textiba.__version__}" in (site / page).read_text("utf-8")


def test_every_equation_is_drawn(site: Path):
    written = [block for page in DOCS for block in blocks(page) if block.language == "math"]
    drawn = (site / "maths.html").read_text("utf-8")
    assert len(written) > 20
    assert drawn.count('<div class="equation"') == len(written)
    assert "merror" not in drawn


def test_the_site_loads_nothing_from_elsewhere(site: Path):
    loads = re.compile(r"""src(set)?="(https?:)?//|<link[^>]+href="(https?:)?//|@import|url\(["']?(https?:)?//""")
    for file in (*site.rglob("*.html"), *site.rglob("*.css")):
        assert not loads.search(file.read_text("utf-8")), file


def test_the_site_holds_what_its_pages_link_to(site: Path):
    assert (site / "experiments" / "demo" / "general-beside-fine-tuned.png").is_file()
    assert (site / "experiments" / "main" / "validation.yaml").is_file()
    assert (site / "experiments" / "main" / "index.html").is_file()
    assert not list(site.rglob("*.py"))


def test_there_is_a_command_that_builds_it():
    assert "mkdocs build --strict" in (ROOT / "Makefile").read_text("utf-8")
    assert shutil.which("mkdocs", path=str(Path(sys.executable).parent))
