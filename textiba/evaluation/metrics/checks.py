"""What every metric asks of its scores."""

import numpy as np
from jaxtyping import Shaped

from textiba.errors import InputError


def check_numbers(scores: Shaped[np.ndarray, "..."]) -> None:
    """Raises `InputError` if there is a NaN among the scores, as there is at special tokens."""
    if missing := int(np.isnan(scores).sum()):
        raise InputError(
            f"a metric needs a score for every unit; {missing} of {scores.size} are NaN. "
            "Special tokens carry none: take textiba.attribution.content_scores"
        )
