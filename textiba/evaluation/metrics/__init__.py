"""How good an attribution is: to the model (faithfulness) and to a reader (plausibility), as pure functions on arrays.

The same functions come as modules for Hugging Face `evaluate`: `evaluate.load(str(module_path("faithfulness")))`.
"""

from pathlib import Path

from textiba.errors import SettingError
from textiba.evaluation.metrics.faithfulness import AOPC_SHARES, aopc_steps, from_curves, rank_agreement, sensitivity_n
from textiba.evaluation.metrics.plausibility import from_attribution, words_and_rationale

MODULES = ("faithfulness", "plausibility")

__all__ = [
    "AOPC_SHARES",
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
    """The script that `evaluate.load` takes, without a network.

    Raises:
        SettingError: no such module.
    """
    if name not in MODULES:
        raise SettingError(f"no evaluate module is called '{name}'; there are {list(MODULES)}")
    return Path(__file__).parent / "modules" / name / f"{name}.py"
