"""Base class of the methods that remove tokens and compare the model's output."""

import abc
from collections.abc import Sequence
from typing import ClassVar, Literal

import torch
from jaxtyping import Float
from torch import Tensor

from textiba.methods.base import Method
from textiba.model.reading import TargetOutput
from textiba.model.view import Model
from textiba.texts.tokens import TokenizedText


class Perturbation(Method, abc.ABC):
    """A method that removes tokens and scores them by the change of the output.

    Attributes:
        output: the target's output that is compared; see `GradientMethod.output`.
        removal: "delete" (the text gets shorter) or "mask" (each removed token becomes [MASK]).
    """

    unit: ClassVar[str] = "score"
    signed: ClassVar[bool] = True

    output: TargetOutput = "auto"
    removal: Literal["delete", "mask"] = "mask"


def variant_outputs(
    model: Model, variants: Sequence[TokenizedText], targets: Sequence[int], output: TargetOutput
) -> Float[Tensor, " variants"]:
    """Returns the target's output for each variant of a text, as float64 on the CPU.

    Args:
        model: the model; variants of similar length share a batch.
        variants: texts without some of their tokens.
        targets: the outcome to read, for each variant.
        output: see `GradientMethod.output`.
    """
    out = torch.empty(len(variants), dtype=torch.float64)
    for group in model.buckets(range(len(variants)), [len(variant) for variant in variants]):
        logits = model.logits(model.collate([variants[i] for i in group]))
        wanted = torch.tensor([targets[i] for i in group], device=logits.device)
        out[group] = model.target_output(logits, wanted, output).double().cpu()
    return out
