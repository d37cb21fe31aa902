"""Metrics of attributions, as pure functions on arrays: faithfulness to the model, plausibility to a reader.

The same functions are modules for Hugging Face `evaluate`: `evaluate.load(str(module_path("faithfulness")))`.
"""

from pathlib import Path

from textiba.errors import SettingError
from textiba.evaluation.metrics.faithfulness import (
    AOPC_SHARES,
    LOWER_IS_BETTER,
    aopc_steps,
    from_curves,
    rank_agreement,
    sensitivity_n,
)
from textiba.evaluation.metrics.plausibility import from_attribution, words_and_rationale

MODULES = ("faithfulness", "plausibility")

__all__ = [
    "AOPC_SHARES",
    "LOWER_IS_BETTER",
    "MODULES",
    "aopc_steps",
    "from_attribution",
    "from_curves",
    "module_path",
    "rank_agreement",
    "sensitivity_n",
    "words_and_rationale",
]


def module_path(name: str) -> Path:
    """The path of a script for `evaluate.load`, which then needs no network.

    Raises:
        SettingError: no such module.
    """
    if name not in MODULES:
        raise SettingError(f"no evaluate module is called '{name}'; there are {list(MODULES)}")
    return Path(__file__).parent / "modules" / name / f"{name}.py"
