"""Attention rollout."""

from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from textiba.attribution import Attribution
from textiba.bottleneck.statistics import FeatureStatistics
from textiba.methods.attention_weights import attention_weights, reader_scores
from textiba.methods.base import Method, Passes
from textiba.methods.results import results
from textiba.model.forward import ForwardPass
from textiba.model.view import Model
from textiba.types import Targets


class AttentionRollout(Method):
    """The product of the attention of all layers: each token's share in the state that the head reads.

    The scores do not depend on the target. They are one row of the product: the row of the token that the
    classification head reads. Where the head reads all tokens, the scores are the mean over all rows.

    Source: Abnar, Zuidema, *Quantifying Attention Flow in Transformers*, ACL 2020, section 3.
    """

    name: ClassVar[str] = "attention_rollout"
    unit: ClassVar[str] = "score"
    signed: ClassVar[bool] = False

    def _passes(self, layers: int, tokens: int) -> Passes:
        """The plain pass, and a pass through all layers with an implementation that returns attention weights."""
        return Passes(2.0, 0.0)

    def _attribute(
        self,
        model: Model,
        forward: ForwardPass,
        targets: Targets,
        statistics: FeatureStatistics | None,
        seed: int,
    ) -> list[Attribution]:
        """Multiplies the layers' attention weights; `seed` is not used. See `Method.attribute`."""
        scores = reader_scores(model, forward.batch, rollout(attention_weights(model, forward, 0)))
        return results(self, None, model, forward, targets, scores, [None] * len(scores))


def rollout(weights: Float[Tensor, "layers batch tokens tokens"]) -> Float[Tensor, "batch tokens tokens"]:
    """The product `Ã_L ⋯ Ã_1`; `Ã` is `½A + ½I` with each row scaled to sum 1 (Abnar, Zuidema, 2020, section 3)."""
    eye = torch.eye(weights.shape[-1], dtype=weights.dtype, device=weights.device)
    mixed = 0.5 * weights + 0.5 * eye
    mixed = mixed / mixed.sum(dim=-1, keepdim=True)
    product = mixed[0]
    for layer in mixed[1:]:
        product = layer @ product
    return product
