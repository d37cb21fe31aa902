"""The documentation is right as it stands: its Python, its commands, its configs and its links."""

import inspect
import re
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import evaluate.config
import pytest
import yaml
from guides import DOCS, ROOT, Block, blocks, commands, inline_commands, name, prose, textiba_arguments
from test_imports import ROOMS
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


# Links.


@pytest.mark.parametrize("page", [*PAGES, *ACCOUNTS], ids=name)
def test_every_link_leads_to_a_file(page: Path):
    for link in LINK.findall(prose(page)):
        assert (page.parent / link).exists(), f"{name(page)}: {link}"
