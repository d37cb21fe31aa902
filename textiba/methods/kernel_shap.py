"""Kernel SHAP: Shapley values by regression."""

from typing import ClassVar

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor

from textiba.methods.base import Passes
from textiba.methods.surrogates import Surrogate, Worth, captum_lime, fitted


class KernelSHAP(Surrogate):
    """Shapley values by a regression on sampled coalitions (Captum's KernelSHAP).

    The empty and the whole coalition are always among them; the scores sum to the difference of their outputs.
    Source: Lundberg, Lee, NeurIPS 2017.

    Attributes:
        output: of the target, that is explained; see `GradientMethod.output`.
        removal: "delete" (the text gets shorter) or "mask" ([MASK] takes the place).
        samples: coalitions; a pass each. Fewer than tokens leave the regression undetermined; it then takes the
            solution of the least norm.
    """

    name: ClassVar[str] = "kernel_shap"
    needs: ClassVar[str] = "baselines"

    samples: int = Field(default=200, ge=3)

    def _passes(self, layers: int, tokens: int) -> Passes:
        """A pass for each coalition; a single token has but two."""
        return Passes(1.0 + (self.samples if tokens > 1 else 2), 0.0)

    def explain(self, worth: Worth, tokens: int, seed: int) -> Float[Tensor, " tokens"]:
        """See `Surrogate.explain`."""
        attr, _, _ = captum_lime()
        if tokens == 1:  # Captum's sampling needs two; this is what its regression would give
            empty, whole = worth(torch.tensor([[False], [True]]))
            return (whole - empty)[None]
        return fitted(attr.KernelShap(lambda rows: worth(rows.bool())), tokens, self.samples, seed)
