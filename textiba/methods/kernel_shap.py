"""Kernel SHAP: Shapley values, estimated by a regression."""

from typing import ClassVar

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor

from textiba.methods.base import Passes
from textiba.methods.surrogates import Surrogate, Worth, captum_lime, fitted


class KernelSHAP(Surrogate):
    """Shapley values, estimated by a regression on sampled coalitions (Captum's KernelShap).

    The samples always include the empty coalition and the full coalition. The scores sum to the difference of the
    outputs of these two. Source: Lundberg, Lee, NeurIPS 2017.

    Attributes:
        output: the target's output that is explained; see `GradientMethod.output`.
        removal: "delete" (the text gets shorter) or "mask" (each removed token becomes [MASK]).
        samples: number of coalitions; each costs one pass. With fewer coalitions than tokens, the regression is
            underdetermined and returns the solution with the smallest norm.
    """

    name: ClassVar[str] = "kernel_shap"

    samples: int = Field(default=200, ge=3)

    def _passes(self, layers: int, tokens: int) -> Passes:
        """One pass for each coalition; a text of one token has two coalitions."""
        return Passes(1.0 + (self.samples if tokens > 1 else 2), 0.0)

    def explain(self, worth: Worth, tokens: int, seed: int) -> Float[Tensor, " tokens"]:
        """See `Surrogate.explain`."""
        attr, _, _ = captum_lime()
        if tokens == 1:  # Captum's sampling needs two tokens; a regression would give this score
            empty, whole = worth(torch.tensor([[False], [True]]))
            return (whole - empty)[None]
        return fitted(attr.KernelShap(lambda rows: worth(rows.bool())), tokens, self.samples, seed)
