"""The command line: arguments, progress, and one line for each error."""

import contextlib
import ctypes
import os
import sys
import traceback
import warnings
from pathlib import Path

from textiba.cli import corpus, doctor, explain, look, make, report, runs
from textiba.cli.shared import app, printable, tell
from textiba.cli.stop import Stopped, signals
from textiba.errors import TextibaError

_IN_ORDER = (
    look.demo, explain.explain, look.methods, runs.sweep, runs.degrade, runs.benchmark, corpus.corpus, report.report,
    make.estimate, make.finetune, doctor.doctor,
)  # fmt: skip
app.registered_commands.sort(key=lambda command: _IN_ORDER.index(command.callback))  # type: ignore[arg-type]


def main() -> None:
    """The console script. Every error that a user can cause is one line on stderr and exit code 2.

    A signal (Ctrl-C, SIGTERM) ends the program with a line that says what is kept, and with the exit code 128 + the
    signal's number.
    """
    keep_freed_memory()
    printable(sys.stdout, sys.stderr)
    with warnings.catch_warnings(), signals():
        warnings.showwarning = lambda message, *_: tell("note", "yellow", message)
        try:
            app()
        except Stopped as stop:
            if os.environ.get("RANK", "0") == "0":  # of several processes, only the first prints the error
                tell("stopped", "yellow", stop)
            code = 128 + stop.number
        except BrokenPipeError:
            _silence()
            code = 141  # 128 + SIGPIPE: the usual exit code of a program whose output nobody reads any more
        except TextibaError as error:
            tell("error", "bold red", error)
            code = 2
        except Exception as error:  # noqa: BLE001 - no later handler could report the error
            code = _last_resort(error)
        else:
            return
    sys.exit(code)


def keep_freed_memory() -> None:
    """Tells glibc to reuse large freed blocks instead of mapping new ones at every step; see benchmarks/."""
    with contextlib.suppress(OSError, AttributeError):  # a libc other than glibc has no mallopt
        libc = ctypes.CDLL(None)
        libc.mallopt(-3, 1 << 30)  # M_MMAP_THRESHOLD
        libc.mallopt(-1, (1 << 31) - 1)  # M_TRIM_THRESHOLD


def _last_resort(error: Exception) -> int:
    """Reports an unexpected error: of the disk, of the memory, or a fault of textiba."""
    if isinstance(error, OSError):
        from textiba.store.files import disk_failed, storage_error

        if disk_failed(error):
            tell("error", "bold red", storage_error(Path(error.filename or "a file"), error))
            return 2
    if isinstance(error, MemoryError) or "out of memory" in str(error).lower():
        advice = "take smaller batches (--batch-tokens), shorter texts (--max-length) or fewer steps at a time"
        tell("error", "bold red", f"the memory is full; {advice}")
        return 2
    traceback.print_exception(error)
    tell("error", "bold red", "this is a fault of textiba; please report it with the lines above and `textiba doctor`")
    return 1


def _silence() -> None:
    """Discards the output that the interpreter flushes at exit, because nobody reads it any more."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
