"""Every notebook runs from its first cell to its last, and none is committed with output."""

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

NOTEBOOKS = sorted((Path(__file__).parent.parent / "notebooks").glob("*.ipynb"))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_a_notebook_runs(path: Path):
    notebook = nbformat.read(path, as_version=4)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert code
    assert not any(cell.outputs for cell in code)
    NotebookClient(notebook, timeout=300, kernel_name="python3").execute()
    assert any(output.output_type in ("execute_result", "display_data") for cell in code for output in cell.outputs)
