"""`textiba report`: the results of runs, as one page."""

from pathlib import Path
from typing import Annotated

import typer

from textiba.cli.shared import app, say, tell
from textiba.errors import InputError


@app.command()
def report(
    runs: Annotated[list[Path], typer.Argument(help="Folders of sweeps and benchmarks, or folders of such folders.")],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="The .html file; page.html in the first folder if absent.")
    ] = None,
    title: Annotated[str | None, typer.Option(help="Title of the page; the folders' names if absent.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="Texts of each run to show.")] = 200,
) -> None:
    """Writes the results of runs as one interactive page, which opens in any browser without a network."""
    from textiba.report import explore, write_page
    from textiba.store.files import file_place

    if missing := [run for run in runs if not run.is_dir()]:
        raise InputError(f"{missing[0]}: no such folder")
    target = file_place(output or runs[0] / "page.html", (".html", ".htm"))
    exploration = explore(runs, title, limit)
    for sentence in exploration.advice:
        tell("note", "yellow", sentence)
    page = write_page(exploration, target)
    size = page.stat().st_size / 1e6
    say(f"{len(exploration.attributions)} results, {size:.1f} MB; open ", page)
