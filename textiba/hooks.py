"""Functions that results call and that other packages provide: drawing results for notebooks, and storing results.

With these hooks, `textiba.attribution` need not import `textiba.show` and `textiba.store`. `textiba.show`, which
`import textiba` imports, provides the functions.
"""

from collections.abc import Callable
from typing import Any

_provided: dict[str, Callable[..., Any]] = {}


def provide(**functions: Callable[..., Any]) -> None:
    """Sets functions by their names; a later function replaces an earlier one of the same name."""
    _provided.update(functions)


def call(name: str, *arguments: Any) -> Any:
    """Calls the function that was provided as `name`, and returns its result."""
    return _provided[name](*arguments)
