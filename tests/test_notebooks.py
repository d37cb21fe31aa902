"""Every notebook runs from its first cell to its last, and is committed with the outputs of a whole run."""

import importlib.util
from pathlib import Path
from types import ModuleType

import nbformat
import pytest

FOLDER = Path(__file__).parent.parent / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))


def _runner() -> ModuleType:
    """notebooks/run.py, which is a script and in no package."""
    spec = importlib.util.spec_from_file_location("run_notebooks", FOLDER / "run.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


RUN = _runner()


def test_these_are_the_notebooks():
    names = ["degradation", "general_vs_finetuned", "layers_and_beta", "pairs", "quickstart", "your_own_model"]
    assert [path.stem for path in NOTEBOOKS] == names
    assert sum(path.stat().st_size for path in NOTEBOOKS) < RUN.HEAVIEST


@pytest.mark.long
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_a_notebook_runs_in_a_small_setting_and_shows_what_it_says(path: Path):
    ran, committed = RUN.execute(path, small=True), nbformat.read(path, as_version=4)
    code = [cell for cell in ran.cells if cell.cell_type == "code"]
    assert [n for n, cell in enumerate(code, 1) if RUN.shows(cell.source) and not cell.outputs] == []
    kinds = [[set(o.get("data", ())) for o in c.outputs if "data" in o] for c in code]
    assert any("text/html" in kind for shown in kinds for kind in shown)
    # A figure stays a figure, and a text a text.
    assert kinds == [
        [set(o.get("data", ())) for o in c.outputs if "data" in o] for c in committed.cells if c.cell_type == "code"
    ]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_a_committed_notebook_has_its_outputs_and_no_noise(path: Path):
    notebook = nbformat.read(path, as_version=4)
    assert RUN.problems(notebook) == []
    assert notebook == RUN.tidied(nbformat.read(path, as_version=4))
    assert RUN.SWITCH in next(cell.source for cell in notebook.cells if cell.cell_type == "code")


def test_what_a_notebook_must_not_have_is_found():
    output = nbformat.v4.new_output
    cells = [
        nbformat.v4.new_code_cell("1 + 1"),
        nbformat.v4.new_code_cell("x = 1", execution_count=2),
        nbformat.v4.new_code_cell("%matplotlib inline\nif x:\n    print(x)", execution_count=3),
        nbformat.v4.new_code_cell("x", execution_count=4, outputs=[output("error", ename="KeyError", evalue="")]),
        nbformat.v4.new_code_cell(
            "x", execution_count=5, outputs=[output("stream", name="stderr", text=f"{FOLDER}: UserWarning")]
        ),
    ]
    found = RUN.problems(nbformat.v4.new_notebook(cells=cells))
    assert [line.split(":")[0] for line in found] == [
        "cell 1 was run as number None; run the whole notebook",
        "cell 1 shows nothing",
        "cell 3 shows nothing",
        "cell 4 failed",
        "cell 5 wrote to stderr",
        "cell 5 has a path",
    ]


def _with_output(text: str) -> nbformat.NotebookNode:
    shown = nbformat.v4.new_output("stream", name="stdout", text=text)
    return nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("print(x)", execution_count=1, outputs=[shown])])


CLONES = ["/opt/textiba", "/tmp/textiba", "/tmp/a b/textiba", "~/textiba", "~/tmp/a b"]  # noqa: S108 - names only


@pytest.mark.parametrize("clone", CLONES)
def test_a_path_is_found_once_wherever_the_clone_lies(clone: str, monkeypatch: pytest.MonkeyPatch):
    folder = Path(clone).expanduser() / "notebooks"
    monkeypatch.setattr(RUN, "FOLDER", folder)
    for path in (folder / "quickstart.ipynb", Path.home() / "models" / "bert", Path("/tmp/run/results")):  # noqa: S108
        [found] = RUN.problems(_with_output(f"written to {path}"))
        assert found.startswith("cell 1 has a path: ")
    assert RUN.problems(_with_output("p = 0.5 and/or 1/2")) == []


def test_a_home_folder_at_the_root_does_not_make_every_slash_a_path(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(RUN, "FOLDER", Path("/opt/textiba/notebooks"))
    monkeypatch.setattr(Path, "home", lambda: Path("/"))
    assert RUN.problems(_with_output("1/2")) == []
    assert len(RUN.problems(_with_output("/tmp/run"))) == 1  # noqa: S108
