"""What the tests of documentation share: the blocks of a page, and the commands in them."""

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent
_FENCE = re.compile(r"^```([a-z]*)(?: title=\"([^\"]+)\")?[^\n`]*\n(.*?)^```$", re.M | re.S)


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block of a page.

    Attributes:
        language: as written; empty for commands.
        title: the file that the reader is told to save it as.
        code: without the fences.
        line: where the code begins.
    """

    language: str
    title: str
    code: str
    line: int


def blocks(page: Path) -> list[Block]:
    """The fenced blocks of a page, in order."""
    text = page.read_text("utf-8")
    return [Block(m[1], m[2] or "", m[3], text[: m.start(3)].count("\n") + 1) for m in _FENCE.finditer(text)]


def prose(page: Path) -> str:
    """A page without its fenced blocks."""
    return _FENCE.sub("", page.read_text("utf-8"))


def commands(block: Block) -> list[list[str]]:
    """The words of each command of a block without a language; comments and `&&` fall away."""
    lines = [] if block.language else block.code.replace("\\\n", " ").splitlines()
    words = [shlex.split(part, comments=True) for line in lines for part in line.split("&&")]
    return [w for w in words if w]


def inline_commands(page: Path) -> list[list[str]]:
    """The words of commands that stand between backticks, in a table say, and name a config."""
    spans = [span for span in re.findall(r"`(textiba [^`\n]+)`", prose(page)) if ".yaml" in span]
    return [shlex.split(part) for span in spans for part in span.split("&&")]


def textiba_arguments(words: list[str]) -> list[str] | None:
    """What textiba is given by a command, launched by itself or by another; None where it is another program's."""
    if words[0] == "textiba":
        return words[1:]
    if "-m" in words and words[words.index("-m") + 1] == "textiba":
        return words[words.index("-m") + 2 :]
    return None


def name(page: Path) -> str:
    """A page's path in the repository."""
    return page.relative_to(ROOT).as_posix()
