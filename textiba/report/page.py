"""Fills the page's template: data, style and scripts all go into the one file."""

import base64
import hashlib
import json
from importlib import resources
from pathlib import Path
from typing import Any

from textiba.report.exploration import Exploration
from textiba.report.payload import payload
from textiba.store.files import file_place, write_text

# In this order: each may use what the ones before it define.
_SCRIPTS = (
    "unpack.js", "model.js", "write.js", "charts.js", "text.js", "maps.js", "removal.js", "list.js", "overview.js",
    "main.js",
)  # fmt: skip


def build_page(exploration: Exploration) -> str:
    """The explorer as one HTML document.

    A content security policy names style and script by their hash: nothing else runs, and nothing is loaded. The data
    stands in a block of JSON without a single "<", so that no text can end it.

    Raises:
        InputError: see `payload`.
    """
    import jinja2
    from markupsafe import Markup

    # What is packed unpacks in the background, so the whole script is one function that waits for it.
    script = "\n".join(["(async () => {", '"use strict";', *(_asset(name) for name in _SCRIPTS), "})();"])
    style = _asset("style.css")
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.from_string(_asset("page.html.j2")).render(
        title=exploration.title,
        made=list(exploration.made),
        data=Markup(to_json(payload(exploration))),  # noqa: S704 - it has no "<"
        style=Markup(style),  # noqa: S704 - our own file
        script=Markup(script),  # noqa: S704 - our own files
        style_hash=_hash(style),
        script_hash=_hash(script),
    )


def write_page(exploration: Exploration, path: str | Path) -> Path:
    """Writes `build_page(exploration)` to `path`, whole or not at all, making its folder. Returns the path."""
    path = file_place(path)
    write_text(path, build_page(exploration))
    return path


def to_json(value: Any) -> str:
    """JSON that may stand in HTML: "<", ">", "&" and the line separators of JavaScript are escaped."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def _asset(name: str) -> str:
    return resources.files("textiba.report").joinpath(name).read_text("utf-8").strip()


def _hash(text: str) -> str:
    """As a content security policy names an inline script or style."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
