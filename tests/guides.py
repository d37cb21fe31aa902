"""Helpers for the tests of the documentation: its pages, the blocks of a page, and the commands in them."""

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent
DOCS = sorted((ROOT / "docs").rglob("*.md"))
_FENCE = re.compile(r"^(<!-- pending -->\n)?```([a-z]*)(?: title=\"([^\"]+)\")?[^\n`]*\n(.*?)^```$", re.M | re.S)


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block of a page.

    Attributes:
        language: the language after the fence; empty for commands.
        title: the name of the file that the reader saves the block as.
        code: the code without the fences.
        line: the line of the page where the code begins.
    """

    language: str
    title: str
    code: str
    line: int


def blocks(page: Path, pending: bool = False) -> list[Block]:
    """The fenced blocks of a page that the tests run, in order.

    Args:
        page: a Markdown file.
        pending: give the other blocks instead: those after `<!-- pending -->`, whose feature does not exist yet.
    """
    text = page.read_text("utf-8")
    found = [m for m in _FENCE.finditer(text) if bool(m[1]) == pending]
    return [Block(m[2], m[3] or "", m[4], text[: m.start(4)].count("\n") + 1) for m in found]


def prose(page: Path) -> str:
    """A page without its fenced blocks."""
    return _FENCE.sub("", page.read_text("utf-8"))


def commands(block: Block) -> list[list[str]]:
    """The words of each command in a block without a language, without comments and `&&`."""
    lines = [] if block.language else block.code.replace("\\\n", " ").splitlines()
    words = [shlex.split(part, comments=True) for line in lines for part in line.split("&&")]
    return [w for w in words if w]


def inline_commands(page: Path) -> list[list[str]]:
    """The words of the commands between backticks, for example in a table, that name a config."""
    spans = [span for span in re.findall(r"`(textiba [^`\n]+)`", prose(page)) if ".yaml" in span]
    return [shlex.split(part) for span in spans for part in span.split("&&")]


def textiba_arguments(words: list[str]) -> list[str] | None:
    """The arguments of textiba in a command, directly or after `-m textiba`; None for another program."""
    if words[0] == "textiba":
        return words[1:]
    if "-m" in words and words[words.index("-m") + 1] == "textiba":
        return words[words.index("-m") + 2 :]
    return None


def name(page: Path) -> str:
    """A page's path in the repository."""
    return page.relative_to(ROOT).as_posix()
