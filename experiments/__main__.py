"""Runs an experiment of the study: python -m experiments 01_layer_sweep --data ../shared/data.

An experiment that was killed resumes. Its results go into its own folder: result.json, figures, and the tables of its
README.
"""

from importlib import import_module
from pathlib import Path
from typing import Annotated

import typer

from experiments.study import ROOT, Study
from textiba.cli import keep_freed_memory
from textiba.cli.progress import progress
from textiba.cli.shared import console

NAMES = tuple(sorted(path.parent.name for path in ROOT.glob("*/experiment.py")))


def main(
    name: Annotated[str, typer.Argument(help=f"One of: {', '.join(NAMES)}; or 'all'.")],
    data: Annotated[
        Path | None,
        typer.Option(help="A folder with imdb/ and movie_rationales/; without it the data comes from the hub."),
    ] = None,
    runs: Annotated[Path, typer.Option(help="The folder of the runs.")] = Path("runs"),
) -> None:
    """Runs an experiment of the study."""
    keep_freed_memory()
    for one in NAMES if name == "all" else (name,):
        if one not in NAMES:
            raise typer.BadParameter(f"no experiment is called '{one}'; the experiments are {', '.join(NAMES)}")
        with progress("results") as advance:
            study = Study(ROOT / one, runs, data, advance)
            result = import_module(f"experiments.{one}.experiment").answer(study)
        console.print(f"{one}: {result}")


if __name__ == "__main__":
    typer.run(main)
