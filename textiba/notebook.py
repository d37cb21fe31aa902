"""How notebooks show results: `textiba.show` registers a function that draws them, results call it.

So results do not import what draws them.
"""

from collections.abc import Callable, Sequence
from typing import Any

Draw = Callable[[Sequence[Any]], str]
_registered: list[Draw] = []


def register(draw: Draw) -> None:
    """Sets the function that turns a list of attributions into HTML; a later one replaces an earlier one."""
    _registered[:] = [draw]


def html(attributions: Sequence[Any]) -> str | None:
    """HTML of attributions; None, so that a notebook shows their text, where nothing is registered."""
    return _registered[0](attributions) if _registered else None
