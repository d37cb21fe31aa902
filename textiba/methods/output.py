"""What a method watches of the model: an output of the target class, as a number a review."""

from typing import Literal

from jaxtyping import Float
from torch import Tensor

from textiba.types import Logits, Targets

Output = Literal["logit", "log_probability", "probability"]


def target_output(logits: Logits, targets: Targets, output: Output) -> Float[Tensor, " batch"]:
    """The output of each row's target: its logit, log-probability (nats) or probability."""
    if output == "log_probability":
        logits = logits.log_softmax(dim=1)
    elif output == "probability":
        logits = logits.softmax(dim=1)
    return logits.gather(1, targets[:, None])[:, 0]
