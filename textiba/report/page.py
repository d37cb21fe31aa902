"""Fills the page's template: data, style and scripts are all part of the one file."""

import base64
import hashlib
import json
from importlib import resources
from pathlib import Path
from typing import Any

from textiba.report.exploration import Exploration
from textiba.report.payload import payload
from textiba.store.output import write_html

# In this order: each script may use what an earlier script defines.
_SCRIPTS = (
    "unpack.js", "model.js", "write.js", "charts.js", "text.js", "maps.js", "removal.js", "list.js", "overview.js",
    "main.js",
)  # fmt: skip


def build_page(exploration: Exploration) -> str:
    """Returns the explorer as one HTML document.

    A content security policy names style and script by their hash: nothing else runs, and nothing is loaded. The data
    is a block of JSON without any "<", so no text can end the block.

    Raises:
        InputError: see `payload`.
    """
    import jinja2
    from markupsafe import Markup

    # Columns are unpacked asynchronously, so the whole script is one function that waits for them.
    script = "\n".join(["(async () => {", '"use strict";', *(_asset(name) for name in _SCRIPTS), "})();"])
    style = _asset("style.css")
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.from_string(_asset("page.html.j2")).render(
        title=exploration.title,
        made=list(exploration.made),
        data=Markup(to_json(payload(exploration))),  # noqa: S704 - the JSON has no "<"
        style=Markup(style),  # noqa: S704 - our own file
        script=Markup(script),  # noqa: S704 - our own files
        style_hash=_hash(style),
        script_hash=_hash(script),
    )


def write_page(exploration: Exploration, path: str | Path) -> Path:
    """Writes `build_page(exploration)` to `path`, completely or not at all. Makes the folder and returns the path.

    Raises:
        InputError: see `payload`; or the path is a folder.
        StorageError: the file cannot be written.
    """
    return write_html(path, build_page(exploration))


def to_json(value: Any) -> str:
    """Returns JSON for use in HTML: "<", ">", "&" and the line separators of JavaScript are escaped."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def _asset(name: str) -> str:
    return resources.files("textiba.report").joinpath(name).read_text("utf-8").strip()


def _hash(text: str) -> str:
    """The hash by which a content security policy names an inline script or style."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
