"""Partition SHAP: values along a tree of neighbouring tokens."""

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

# What shap calls the contexts of `PartitionSHAP`.
FIXED_CONTEXTS = {"both": None, "present": 1, "absent": 0}


class PartitionSHAP(Surrogate):
    """Values along a binary tree of neighbouring tokens (the shap library's PartitionExplainer).

    What `shap.Explainer` takes for text, but for the tree: here a balanced one, which cuts the text into halves down to
    single tokens. The scores sum to the output of the whole text − that of the text with every token removed.

    Owen values try each group with its siblings present and absent ("both"), of the order of T² passes for T tokens.
    One context for all takes 2T: 200 evaluations reach every token of a text of up to 100, where with "both" most
    would share their group's value. By default the rest is absent, since texts repeat themselves: what is said twice
    is hardly missed when taken from the whole, but tells when shown alone. What two groups do only together is shared
    evenly among their tokens. Source: Lundberg et al., 2020; Owen, 1977.

    Attributes:
        output: of the target, that is explained; see `GradientMethod.output`.
        removal: "delete" (the text gets shorter) or "mask" ([MASK] takes the place).
        context: whether all else is "present" or "absent" when a group is split (shap's `fixed_context` 1 and 0), or
            its siblings are "both" in turn (None, shap's default): Owen values.
        evaluations: coalitions at most, one more where that is odd; a pass each. Groups that are not reached share
            their value evenly. shap's default is 500, with "both".
    """

    name: ClassVar[str] = "partition_shap"
    needs: ClassVar[str] = "baselines"

    context: Literal["both", "present", "absent"] = "absent"
    evaluations: int = Field(default=200, ge=4)

    def _passes(self, layers: int, tokens: int) -> Passes:
        """A pass for each coalition: the empty and the whole, and two for each group that is split."""
        most = math.ceil((self.evaluations - 2) / 2)
        splits = _splits(tokens) if self.context == "both" else tokens - 1
        return Passes(1.0 + 2 + 2 * min(most, splits), 0.0)

    def explain(self, worth: Worth, tokens: int, seed: int) -> Float[Tensor, " tokens"]:
        """See `Surrogate.explain`."""
        shap = _shap()
        explainer = shap.PartitionExplainer(
            lambda rows: worth(torch.from_numpy(rows).bool()).numpy(), _Presence(balanced_tree(tokens))
        )
        with _numpy_seeded(seed):  # it breaks ties in its queue at random
            found = explainer(
                np.ones((1, tokens)),
                max_evals=self.evaluations,
                fixed_context=FIXED_CONTEXTS[self.context],
                silent=True,
            )
        return torch.from_numpy(found.values[0])


class _Presence:
    """A masker whose masked input is the mask itself."""

    def __init__(self, clustering: Float[np.ndarray, "splits 4"]):
        self.clustering = clustering
        self.shape = (1, len(clustering) + 1)

    def __call__(self, mask: np.ndarray, _row: np.ndarray) -> np.ndarray:
        return mask[None].astype(float)


def balanced_tree(leaves: int) -> Float[np.ndarray, "splits 4"]:
    """Halves of a row of leaves, down to single ones, as a linkage matrix: left, right, distance, leaves below."""
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
    """How often groups are split on the way to single tokens: each with its sibling present, and absent."""
    if tokens == 1:
        return 0
    half = (tokens + 1) // 2
    return contexts + _splits(half, 2 * contexts) + _splits(tokens - half, 2 * contexts)


@contextmanager
def _numpy_seeded(seed: int) -> Iterator[None]:
    """Numpy's global state, seeded and put back."""
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
