"""What the methods share that take tokens away and watch the model's output: how tokens go, and how variants run."""

import abc
from collections.abc import Sequence
from typing import ClassVar, Literal

import torch
from jaxtyping import Float
from torch import Tensor

from textiba.encoder import TOKEN_BUDGET, Encoder
from textiba.methods.base import Method
from textiba.methods.output import Output, target_output
from textiba.text import EncodedReview, buckets


class Removal(Method, abc.ABC):
    """A method that scores tokens by what the output does without them.

    Attributes:
        output: of the target, that is watched: "log_probability" (nats), "probability" or "logit".
        removal: "delete" (the text gets shorter) or "mask" ([MASK] takes the place).
    """

    unit: ClassVar[str] = "score"
    signed: ClassVar[bool] = True

    output: Output = "log_probability"
    removal: Literal["delete", "mask"] = "mask"


def variant_outputs(
    encoder: Encoder, variants: Sequence[EncodedReview], targets: Sequence[int], output: Output
) -> Float[Tensor, " variants"]:
    """The output of every variant's target, run in batches of like length; float64, on the CPU."""
    out = torch.empty(len(variants), dtype=torch.float64)
    for group in buckets(range(len(variants)), [len(v) for v in variants], TOKEN_BUDGET):
        logits = encoder.logits(encoder.collate([variants[i] for i in group]))
        wanted = torch.tensor([targets[i] for i in group], device=logits.device)
        out[group] = target_output(logits, wanted, output).double().cpu()
    return out
