"""The documentation is right as it stands: its Python, its commands, its configs, its links, and the site."""

import html
import importlib.util
import inspect
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
from test_imports import ROOMS
from typer.main import get_command
from typer.testing import CliRunner

import textiba
from textiba.benchmark import BenchmarkConfig
from textiba.cli import app
from textiba.corpus import CorpusConfig
from textiba.errors import FewTextsWarning, SettingError, TruncationWarning
from textiba.evaluation.degradation import Degradation
from textiba.methods import METHODS
from textiba.runs.config import DataChoice, MethodChoice, SweepConfig
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
GLOSSARY = ROOT / "docs" / "glossary.md"
# Public functions whose docstring does not list the arguments yet.
UNLISTED = {"explain", "layer_profile", "lerf_morf_area"}


# Python, in order, each page in a folder of its own.


@pytest.fixture
def own_caches(tmp_path: Path) -> Iterator[None]:
    """Removes the metrics that a page loads from their scripts."""
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
        for expected in (FewTextsWarning, TruncationWarning):  # the pages mention both
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


# Blocks whose feature does not exist yet.


def test_blocks_are_pending_in_one_page_only():
    assert {name(page) for page in PAGES if blocks(page, pending=True)} <= {"docs/how-to/own-file.md"}


def test_a_pending_block_is_not_run(tmp_path: Path):
    page = tmp_path / "page.md"
    page.write_text("<!-- pending -->\n```python\nraise\n```\n\n```\ntextiba demo\n```\n", "utf-8")
    assert [block.code for block in blocks(page)] == ["textiba demo\n"]
    [pending] = blocks(page, pending=True)
    assert (pending.language, pending.code, pending.line) == ("python", "raise\n", 3)


# Commands: their options, files and configs exist.


def parsed(words: list[str]) -> str:
    """The name of the command that would run; raises the error of the command line for a wrong command."""
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
        if page not in ACCOUNTS:  # the accounts show output too
            check_other(words)
        return
    command = parsed(arguments)
    for config in (word for word in arguments if word.endswith((".yaml", ".yml"))):
        check_config(page, CONFIGS[command], config)
    if "--method" in arguments and command == "explain":
        assert arguments[arguments.index("--method") + 1] in METHODS


def check_other(words: list[str]) -> None:
    """Checks the arguments of another program."""
    if words[0] == "make":
        targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text("utf-8"), re.M)
        assert set(words[1:]) <= {*targets}
    elif words[0] == ".venv/bin/pytest":
        assert all((ROOT / word).exists() for word in words[1:])
    else:
        assert words[0] in ("git", "cd", ".venv/bin/pre-commit"), f"{words[0]}: check its arguments in check_other"


def check_config(page: Path, kind: type[Settings], config: str) -> None:
    """Reads a config that is in the repository, or whose content the page gives."""
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


# What the pages promise: arguments, terms, the map of rooms.


def test_every_argument_of_a_public_function_is_described():
    functions = {n: f for n in textiba.__all__ if inspect.isfunction(f := getattr(textiba, n))}
    assert len(functions) > 10
    missing = set()
    for public, function in functions.items():
        _, _, described = (function.__doc__ or "").partition("Args:")
        if not all(re.search(rf"\b{argument}\b.*:", described) for argument in inspect.signature(function).parameters):
            missing.add(public)
    assert missing <= UNLISTED


def test_the_glossary_is_alphabetical_and_brief():
    rows = re.findall(r"^\| (.+?) \| (.+?) \|$", GLOSSARY.read_text("utf-8"), re.M)[1:]
    terms = [term.replace("β (beta)", "beta").lower() for term, _ in rows]
    assert len(terms) > 15
    assert terms == sorted(terms)
    for term, meaning in rows:
        assert meaning.endswith("."), term
        assert len(re.findall(r"[.:](?= |$)", meaning)) <= 3, f"{term}: one sentence, or two short ones"


def test_contributing_has_the_map_of_rooms():
    text = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    table = text.partition("| rooms, from top to bottom |")[2].partition("\n\n")[0]
    rows = [set(re.findall(r"`(\w+)`", line.split("|")[1])) for line in table.splitlines()[2:]]
    assert rows == [set(row) for row in reversed(ROOMS)]


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
