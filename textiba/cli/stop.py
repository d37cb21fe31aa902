"""Ctrl-C and SIGTERM: the command flushes its results, says what is kept, and ends."""

import shlex
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_GRACE = 10.0  # seconds in which a second signal does not disturb the flush; a launcher sends one after the other


class Stopped(BaseException):
    """A signal asked the command to end.

    It is no `Exception`, so that no handler of errors takes it for one, and no `KeyboardInterrupt`, which the parser of
    the command line would turn into "Aborted!".

    Args:
        number: the signal's.

    Attributes:
        number: the signal's.
        kept: what is kept, and how to go on, in words.
    """

    def __init__(self, number: int):
        self.number = number
        self.kept = "nothing was written"

    def __str__(self) -> str:
        return self.kept


@contextmanager
def signals() -> Iterator[None]:
    """While this is in force, the signals that end a program raise `Stopped` once."""
    if threading.current_thread() is not threading.main_thread():
        yield  # signals belong to the main thread
        return
    first: list[float] = []

    def stop(number: int, _frame: FrameType | None) -> None:
        if not first:
            first.append(time.monotonic())
            raise Stopped(number)
        if time.monotonic() - first[0] > _GRACE:
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)

    before: dict[int, Any] = {number: signal.signal(number, stop) for number in _SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def keeping(kept: Callable[[], str]) -> Iterator[None]:
    """Lets a signal end the block with a sentence about what is kept.

    Args:
        kept: makes the sentence, after the block has flushed its results.
    """
    try:
        yield
    except Stopped as stop:
        stop.kept = kept()
        raise


def again() -> str:
    """The command of this process, to be given again."""
    return shlex.join(["textiba", *sys.argv[1:]])
