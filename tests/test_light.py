"""The start of `textiba explain`: what it does not import, and that its results are those of a full import."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from commands import ENVIRONMENT, World, make_world

import textiba

HEAVY = {
    "accelerate", "captum", "datasets", "evaluate", "matplotlib", "pandas", "peft", "scipy", "shap", "sklearn", "spacy",
}  # fmt: skip
TEXT = "the film was dreadful and the music superb"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return make_world(tmp_path_factory.mktemp("world"))


def python(code: str, *arguments: object) -> str:
    """What a fresh interpreter prints."""
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-c", code, *map(str, arguments)],
        env=ENVIRONMENT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def modules_after(*arguments: object) -> set[str]:
    """The modules that a command has imported when it ends."""
    code = (
        "import sys, json, atexit\n"
        "atexit.register(lambda: print('\\n' + json.dumps(sorted(sys.modules))))\n"
        "from textiba.cli import main\n"
        "main()\n"
    )
    return set(json.loads(python(code, *arguments).splitlines()[-1]))


def test_a_sentence_in_the_terminal_loads_nothing_that_it_does_not_use(world: World):
    python("import textiba; textiba.load('fine-tuned')")  # the merged adapter is in the cache now
    loaded = modules_after("explain", "A dull plot, and yet I loved it.")
    assert "torch" in loaded
    assert not {name.partition(".")[0] for name in loaded} & HEAVY
    assert "torch.distributed.tensor" not in loaded


@pytest.mark.parametrize("arguments", [["--version"], ["--help"], ["explain", "-h"], ["--show-completion", "bash"]])
def test_help_and_completion_load_no_torch(arguments: list[str]):
    assert not {"torch", "transformers", "pyarrow", "numpy"} & modules_after(*arguments)


@pytest.mark.parametrize("method", ["evidence", "per_sample", "saliency", "lime", "partition_shap", "lrp"])
def test_results_are_those_of_a_full_import(method: str, world: World):
    code = "from textiba.cli import main; main()"
    found = json.loads(python(code, "explain", TEXT, "-c", world.model, "-m", method, "--json"))
    statistics = textiba.load_statistics(world.model)
    [expected] = textiba.explain(textiba.load(world.model), textiba.method(method), [TEXT], statistics)
    np.testing.assert_allclose([w["score"] for w in found["words"]], [w.score for w in expected.words()], rtol=1e-4)


def test_the_compiler_comes_when_it_is_asked_for():
    code = (
        "from textiba.cli.light import import_transformers\n"
        "import_transformers()\n"
        "import torch\n"
        "assert type(torch._dynamo).__name__ == '_StandIn'\n"
        "@torch.compile(backend='eager')\n"
        "def f(x): return x + 1\n"
        "assert f(torch.ones(2)).tolist() == [2, 2]\n"
        "import torch._dynamo\n"
        "print(type(torch._dynamo).__name__, torch._dynamo.config.__name__)\n"
    )
    assert python(code).split() == ["module", "torch._dynamo.config"]


@pytest.mark.parametrize(
    "broken", ["light._NEEDED = ('modeling_utils', 'no_such_module')", "light._unlisted_models = None"]
)
def test_another_version_of_transformers_is_imported_as_usual(broken: str, world: World):
    code = (
        f"from textiba.cli import light, main\n{broken}\n"
        "import sys\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "import torch._dynamo\n"
        "print(type(sys.modules['torch._dynamo']).__name__)\n"
    )
    out = python(code, "explain", TEXT, "-c", world.model, "--json").splitlines()
    assert json.loads(out[0])["text"] == TEXT
    assert out[1] == "module"


def test_a_process_that_has_imported_transformers_is_left_alone(monkeypatch: pytest.MonkeyPatch):
    from textiba.cli.light import import_transformers

    before: list[Any] = [*sys.meta_path]
    import_transformers()
    assert sys.meta_path == before


def test_an_adapter_is_merged_without_a_cache(world: World, tmp_path: Path):
    code = f"import os; os.environ['TEXTIBA_CACHE'] = {str(tmp_path)!r}; from textiba.cli import main; main()"
    first = python(code, "explain", "A film.", "--json")
    assert list(tmp_path.glob("merged-*"))
    assert python(code, "explain", "A film.", "--json") == first
