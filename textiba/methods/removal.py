"""What the methods share that take tokens away and watch the model's output: how tokens go, and what is watched."""

import abc
from collections.abc import Iterable, Sequence
from typing import ClassVar, Literal

import torch
from jaxtyping import Float
from torch import Tensor

from textiba.encoder import TOKEN_BUDGET, Encoder
from textiba.errors import SettingError
from textiba.methods.base import Method
from textiba.text import EncodedReview, buckets
from textiba.types import Logits, Targets

Output = Literal["log_probability", "probability", "logit"]


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

    def without(self, encoder: Encoder, review: EncodedReview, positions: Iterable[int]) -> EncodedReview:
        """The review without the tokens at `positions`.

        Raises:
            SettingError: "mask" is asked for, and the tokenizer has no mask token.
        """
        if self.removal == "delete":
            return review.drop(positions)
        mask_id = encoder.tokenizer.mask_token_id
        if mask_id is None:
            raise SettingError("removal='mask' needs a tokenizer with a mask token; use removal='delete'")
        return review.substitute(positions, mask_id)

    def values(
        self, encoder: Encoder, variants: Sequence[EncodedReview], targets: Sequence[int]
    ) -> Float[Tensor, " variants"]:
        """The watched output of every variant, run in batches of like length; float64, on the CPU."""
        out = torch.empty(len(variants), dtype=torch.float64)
        for group in buckets(range(len(variants)), [len(v) for v in variants], TOKEN_BUDGET):
            logits = encoder.logits(encoder.collate([variants[i] for i in group]))
            wanted = torch.tensor([targets[i] for i in group], device=logits.device)
            out[group] = watched(logits, wanted, self.output).double().cpu()
        return out


def watched(logits: Logits, targets: Targets, output: Output) -> Float[Tensor, " batch"]:
    """The output of each row's target that a method watches; see `Removal.output`."""
    if output == "log_probability":
        logits = logits.log_softmax(dim=1)
    elif output == "probability":
        logits = logits.softmax(dim=1)
    return logits.gather(1, targets[:, None])[:, 0]
