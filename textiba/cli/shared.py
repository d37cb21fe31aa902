"""What the commands share: the app, common options, progress bars and tables."""

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from textiba.store.processes import ALONE, Processes

app = typer.Typer(
    no_args_is_help=True, add_completion=False, rich_markup_mode="markdown", pretty_exceptions_enable=False
)
console = Console()
errors = Console(stderr=True)

Checkpoint = Annotated[
    str, typer.Option("--checkpoint", "-c", help="fine-tuned, general-probe, general-fresh, a folder, or a hub id.")
]
Data = Annotated[str | None, typer.Option(help="Take the texts from here instead: a hub id, a folder, or a file.")]
Output = Annotated[Path, typer.Option("--output", "-o", help="Where the results go.")]


class _Rate(ProgressColumn):
    """Results a second."""

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text(f"{speed:.1f}/s" if speed else "", style="cyan")


def progress_bars(processes: Processes = ALONE) -> Progress:
    """Bars with a rate and the time that is left, on stderr; of several processes the first shows its own."""
    return Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), _Rate(), TimeRemainingColumn(),
        console=errors, disable=not processes.main,
    )  # fmt: skip


def reporter(progress: Progress) -> Any:
    """A function `(what, done, total)` that keeps a bar for everything that is being done."""
    tasks: dict[str, Any] = {}

    def advance(what: str, done: int, total: int) -> None:
        if what not in tasks:
            tasks[what] = progress.add_task(what, total=total or None)  # None: nobody knows
        progress.update(tasks[what], completed=done, total=total or None)

    return advance


def table(title: str, columns: dict[str, list[str]]) -> Table:
    """Columns of text as a table for the terminal."""
    made = Table(title=title, title_justify="left")
    for name in columns:
        made.add_column(name)
    for row in zip(*columns.values(), strict=True):
        made.add_row(*row)
    return made
