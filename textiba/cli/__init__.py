"""The command line: arguments and progress only."""

import contextlib
import ctypes
import sys
import warnings

from rich.text import Text

from textiba.cli import corpus, look, make, report, runs  # noqa: F401 - their commands add themselves to the app
from textiba.cli.shared import app, errors
from textiba.errors import TextibaError


@app.callback()
def _app() -> None:
    """**textiba**: how many bits of each token a text transformer used, at which layer, and in which direction.

    Start with `textiba demo`, or explain a sentence of your own:

        textiba explain "A thin plot, and yet I loved every minute of it."
    """


def main() -> None:
    """The console script: an error of ours is a line on stderr and exit code 2, never a traceback."""
    keep_freed_memory()
    with warnings.catch_warnings():
        warnings.showwarning = lambda message, *_: _say("note", "yellow", message)
        try:
            app()
        except TextibaError as error:
            _say("error", "bold red", error)
            sys.exit(2)


def _say(kind: str, style: str, what: object) -> None:
    errors.print(Text.assemble((f"{kind}: ", style), str(what)))


def keep_freed_memory() -> None:
    """Tells glibc to reuse large freed blocks instead of mapping new ones at every step; see benchmarks/."""
    with contextlib.suppress(OSError, AttributeError):  # another libc has no mallopt
        libc = ctypes.CDLL(None)
        libc.mallopt(-3, 1 << 30)  # M_MMAP_THRESHOLD
        libc.mallopt(-1, (1 << 31) - 1)  # M_TRIM_THRESHOLD
