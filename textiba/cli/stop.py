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
_GRACE = 10.0  # seconds in which further signals are ignored, so that the flush ends; a launcher sends several


class Stopped(BaseException):
    """A signal asked the command to end.

    This class derives neither from `Exception`, so that no `except Exception` catches it, nor from `KeyboardInterrupt`,
    which the parser of the command line would turn into "Aborted!".

    Args:
        number: number of the signal.

    Attributes:
        number: number of the signal.
        kept: sentence that says what is kept, and how to continue.
    """

    def __init__(self, number: int):
        self.number = number
        self.kept = "nothing was written"

    def __str__(self) -> str:
        return self.kept


@contextmanager
def signals() -> Iterator[None]:
    """Within this context, the first signal that would end the program raises `Stopped`."""
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread can handle signals
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
    """If a signal ends the block, gives `Stopped` a sentence that says what is kept.

    Args:
        kept: returns the sentence; it is called after the block has flushed its results.
    """
    try:
        yield
    except Stopped as stop:
        stop.kept = kept()
        raise


def again() -> str:
    """The command line of this process, for the user to run again."""
    return shlex.join(["textiba", *sys.argv[1:]])
