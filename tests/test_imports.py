"""What importing costs, what is public, and that dependencies point down only."""

import ast
import importlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

import textiba

PACKAGE = Path(textiba.__file__).parent

PUBLIC = [
    "Attention", "AttentionRollout", "Attribution", "Attributions", "Curve", "Degradation", "Evidence", "EvidenceMean",
    "FeatureStatistics", "GradCAM", "Gradient", "GuidedBackprop", "InputXGradient", "IntegratedGradients", "Jiang2020",
    "JointBottleneck", "KernelSHAP", "LIME", "LRP", "Method", "Model", "Occlusion", "PartitionSHAP",
    "PerSampleBottleneck", "Random", "ReadoutBottleneck", "Saliency", "Schulz2020", "SmoothGrad", "SmoothGradXInput",
    "Text", "TextibaError", "TextibaWarning", "TwoSided", "Windows", "Word", "bundled_reviews", "degrade",
    "estimate_statistics", "explain", "imdb", "layer_profile", "lerf_morf_area", "list_methods", "load",
    "load_statistics", "method", "movie_rationales", "stream", "sweep_grid",
]  # fmt: skip

# The rooms from the ground up, as CONTRIBUTING.md has them. A module may import from its own room and from rooms in
# the rows before its own; rooms of one row do not import each other.
ROOMS = (
    ("errors", "types", "hooks"),
    ("settings", "information"),
    ("texts",),
    ("model",),
    ("attribution",),
    ("checkpoints", "store", "evaluation"),
    ("bottleneck", "show"),
    ("methods",),
    ("runs",),
    ("training", "corpus", "benchmark"),
    ("report",),
    ("demo", "cli"),
    ("__main__",),
)
LEVEL = {name: level for level, row in enumerate(ROOMS) for name in row}


def test_the_public_names_are_these():
    assert textiba.__all__ == PUBLIC


@pytest.mark.parametrize("name", PUBLIC)
def test_a_public_name_can_be_had_and_says_what_it_is(name: str):
    thing = getattr(textiba, name)
    assert thing.__name__ == name
    assert thing.__module__.startswith("textiba.")
    assert thing.__doc__


def test_type_checkers_see_the_same_names():
    tree = ast.parse((PACKAGE / "__init__.py").read_text())
    [block] = [node for node in tree.body if isinstance(node, ast.If)]
    seen = [name.asname or name.name for node in block.body if isinstance(node, ast.ImportFrom) for name in node.names]
    assert sorted(seen) == PUBLIC


def test_a_name_that_does_not_exist():
    with pytest.raises(AttributeError, match="module 'textiba' has no attribute 'explian'"):
        textiba.explian  # noqa: B018


def loaded_by(code: str) -> set[str]:
    """The packages that are loaded after `code` has run in a fresh interpreter."""
    script = f"import sys, json; {code}; print(json.dumps(sorted({{m.partition('.')[0] for m in sys.modules}})))"
    output = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)  # noqa: S603
    return set(json.loads(output.stdout.splitlines()[-1]))


def test_importing_textiba_loads_nothing_heavy():
    heavy = {"torch", "transformers", "datasets", "spacy", "matplotlib", "evaluate", "pyarrow", "numpy", "pydantic"}
    loaded = loaded_by("import textiba")
    assert "textiba" in loaded
    assert not loaded & heavy


def test_the_methods_load_neither_plots_nor_spacy():
    loaded = loaded_by("import textiba; textiba.PerSampleBottleneck, textiba.degrade, textiba.explain, textiba.imdb")
    assert "torch" in loaded
    assert not loaded & {"spacy", "matplotlib", "evaluate", "datasets", "peft", "captum", "shap"}


def _room(path: Path) -> str:
    """The module or package directly under `textiba` that a file belongs to."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def _imports(path: Path) -> set[str]:
    """The rooms that a file imports anywhere, inside functions too."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative imports hide where things come from"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        found |= {name.split(".")[1] for name in names if name.startswith("textiba.")}
    return found


FILES = sorted(p for p in PACKAGE.rglob("*.py") if p != PACKAGE / "__init__.py")


@pytest.mark.parametrize("path", FILES, ids=[str(p.relative_to(PACKAGE)) for p in FILES])
def test_no_import_goes_up_a_room(path: Path):
    room = _room(path)
    assert room in LEVEL, f"{room} is in no row of ROOMS; put it in the lowest row that its imports allow"
    for imported in _imports(path) - {room}:
        level = LEVEL.get(imported, LEVEL["cli"] if imported in PUBLIC or imported.startswith("__") else None)
        assert level is not None, f"{room} imports {imported}, which is in no row of ROOMS"
        top = room in ("demo", "cli") and level == LEVEL[room]  # the command line starts the demo, through public names
        assert level < LEVEL[room] or top, f"{room} must not import {imported}: it is not in a row below"


@pytest.mark.parametrize("path", FILES, ids=[str(p.relative_to(PACKAGE)) for p in FILES])
def test_no_private_name_is_imported(path: Path):
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("textiba"):
            private = [alias.name for alias in node.names if alias.name.startswith("_")]
            assert not private, f"{private} of {node.module} is private; make it public or move what needs it"


def test_no_two_modules_import_each_other():
    """Module by module, within rooms too."""
    modules = {".".join(p.relative_to(PACKAGE).with_suffix("").parts).removesuffix(".__init__"): p for p in FILES}
    needs: dict[str, set[str]] = {}
    for name, path in modules.items():
        found: set[str] = set()
        for node in ast.parse(path.read_text("utf-8")).body:
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("textiba."):
                source = (node.module or "").removeprefix("textiba.")
                found |= {f"{source}.{a.name}" if f"{source}.{a.name}" in modules else source for a in node.names}
        needs[name] = (found & modules.keys()) - {name}
    while free := {name for name, needed in needs.items() if not needed & needs.keys()}:
        needs = {name: needed for name, needed in needs.items() if name not in free}
    assert needs == {}, "these import one another in a circle"


@pytest.mark.parametrize("path", FILES, ids=[str(p.relative_to(PACKAGE)) for p in FILES])
def test_a_file_stays_within_300_lines(path: Path):
    assert len(path.read_text("utf-8").splitlines()) <= 300


@pytest.mark.parametrize("name", sorted(LEVEL.keys() & {_room(p) for p in FILES}))
def test_every_room_says_what_it_is_for(name: str):
    assert importlib.import_module(f"textiba.{name}").__doc__
