"""Attention weights as scores: what the first token, whose last state is classified, attends to."""

from typing import Any, ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from textiba.attribution import Attribution
from textiba.encoder import Encoder
from textiba.errors import UnsupportedModelError
from textiba.forward import ForwardPass
from textiba.methods.base import Method, Passes, results
from textiba.statistics import FeatureStatistics
from textiba.types import Targets

ATTENTION = "SelfAttention"  # how the names of Hugging Face's attention classes end


class Attention(Method):
    """The last layer's attention from the first token ([CLS]) to each token, mean over heads. Knows of no target."""

    name: ClassVar[str] = "attention"
    unit: ClassVar[str] = "score"
    signed: ClassVar[bool] = False

    def passes(self, layers: int, tokens: int) -> Passes:
        """The last layer once more, in the form that gives its weights."""
        return Passes(1 + 1 / layers, 0.0)

    def attribute(
        self,
        encoder: Encoder,
        forward: ForwardPass,
        targets: Targets,
        statistics: FeatureStatistics | None = None,
        seed: int = 0,
    ) -> list[Attribution]:
        """Reads the weights; nothing here is random. See `Method.attribute`."""
        [weights] = attention_weights(encoder, forward, encoder.n_layers - 1)
        details = [None] * len(forward.batch.reviews)
        return results(self, None, encoder, forward, targets, weights[:, 0], details)


class AttentionRollout(Method):
    """The share of each token in the first one's last state, were attention all that mixes them. Knows of no target.

    Source: Abnar, Zuidema, *Quantifying Attention Flow in Transformers*, ACL 2020, section 3.
    """

    name: ClassVar[str] = "attention_rollout"
    unit: ClassVar[str] = "score"
    signed: ClassVar[bool] = False

    def passes(self, layers: int, tokens: int) -> Passes:
        """All layers once more, in the form that gives their weights."""
        return Passes(2.0, 0.0)

    def attribute(
        self,
        encoder: Encoder,
        forward: ForwardPass,
        targets: Targets,
        statistics: FeatureStatistics | None = None,
        seed: int = 0,
    ) -> list[Attribution]:
        """Multiplies the layers' weights; nothing here is random. See `Method.attribute`."""
        scores = rollout(attention_weights(encoder, forward, 0))[:, 0]
        return results(self, None, encoder, forward, targets, scores, [None] * len(forward.batch.reviews))


def rollout(weights: Float[Tensor, "layers batch tokens tokens"]) -> Float[Tensor, "batch tokens tokens"]:
    """`Ã_L ⋯ Ã_1` with `Ã = ½A + ½I`, each row scaled to sum 1 (Abnar, Zuidema, 2020, section 3)."""
    eye = torch.eye(weights.shape[-1], dtype=weights.dtype, device=weights.device)
    mixed = 0.5 * weights + 0.5 * eye
    mixed = mixed / mixed.sum(dim=-1, keepdim=True)
    product = mixed[0]
    for layer in mixed[1:]:
        product = layer @ product
    return product


@torch.no_grad()
def attention_weights(
    encoder: Encoder, forward: ForwardPass, first: int
) -> Float[Tensor, "layers batch tokens tokens"]:
    """What each token (third axis) gives to each (last axis), mean over heads, in layers `first` … L − 1.

    Fused attention never forms these weights, so a copy of the view, which shares its tensors, runs the plain form.

    Raises:
        UnsupportedModelError: not every layer gave its weights.
    """
    plain = encoder.copy()
    plain.model.set_attn_implementation("eager")
    seen: list[Tensor] = []

    def record(_module: Any, _args: Any, output: Any) -> None:
        if isinstance(output, tuple) and len(output) > 1 and output[1] is not None:
            seen.append(output[1].mean(dim=1))

    for module in plain.model.modules():
        if type(module).__name__.endswith(ATTENTION):
            module.register_forward_hook(record)
    # A change after the last layer, though it changes nothing, is given that layer whole, not its first token alone.
    plain.run_from(forward.batch, first, forward.hidden[first], {encoder.n_layers: lambda state: state})
    if len(seen) != (run := encoder.n_layers - first):
        raise UnsupportedModelError(
            f"attention weights are read from modules whose class is named …{ATTENTION}, which return them second; of "
            f"the {run} layers of {encoder.name} that were run, {len(seen)} gave theirs. Use a model with Hugging "
            "Face's own attention, or another method"
        )
    return torch.stack(seen)
