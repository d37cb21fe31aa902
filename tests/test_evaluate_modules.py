"""The `evaluate` modules: loaded from their scripts without a network, and equal to the functions they wrap."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from textiba.errors import InputError, SettingError
from textiba.evaluation import metrics
from textiba.evaluation.metrics import faithfulness, plausibility

evaluate = pytest.importorskip("evaluate")


@pytest.fixture(scope="module")
def load(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """`evaluate.load` with all its caches in a temporary folder."""
    folder = tmp_path_factory.mktemp("evaluate")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(evaluate.config, "HF_MODULES_CACHE", folder / "modules")
        patch.setattr(sys, "path", [*sys.path])
        yield lambda path: evaluate.load(str(path), cache_dir=str(folder))
    for name in [name for name in sys.modules if name.partition(".")[0] == "evaluate_modules"]:
        del sys.modules[name]


def test_a_module_is_a_script_in_a_folder_of_its_name():
    for name in metrics.MODULES:
        path = metrics.module_path(name)
        assert path.is_file()
        assert path.parts[-3:] == ("modules", name, f"{name}.py")
    with pytest.raises(
        SettingError, match=r"no evaluate module is called 'rouge'; there are \['faithfulness', 'plausi"
    ):
        metrics.module_path("rouge")


def test_a_module_loads_from_its_folder_too(load: Any):
    assert load(metrics.module_path("plausibility").parent).name == "plausibility"


def test_importing_the_metrics_does_not_load_evaluate():
    code = "import sys, textiba.evaluation.metrics; sys.exit('evaluate' in sys.modules or 'datasets' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parent)  # noqa: S603


def test_faithfulness_by_hand(load: Any):
    module = load(metrics.module_path("faithfulness"))
    found = module.compute(
        morf=[[0.9, 0.7, 0.3, 0.2, 0.5], [0.8, 0.8, 0.8, 0.8, 0.8]],
        lerf=[[0.9, 0.95, 0.8, 0.6, 0.5], [0.8, 0.8, 0.8, 0.8, 0.8]],
        steps=[0, 0.1, 0.5, 0.9, 1],
        shares=(0.1, 0.5),
    )
    assert found == pytest.approx(
        {
            "area": 0.3625 / 2,
            "morf": (0.415 + 0.8) / 2,
            "lerf": (0.7775 + 0.8) / 2,
            "comprehensiveness": 0.4 / 2,
            "sufficiency": 0.2 / 2,
            "log_odds": -0.6749633585 / 2,
        }
    )


def test_faithfulness_is_the_mean_of_the_functions(load: Any):
    draw, steps = np.random.default_rng(0), np.array(metrics.aopc_steps())
    morf, lerf = draw.random((2, 6, len(steps)))
    literal = faithfulness.areas(morf, lerf, steps) | faithfulness.aopc(morf, lerf, steps)
    module = load(metrics.module_path("faithfulness"))
    assert module.compute(morf=morf, lerf=lerf, steps=metrics.aopc_steps()) == pytest.approx(
        {name: values.mean() for name, values in literal.items()}
    )
    for half in (slice(0, 2), slice(2, 6)):
        module.add_batch(morf=morf[half].tolist(), lerf=lerf[half].tolist())
    in_batches = module.compute(steps=steps)
    assert in_batches["area"] == pytest.approx(literal["area"].mean())


def test_faithfulness_gives_what_the_steps_allow(load: Any):
    found = load(metrics.module_path("faithfulness")).compute(
        morf=[[0.9, 0.1, 0.5]], lerf=[[0.9, 0.7, 0.5]], steps=[0, 0.5, 1]
    )
    assert found == pytest.approx({"area": 0.3, "morf": 0.4, "lerf": 0.7})


def test_faithfulness_with_a_curve_too_short(load: Any):
    with pytest.raises(InputError, match="each of the 3 steps; lerf of text 1 has 2"):
        load(metrics.module_path("faithfulness")).compute(
            morf=[[0.9, 0.1, 0.5], [0.9, 0.1, 0.5]], lerf=[[0.9, 0.1, 0.5], [0.9, 0.1]], steps=[0, 0.5, 1]
        )


@pytest.mark.parametrize("kind", [int, bool])
def test_plausibility_by_hand(load: Any, kind: type):
    scores = [[5.0, 1, 4, -3, 4], [0.1, 0.2]]
    rationales = [[kind(mark) for mark in row] for row in ([1, 0, 0, 0, 1], [0, 1])]
    expected = {"top_share": (1 / 2 + 1) / 2, "auprc": (5 / 6 + 1) / 2, "token_f1": 3 / 4, "iou": (1 / 3 + 1) / 2}
    assert load(metrics.module_path("plausibility")).compute(scores=scores, rationales=rationales) == pytest.approx(
        expected
    )


def test_plausibility_is_the_mean_of_the_functions(load: Any):
    draw = np.random.default_rng(0)
    scores = [draw.random(size) for size in (3, 9, 20)]
    marked = [np.arange(len(row)) % 3 == 0 for row in scores]
    literal = [plausibility.from_units(s, m, 0.2) for s, m in zip(scores, marked, strict=True)]
    found = load(metrics.module_path("plausibility")).compute(scores=scores, rationales=marked, share=0.2)
    assert found == pytest.approx({name: np.mean([row[name] for row in literal]) for name in literal[0]})


def test_plausibility_says_what_is_wrong(load: Any):
    with pytest.raises(InputError, match="none of the 2 units is marked"):
        load(metrics.module_path("plausibility")).compute(scores=[[1.0, 2.0]], rationales=[[0, 0]])
    with pytest.raises(InputError, match="text 1 has 1 for 2"):
        load(metrics.module_path("plausibility")).compute(scores=[[1.0], [1.0, 2.0]], rationales=[[1], [1]])
    for marks, wrong in (([2, 0], 2), ([1, -1], -1)):
        with pytest.raises(InputError, match=f"a mark is 0 or 1; text 0 has {wrong}"):
            load(metrics.module_path("plausibility")).compute(scores=[[1.0, 2.0]], rationales=[marks])


@pytest.mark.parametrize("name", ["faithfulness", "plausibility"])
def test_no_texts_have_no_mean(load: Any, name: str):
    module = load(metrics.module_path(name))
    given = {"morf": [], "lerf": [], "steps": [0, 1]} if name == "faithfulness" else {"scores": [], "rationales": []}
    with pytest.raises(InputError, match="needs at least one text; got none"):
        module._compute(**given)
