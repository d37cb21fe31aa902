"""Hooks of mkdocs: the version in the footer, equations without a network, and links to files of the repository.

An equation is a fenced block of LaTeX that is marked `math`. GitHub draws such a block; the site contains it as MathML,
which browsers draw. A link to a file outside docs/ adds that file to the site: Markdown as a page, other files as they
are.
"""

import posixpath
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from latex2mathml.converter import convert
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parent.parent
FENCE = re.compile(r"^(```+)([^\n]*)\n(.*?)^\1[ \t]*$", re.M | re.S)
LINK = re.compile(r"(!?)\[((?:[^\[\]]|\[[^\[\]]*\])*)\]\(([^)\s#:]+)(#[^)\s]*)?\)")  # [MASK] may be in the text


VERSION = re.compile(r'^__version__ = "([^"]+)"$', re.M)


def on_config(config: Any) -> Any:
    """Puts the version of the package into the footer of every page."""
    config.copyright = f"textiba {version()}"
    return config


def version() -> str:
    """The version in textiba/__init__.py, which is not imported."""
    [found] = VERSION.findall((ROOT / "textiba" / "__init__.py").read_text("utf-8"))
    return found


def on_files(files: Files, config: Any) -> Files:
    """Adds every file of the repository that a page links to, and the files that these link to."""
    waiting = [file.src_uri for file in files.documentation_pages()]
    while waiting:
        for target in _targets(waiting.pop()):
            if files.get_file_from_path(target) is None:
                files.append(File.generated(config, target, abs_src_path=str(ROOT / target)))
                waiting += [target] if target.endswith(".md") else []
    return files


def on_page_markdown(markdown: str, page: Page, **_: Any) -> str:
    """Draws the equations, and changes links to files of the repository into links within the site."""
    return _outside_fences(markdown, lambda text: LINK.sub(lambda link: _link(link, page.file.src_uri), text), True)


def _targets(page: str) -> Iterator[str]:
    """The files of the repository that a page links to, as places in the site."""
    source = ROOT / "docs" / page if (ROOT / "docs" / page).is_file() else ROOT / page
    links: list[str] = []
    _outside_fences(source.read_text("utf-8"), lambda text: links.extend(m[3] for m in LINK.finditer(text)) or text)
    for link in links:
        target = place(page, link)
        if target and not (ROOT / "docs" / target).is_file() and (ROOT / target).is_file():
            yield target


def place(page: str, link: str) -> str | None:
    """The place in the site that a link leads to; None for a folder without a README.

    Args:
        page: the place of the page in the site.
        link: the link as the page writes it, relative to the page's file in the repository.
    """
    home = "docs" if (ROOT / "docs" / page).is_file() else ""
    target = posixpath.normpath(posixpath.join(home, posixpath.dirname(page), link))
    if (ROOT / target).is_dir():
        target = posixpath.join(target, "README.md")
        if not (ROOT / target).is_file():
            return None
    return "index.md" if target == "README.md" else target.removeprefix("docs/")


def _link(link: re.Match[str], page: str) -> str:
    mark, text, path, anchor = link.groups(default="")
    target = place(page, path)
    if target is None:
        return text
    return f"{mark}[{text}]({posixpath.relpath(target, posixpath.dirname(page) or '.')}{anchor})"


def _outside_fences(markdown: str, change: Callable[[str], str], draw: bool = False) -> str:
    """Changes the text of a page outside its fenced blocks; with `draw`, draws the equations in them."""
    out, at = [], 0
    for fence in FENCE.finditer(markdown):
        equation = draw and fence[2].strip() == "math"
        out += [change(markdown[at : fence.start()]), equation_html(fence[3]) if equation else fence[0]]
        at = fence.end()
    return "".join([*out, change(markdown[at:])])


def equation_html(latex: str) -> str:
    """A display equation as MathML on one line, which Markdown does not change."""
    drawn = convert(" ".join(latex.split()), display="block")
    if "\\" in drawn:
        raise ValueError(f"latex2mathml does not know a command of this equation: {latex}")
    return f'<div class="equation" role="group" aria-label="equation" tabindex="0">{drawn}</div>'
