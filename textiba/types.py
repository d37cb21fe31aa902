"""Named tensor shapes: what the axes of every array in a signature are.

`batch` counts reviews, `tokens` their padded length, `features` the hidden size, `samples` noise draws,
`layers` the hidden states 0 … L (0 is the embedding output), `labels` the classes.
"""

import numpy as np
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
