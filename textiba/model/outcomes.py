"""What a method watches of the model: an output of the target class, as a number a text."""

from collections.abc import Sequence
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from textiba.model.view import Model
from textiba.texts.batches import TOKEN_BUDGET, buckets
from textiba.texts.tokens import TokenizedText
from textiba.types import Logits, Targets

TargetOutput = Literal["logit", "log_probability", "probability"]


def target_output(logits: Logits, targets: Targets, output: TargetOutput) -> Float[Tensor, " batch"]:
    """The output of each row's target: its logit, log-probability (nats) or probability."""
    if output == "log_probability":
        logits = logits.log_softmax(dim=1)
    elif output == "probability":
        logits = logits.softmax(dim=1)
    return logits.gather(1, targets[:, None])[:, 0]


def variant_outputs(
    model: Model, variants: Sequence[TokenizedText], targets: Sequence[int], output: TargetOutput
) -> Float[Tensor, " variants"]:
    """The output of every variant's target, run in batches of like length; float64, on the CPU."""
    out = torch.empty(len(variants), dtype=torch.float64)
    for group in buckets(range(len(variants)), [len(v) for v in variants], TOKEN_BUDGET):
        logits = model.logits(model.collate([variants[i] for i in group]))
        wanted = torch.tensor([targets[i] for i in group], device=logits.device)
        out[group] = target_output(logits, wanted, output).double().cpu()
    return out
