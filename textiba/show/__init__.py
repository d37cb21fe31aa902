"""Shows results: highlighted texts, plots and tables. Everything here is made from results, never from a model."""

from collections.abc import Sequence
from typing import Any

from textiba import notebook


def _html(attributions: Sequence[Any]) -> str:
    from textiba.show.highlight import highlight_html  # here: spaCy and numpy load when something is shown

    return highlight_html(attributions)


notebook.register(_html)
