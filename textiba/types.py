"""Named tensor types, which give the axes of the arrays in signatures.

The axis `batch` counts texts, `tokens` the tokens of the padded texts (or of their windows, one after another), `whole`
the tokens of the longest whole text, `features` the hidden size, `samples` noise
draws, `layers` the hidden states 0 … L (0 is the embedding output), and `labels` the outcomes.
"""

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

State = Float[Tensor, "batch tokens features"]
NoisyState = Float[Tensor, "samples batch tokens features"]
Mask = Bool[Tensor, "batch tokens"]
Logits = Float[Tensor, "batch labels"]
Targets = Int[Tensor, " batch"]
LayerFeatures = Float[Tensor, "layers features"]
TokenScores = Float[np.ndarray, " tokens"]
LayerScores = Float[np.ndarray, "layers tokens"]
StepTrace = Float[np.ndarray, " steps"]


def at_least_float32(x: Tensor) -> Tensor:
    """Returns `x` in float32, or in its own type if that is more precise.

    Gates, KL and statistics are never computed with less than float32.
    """
    return x.to(torch.promote_types(x.dtype, torch.float32))
