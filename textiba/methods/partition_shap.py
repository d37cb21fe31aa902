"""Partition SHAP: the output is split among tokens along a binary tree of neighbouring tokens."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor

from textiba.errors import missing_extra
from textiba.methods.base import Passes
from textiba.methods.surrogates import Surrogate, Worth

# shap's `fixed_context` for each `PartitionSHAP.context`.
FIXED_CONTEXTS = {"both": None, "present": 1, "absent": 0}


class PartitionSHAP(Surrogate):
    """Shares of the output, split along a binary tree of neighbouring tokens (the shap library's PartitionExplainer).

    `shap.Explainer` uses the same algorithm for text, but with another tree. The tree here is balanced: it splits the
    text into halves, down to single tokens. The scores sum to the output of the whole text minus the output of the text
    with every token removed.

    With context "both" the scores are Owen values: each group is evaluated with its sibling groups present and absent,
    which takes on the order of T² passes for T tokens. A single context takes 2T passes, so 200 evaluations reach every
    token of a text of up to 100 tokens. With "both", 200 evaluations would leave most tokens with an even share of
    their group's value. The default context is "absent" because texts are redundant: removing one of two equivalent
    words from the whole text changes the output little, while showing the word alone changes the output clearly. An
    effect that two groups have only together is split evenly among their tokens. Source: Lundberg et al., 2020; Owen,
    1977.

    Attributes:
        output: the target's output that is explained; see `GradientMethod.output`.
        removal: "delete" (the text gets shorter) or "mask" (each removed token becomes [MASK]).
        context: whether all other tokens are "present" or "absent" when a group is split (shap's `fixed_context` 1 or
            0). "both" (shap's default, None) gives Owen values.
        evaluations: largest number of coalitions (an odd number allows one more); each costs one pass. The tokens of a
            group that is not split share its value evenly. shap's default is 500, with "both".
    """

    name: ClassVar[str] = "partition_shap"

    context: Literal["both", "present", "absent"] = "absent"
    evaluations: int = Field(default=200, ge=4)

    def _passes(self, layers: int, tokens: int) -> Passes:
        """One pass for each coalition: the empty and the full coalition, and two for each split of a group."""
        most = math.ceil((self.evaluations - 2) / 2)
        splits = _splits(tokens) if self.context == "both" else tokens - 1
        return Passes(1.0 + 2 + 2 * min(most, splits), 0.0)

    def explain(self, worth: Worth, tokens: int, seed: int) -> Float[Tensor, " tokens"]:
        """See `Surrogate.explain`."""
        shap = _shap()
        explainer = shap.PartitionExplainer(
            lambda rows: worth(torch.from_numpy(rows).bool()).numpy(), _Presence(balanced_tree(tokens))
        )
        with _numpy_seeded(seed):  # shap breaks ties in its queue at random
            found = explainer(
                np.ones((1, tokens)),
                max_evals=self.evaluations,
                fixed_context=FIXED_CONTEXTS[self.context],
                silent=True,
            )
        return torch.from_numpy(found.values[0])


class _Presence:
    """A shap masker whose masked input is the mask itself."""

    def __init__(self, clustering: Float[np.ndarray, "splits 4"]):
        self.clustering = clustering
        self.shape = (1, len(clustering) + 1)

    def __call__(self, mask: np.ndarray, _row: np.ndarray) -> np.ndarray:
        return mask[None].astype(float)


def balanced_tree(leaves: int) -> Float[np.ndarray, "splits 4"]:
    """A balanced binary tree over a row of leaves, as a linkage matrix: left, right, distance, number of leaves."""
    rows: list[tuple[float, float, float, float]] = []

    def grow(start: int, end: int) -> int:
        if end - start == 1:
            return start
        middle = (start + end + 1) // 2
        left, right = grow(start, middle), grow(middle, end)
        rows.append((left, right, end - start, end - start))
        return leaves + len(rows) - 1

    grow(0, leaves)
    return np.asarray(rows, dtype=float).reshape(-1, 4)


def _splits(tokens: int, contexts: int = 1) -> int:
    """The number of splits down to single tokens. Each half is split twice: with the other half present, and absent."""
    if tokens == 1:
        return 0
    half = (tokens + 1) // 2
    return contexts + _splits(half, 2 * contexts) + _splits(tokens - half, 2 * contexts)


@contextmanager
def _numpy_seeded(seed: int) -> Iterator[None]:
    """Seeds numpy's global random state within the context, and restores the state afterwards."""
    before = np.random.get_state()  # noqa: NPY002 - shap draws from it
    np.random.seed(seed % 2**32)  # noqa: NPY002
    try:
        yield
    finally:
        np.random.set_state(before)  # noqa: NPY002


def _shap() -> Any:
    try:
        import shap
    except ImportError as error:
        raise missing_extra("shap", "baselines") from error
    return shap
