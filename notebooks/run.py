"""Runs the notebooks and saves their outputs: `make notebooks`, or `python notebooks/run.py quickstart` for one.

The first code cell of a notebook has the line `SMALL = False`. The tests set it to True, so that a run takes seconds.
"""

import ast
import os
import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient

FOLDER = Path(__file__).parent
KERNEL = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}}
SWITCH = "SMALL = False"
HEAVIEST = 2_000_000  # bytes of all notebooks together


def execute(path: Path, small: bool = False) -> nbformat.NotebookNode:
    """Runs a notebook from its first cell to its last in a new kernel, and returns it with its outputs.

    Raises:
        ValueError: the first code cell has no line `SMALL = False`.
        nbclient.exceptions.CellExecutionError: a cell failed.
    """
    notebook = nbformat.read(path, as_version=4)
    first = next(cell for cell in notebook.cells if cell.cell_type == "code")
    if SWITCH not in first.source:
        raise ValueError(f"{path.name}: the first code cell has the line '{SWITCH}'; got {first.source!r}")
    written = first.source
    first.source = written.replace(SWITCH, f"SMALL = {small}")
    resources = {"metadata": {"path": str(FOLDER)}}
    client = NotebookClient(notebook, timeout=1800, kernel_name="python3", resources=resources)  # seconds a cell
    client.execute(env={**os.environ, "PYTHONWARNINGS": "ignore:IProgress not found"})  # tqdm's, without ipywidgets
    first.source = written
    return tidied(notebook)


def tidied(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """Removes times, ids and versions, which differ from run to run."""
    notebook.metadata = nbformat.from_dict(KERNEL)
    notebook.nbformat_minor = 4  # from minor version 5 on, each cell has a random id
    for cell in notebook.cells:
        cell.pop("id", None)
        cell.metadata = nbformat.from_dict({})
        for output in cell.get("outputs", ()):
            if "metadata" in output:
                output.metadata = nbformat.from_dict({})
    return notebook


def problems(notebook: nbformat.NotebookNode) -> list[str]:
    """Lists the faults of a notebook: failed or silent cells, warnings, progress bars, paths of this machine."""
    found = []
    for n, cell in enumerate((c for c in notebook.cells if c.cell_type == "code"), 1):
        if cell.execution_count != n:
            found.append(f"cell {n} was run as number {cell.execution_count}; run the whole notebook")
        if shows(cell.source) and not cell.outputs:
            found.append(f"cell {n} shows nothing")
        for output in cell.outputs:
            text = str(output)
            if output.output_type == "error":
                found.append(f"cell {n} failed: {output.ename}")
            if output.get("name") == "stderr":
                found.append(f"cell {n} wrote to stderr: {output.text[:80]!r}")
            if path := _path_in(text):
                found.append(f"cell {n} has a path: {path}")
    return found


def _path_in(text: str) -> str | None:
    """The first path of this machine in a text; the clone may lie within the home folder or the temporary folder."""
    places = (str(FOLDER.parent), str(Path.home()), "/tmp/")  # noqa: S108
    return next((place for place in places if place != "/" and place in text), None)


def shows(source: str) -> bool:
    """Whether a cell's code ends with a value or prints something."""
    code = "\n".join(line for line in source.splitlines() if not line.startswith("%"))  # IPython's own commands
    body = ast.parse(code).body
    calls = (node.func for node in ast.walk(ast.Module(body, [])) if isinstance(node, ast.Call))
    prints = any(isinstance(called, ast.Name) and called.id == "print" for called in calls)
    return prints or bool(body and isinstance(body[-1], ast.Expr))


def main(names: list[str]) -> int:
    """Runs the named notebooks, or all, writes those without problems, and returns the exit code."""
    failed = False
    for path in sorted(FOLDER.glob("*.ipynb")):
        if names and path.stem not in names:
            continue
        notebook = execute(path)
        if found := problems(notebook):
            failed = True
            print(f"{path.name} is not written:", *found, sep="\n  ")
            continue
        nbformat.write(notebook, path)
        print(f"{path.name}: {path.stat().st_size:,} bytes")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
