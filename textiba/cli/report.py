"""`textiba report`: what runs have found, as one page."""

from pathlib import Path
from typing import Annotated

import typer

from textiba.cli.shared import app, console


@app.command()
def report(
    runs: Annotated[list[Path], typer.Argument(help="Folders of sweeps and benchmarks, or folders of such folders.")],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="The page; in the first folder if absent.")
    ] = None,
    title: Annotated[str | None, typer.Option(help="Of the page; the folders' names if absent.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="Texts of each run to show.")] = 200,
) -> None:
    """Writes what runs have found as one interactive page, which opens anywhere and asks no network."""
    from textiba.report import explore, write_page

    exploration = explore(runs, title, limit)
    page = write_page(exploration, output or runs[0] / "page.html")
    size = page.stat().st_size / 1e6
    console.print(f"{len(exploration.attributions)} results, {size:.1f} MB; open [bold]{page}[/]")
