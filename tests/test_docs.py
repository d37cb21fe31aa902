"""The documentation runs as it stands: its Python, its commands, its configs, its links, and the site itself."""

import importlib.util
import re
import shutil
import subprocess
import sys
import warnings
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import evaluate.config
import pytest
import yaml
from guides import ROOT, Block, blocks, commands, inline_commands, name, prose, textiba_arguments
from typer.main import get_command
from typer.testing import CliRunner

import textiba
from textiba.benchmark import BenchmarkConfig
from textiba.cli import app
from textiba.corpus import CorpusConfig
from textiba.errors import FewTextsWarning, SettingError, TruncationWarning
from textiba.methods import METHODS
from textiba.runs.config import SweepConfig
from textiba.settings import Settings
from textiba.training.finetune import Recipe
from textiba.training.readout import ReadoutRecipe

DOCS = sorted((ROOT / "docs").rglob("*.md"))
ACCOUNTS = sorted((ROOT / "experiments").rglob("README.md"))
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *DOCS]
CONFIGS: dict[str, type[Settings]] = {
    "sweep": SweepConfig, "benchmark": BenchmarkConfig, "corpus": CorpusConfig, "finetune": Recipe,
    "train": ReadoutRecipe,
}  # fmt: skip
LINK = re.compile(r"\]\(([^)\s#:]+)(?:#[^)\s]*)?\)")
TUTORIAL = ROOT / "docs" / "tutorial.md"


# Python, in order, each page in a folder of its own.


@pytest.fixture
def own_caches(tmp_path: Path) -> Iterator[None]:
    """The metrics that a page loads from their scripts leave nothing behind."""
    with pytest.MonkeyPatch.context() as patch:
        for cache in ("HF_MODULES_CACHE", "HF_METRICS_CACHE"):
            patch.setattr(evaluate.config, cache, tmp_path / cache)
        patch.setattr(sys, "path", [*sys.path])
        yield
    for module in [m for m in sys.modules if m.partition(".")[0] == "evaluate_modules"]:
        del sys.modules[module]


@pytest.mark.usefixtures("own_caches")
@pytest.mark.parametrize("page", [p for p in DOCS if any(b.language == "python" for b in blocks(p))], ids=name)
def test_the_blocks_of_a_page_run_in_order(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    space: dict[str, Any] = {"__name__": "__main__"}
    with warnings.catch_warnings():
        for expected in (FewTextsWarning, TruncationWarning):  # the pages speak of both
            warnings.simplefilter("ignore", expected)
        for block in blocks(page):
            run(block, page, space)


def run(block: Block, page: Path, space: dict[str, Any]) -> None:
    if block.language == "python":
        code = "\n" * (block.line - 1) + block.code  # so that a traceback names the page's own line
        exec(compile(code, str(page), "exec"), space)  # noqa: S102 - our own pages
    elif block.title:
        Path(block.title).write_text(block.code, "utf-8")
    elif page == TUTORIAL:
        for words in commands(block):
            result = CliRunner().invoke(app, textiba_arguments(words), catch_exceptions=False)
            assert result.exit_code == 0, f"{' '.join(words)}: {result.output}"


# Commands: what they are called with exists.


def parsed(words: list[str]) -> str:
    """The name of the command that would run; raises what the command line would for a wrong one."""
    command: Any = get_command(app)
    rest = list(words)
    while hasattr(command, "commands"):
        assert rest, f"{command.name} needs a command"
        assert rest[0] in command.commands, f"textiba has no command {rest[0]}"
        command = command.commands[rest.pop(0)]
    command.make_context(command.name, rest)
    return command.name


def all_commands() -> list[Any]:
    return [
        pytest.param(page, words, id=f"{name(page)}: {' '.join(words)}"[:90])
        for page in (*PAGES, *ACCOUNTS)
        for words in [*(words for block in blocks(page) for words in commands(block)), *inline_commands(page)]
    ]


@pytest.mark.parametrize(("page", "words"), all_commands())
def test_a_command_exists_with_its_options_and_files(page: Path, words: list[str]):
    arguments = textiba_arguments(words)
    if arguments is None:
        if page not in ACCOUNTS:  # those show output too
            check_other(words)
        return
    command = parsed(arguments)
    for config in (word for word in arguments if word.endswith((".yaml", ".yml"))):
        check_config(page, CONFIGS[command], config)
    if "--method" in arguments and command == "explain":
        assert arguments[arguments.index("--method") + 1] in METHODS


def check_other(words: list[str]) -> None:
    """A program of which we know what to look at."""
    if words[0] == "make":
        targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text("utf-8"), re.M)
        assert set(words[1:]) <= {*targets}
    elif words[0] == ".venv/bin/pytest":
        assert all((ROOT / word).exists() for word in words[1:])
    else:
        assert words[0] in ("git", "cd", ".venv/bin/pre-commit"), f"{words[0]}: teach check_other what to look at"


def check_config(page: Path, kind: type[Settings], config: str) -> None:
    """It is in the repository, or the page says what is in it."""
    written = [block.code for block in blocks(page) if block.title == config]
    if not written:
        kind.from_yaml(ROOT / config)
    for text in written:
        kind.from_mapping(yaml.safe_load(text), config)


@pytest.mark.parametrize(
    "wrong", ["swep x.yaml", "sweep x.yaml --outptu y", "sweep", "runs", "runs lits", "explain -z"]
)
def test_a_wrong_command_is_found(wrong: str):
    with pytest.raises((Exception, SystemExit)):
        parsed(wrong.split())


def test_a_config_that_is_not_there_is_found():
    with pytest.raises(SettingError, match="no such config"):
        check_config(TUTORIAL, SweepConfig, "experiments/nowhere.yaml")


def test_every_yaml_block_is_a_file_that_a_command_of_its_page_reads():
    for page in DOCS:
        read = {word for block in blocks(page) for words in commands(block) for word in words}
        for block in blocks(page):
            assert block.language != "yaml" or block.title in read, f"{name(page)}, line {block.line}"


# Links, and the site.


def hooks() -> Any:
    spec = importlib.util.spec_from_file_location("hooks", ROOT / "docs" / "hooks.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("page", [*PAGES, *ACCOUNTS], ids=name)
def test_every_link_leads_to_a_file(page: Path):
    for link in LINK.findall(prose(page)):
        assert (page.parent / link).exists(), f"{name(page)}: {link}"


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
    """The whole site, built as `make docs` does; a warning ends it."""
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
    assert not list(site.rglob("hooks*"))


def test_there_is_a_command_that_builds_it():
    assert "mkdocs build --strict" in (ROOT / "Makefile").read_text("utf-8")
    assert shutil.which("mkdocs", path=str(Path(sys.executable).parent))
