"""Shows results: highlighted texts, plots and tables. Everything here is made from results, never from a model.

Importing this package registers the functions by which results are drawn and stored; see `textiba.hooks`.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from textiba import hooks

if TYPE_CHECKING:
    from textiba.attribution import Attribution, Attributions

# The imports are in the functions: spaCy, pyarrow and numpy load when a result is shown or stored.


def _html(attributions: "Sequence[Attribution]") -> str:
    from textiba.show.highlight import highlight_html

    return highlight_html(attributions)


def _save(attributions: "Sequence[Attribution]", path: str | Path) -> Path:
    from textiba.store.results import save_attributions

    return save_attributions(attributions, path)


def _load(path: str | Path) -> "Attributions":
    from textiba.store.results import load_attributions

    return load_attributions(path)


hooks.provide(html=_html, save=_save, load=_load)
