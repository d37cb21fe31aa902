"""Progress of long tasks: bars in a terminal, and a line every 20 seconds in a log."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text

from textiba.cli.shared import errors

Advance = Callable[[str, int, int], None]  # the task, how much is done, how much there is (0 if unknown)
_SECONDS = 20.0  # between two lines in a log


@contextmanager
def progress(unit: str | None = None, shown: bool = True) -> Iterator[Advance]:
    """Shows progress on stderr, with the rate of this process and the time that is left.

    Args:
        unit: the plural noun for what is counted, such as "texts"; None takes the last word of each task's name.
        shown: False shows nothing, for all processes except the first.

    Yields:
        A function `(task, done, total)`; each task has its own bar. The `done` of a task's first call does not count
        for the rate, since an earlier run did this part.
    """
    if not shown:
        yield lambda *_: None
    elif errors.is_terminal:
        with _bars(unit) as bars:
            yield _on_bars(bars)
    else:
        yield _in_lines(unit)


def _bars(unit: str | None) -> Progress:
    return Progress(
        TextColumn("{task.description}", markup=False), BarColumn(bar_width=20), MofNCompleteColumn(), _Rate(unit),
        TimeRemainingColumn(compact=True), console=errors,
        # Output to a file must not be redirected to the terminal that shows the bars.
        redirect_stdout=sys.stdout.isatty(),
    )  # fmt: skip


def _on_bars(bars: Progress) -> Advance:
    tasks: dict[str, object] = {}

    def advance(what: str, done: int, total: int) -> None:
        if what not in tasks:
            tasks[what] = bars.add_task(what, completed=done, total=total or None)
        bars.update(tasks[what], completed=done, total=total or None)  # type: ignore[arg-type]

    return advance


class _Rate(ProgressColumn):
    """The column that shows the rate: how many a second, or a minute for a slow task."""

    def __init__(self, unit: str | None):
        super().__init__()
        self._unit = unit

    def render(self, task: Task) -> Text:
        unit = self._unit or task.description.split()[-1]
        return Text(rate(task.finished_speed or task.speed or 0.0, unit), style="cyan")


def rate(speed: float, unit: str) -> str:
    """A speed in words: "12.3 texts/s", "3.0 texts/min"; empty for a speed of 0."""
    if not speed:
        return ""
    return f"{speed:.1f} {unit}/s" if speed >= 1 else f"{60 * speed:.1f} {unit}/min"


def _in_lines(unit: str | None) -> Advance:
    began: dict[str, tuple[float, int]] = {}
    last = time.monotonic()

    def advance(what: str, done: int, total: int) -> None:
        nonlocal last
        now = time.monotonic()
        start, before = began.setdefault(what, (now, done))
        if now - last < _SECONDS or done == before:
            return
        last = now
        speed = (done - before) / (now - start)
        left = f", {(total - done) / speed / 60:.0f} min left" if total else ""
        of = f" of {total}" if total else ""
        counted = unit or what.split()[-1]
        errors.print(Text(f"{what}: {done}{of} {counted}, {rate(speed, counted)}{left}"), soft_wrap=True)

    return advance
