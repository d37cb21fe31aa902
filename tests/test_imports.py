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
    "Attribution",
    "Attributions",
    "Curve",
    "Degradation",
    "Encoder",
    "Evidence",
    "EvidenceMean",
    "FeatureStatistics",
    "Joint",
    "Method",
    "PerSample",
    "Random",
    "Readout",
    "Review",
    "TextibaError",
    "TextibaWarning",
    "TwoSided",
    "Word",
    "area",
    "build",
    "bundled",
    "degrade",
    "estimate",
    "explain",
    "grid",
    "imdb",
    "layer_profile",
    "load",
    "load_statistics",
    "movie_rationales",
    "stream",
]

# From the ground up, as in the design; a module may import from its own tier and from those before it.
TIERS = (
    ("errors", "types", "information", "processes", "settings"),
    (
        "data", "text", "splice", "forward", "encoder", "attribution", "statistics", "bottleneck", "checkpoints",
        "readout",
    ),
    ("methods",),
    (
        "benchmark", "config", "corpus", "degradation", "finetune", "highlight", "metrics", "plots", "profile",
        "report", "run", "scale", "store", "summary", "sweep", "training", "typeset",
    ),
    ("__main__", "cli", "demo"),
)  # fmt: skip
# The one that points up: Jupyter asks a result itself for its HTML, and what draws results is built on them.
UPWARD = {("attribution", "highlight")}
LEVEL = {name: level for level, tier in enumerate(TIERS) for name in tier}


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
    loaded = loaded_by("import textiba; textiba.PerSample, textiba.degrade, textiba.explain, textiba.imdb")
    assert "torch" in loaded
    assert not loaded & {"spacy", "matplotlib", "evaluate", "datasets", "peft", "captum", "shap"}


def _unit(path: Path) -> str:
    """The module or folder directly under the package that a file belongs to."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def _imports(path: Path) -> set[str]:
    """The modules and folders of textiba that a file imports anywhere, in functions too, but for `UPWARD`."""
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
    return {imported for imported in found if (_unit(path), imported) not in UPWARD}


FILES = sorted(p for p in PACKAGE.rglob("*.py") if p != PACKAGE / "__init__.py")


@pytest.mark.parametrize("path", FILES, ids=[str(p.relative_to(PACKAGE)) for p in FILES])
def test_dependencies_point_down(path: Path):
    unit = _unit(path)
    assert unit in LEVEL, f"{unit} has no tier; give it one in TIERS, as low as its imports allow"
    top = len(TIERS) - 1
    for imported in _imports(path):
        level = LEVEL.get(imported, top if imported in PUBLIC or imported.startswith("__") else None)
        assert level is not None, f"{unit} imports {imported}, which has no tier"
        assert level <= LEVEL[unit], f"{unit} must not import {imported}, which is above it"


@pytest.mark.parametrize("path", FILES, ids=[str(p.relative_to(PACKAGE)) for p in FILES])
def test_no_private_name_is_imported(path: Path):
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("textiba"):
            private = [alias.name for alias in node.names if alias.name.startswith("_")]
            assert not private, f"{private} of {node.module} is private; make it public or move what needs it"


def test_no_two_modules_need_each_other():
    needs: dict[str, set[str]] = {}
    for path in FILES:
        needs.setdefault(_unit(path), set()).update((_imports(path) - {_unit(path)}) & LEVEL.keys())
    while free := {unit for unit, needed in needs.items() if not needed & needs.keys()}:
        needs = {unit: needed for unit, needed in needs.items() if unit not in free}
    assert needs == {}, "these import one another in a circle"


@pytest.mark.parametrize("path", FILES, ids=[str(p.relative_to(PACKAGE)) for p in FILES])
def test_a_file_stays_within_300_lines(path: Path):
    assert len(path.read_text("utf-8").splitlines()) <= 300


@pytest.mark.parametrize("name", sorted(LEVEL.keys() & {_unit(p) for p in FILES}))
def test_every_module_says_what_it_is_for(name: str):
    assert importlib.import_module(f"textiba.{name}").__doc__
