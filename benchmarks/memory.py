"""Peak resident memory, of a function or of a process.

`getrusage` does not help here: it includes the peak of the parent process. `VmHWM` starts anew with each program, and
can be reset.
"""

import contextlib
import ctypes
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from benchmarks.report import Bar
from textiba import Evidence, Text, bundled_reviews, load, load_statistics, stream

MOST = 1.15
REPEATS = 2  # peaks hardly differ between processes


def peak_megabytes() -> float:
    """The peak of this process so far, or since `forget_peak`."""
    return _status("VmHWM")


def above(work: Callable[[], object]) -> float:
    """Megabytes at the peak of a function, beyond the memory that was resident before."""
    with contextlib.suppress(OSError, AttributeError):  # another libc has no malloc_trim
        ctypes.CDLL(None).malloc_trim(0)
    forget_peak()
    before = _status("VmRSS")
    work()
    return peak_megabytes() - before


def forget_peak() -> None:
    """Resets this process's peak to its present memory (man 5 proc, clear_refs)."""
    Path("/proc/self/clear_refs").write_text("5", "ascii")


def stream_short_texts(count: int) -> None:
    """Streams evidence over different short texts; the child process runs this."""
    model, statistics = load("fine-tuned"), load_statistics("fine-tuned")
    method = Evidence(layer=model.n_layers - 1, nodes=1)
    for _ in stream(model, [method], (_short(i) for i in range(count)), statistics):
        pass


def flat_memory(few: int, many: int) -> Bar:
    """Bar e: the peak memory of a process over many texts, against that of a process over few."""
    ratios = [_child(many) / _child(few) for _ in range(REPEATS)]
    return Bar(f"peak memory with {many:,} texts against {few:,}", "at most", MOST, ratios)


def _short(number: int) -> Text:
    texts = bundled_reviews()
    words = texts[number % len(texts)].text.split()
    start = number // len(texts)
    return Text(" ".join(words[start : start + 16]))


def _child(count: int) -> float:
    command = [sys.executable, "-m", "benchmarks", "--child", str(count)]
    answer = subprocess.run(command, capture_output=True, text=True, check=True, cwd=Path(__file__).parents[1])  # noqa: S603
    return float(answer.stdout.splitlines()[-1])


def _status(key: str) -> float:
    lines = Path("/proc/self/status").read_text("ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{key}:")) / 1024
