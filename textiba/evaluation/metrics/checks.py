"""A check of scores that all metrics share."""

import numpy as np
from jaxtyping import Shaped

from textiba.errors import InputError


def check_numbers(scores: Shaped[np.ndarray, "..."]) -> None:
    """Raises `InputError` if a score is NaN, as the scores of special tokens are."""
    if missing := int(np.isnan(scores).sum()):
        raise InputError(
            f"a metric needs a score for every unit; {missing} of {scores.size} are NaN. "
            "Special tokens have no score: take textiba.attribution.content_scores"
        )
