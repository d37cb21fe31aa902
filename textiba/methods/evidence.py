"""Evidence: in which direction, and by how many nats, each token moved the prediction.

All gates of a layer open together from 0 to 1, without noise, and each gate's effect on log p(target) is integrated on
the way. With Z(λ) = λR + (1 − λ)R₀ that is

    evidence_t = ∫₀¹ ⟨∂ log p(target | Z(λ)) / ∂Z_t, R_t − R₀_t⟩ dλ,

which sums to log p(target | R) − log p(target | R₀): completeness, as of integrated gradients (Sundararajan, Taly, Yan,
ICML 2017), with the bottleneck's closed state R₀ as the baseline at a hidden layer.
"""

from typing import ClassVar, Literal

import numpy as np
import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor
from torch.nn import functional

from textiba.attribution import Attribution, EvidenceDetails
from textiba.encoder import Encoder, ForwardPass
from textiba.errors import SettingError
from textiba.methods.base import Method, Passes, require, results
from textiba.statistics import FeatureStatistics
from textiba.text import Batch
from textiba.types import State, Targets


class Evidence(Method):
    """Nats of evidence per token, signed: positive speaks for the target.

    Attributes:
        layer: index into hidden_states whose gates open.
        nodes: of the Gauss–Legendre quadrature; each costs one forward and one backward pass above `layer`.
        closed: what a closed gate shows: "mean", the features' mean μ_R, or "mask", the hidden state that the token
            has when every token of the text is [MASK].
        gate_special: whether [CLS] and [SEP] have gates too; their evidence is reported apart, never as scores.
    """

    name: ClassVar[str] = "evidence"
    unit: ClassVar[str] = "nats"
    signed: ClassVar[bool] = True

    layer: int = Field(default=2, ge=0)
    nodes: int = Field(default=5, ge=1, le=200)
    closed: Literal["mean", "mask"] = "mean"
    gate_special: bool = False

    @property
    def needs_statistics(self) -> bool:
        """See `Method.needs_statistics`."""
        return self.closed == "mean"

    def passes(self, layers: int, tokens: int) -> Passes:
        """A pass there and back above the layer for each node, one with closed gates, and the [MASK] review's below."""
        above = (layers - self.layer) / layers
        below = self.layer / layers if self.closed == "mask" else 0
        return Passes(1 + below + (self.nodes + 1) * above, self.nodes * above)

    def attribute(
        self,
        encoder: Encoder,
        forward: ForwardPass,
        targets: Targets,
        statistics: FeatureStatistics | None = None,
        seed: int = 0,
    ) -> list[Attribution]:
        """Integrates along the path for all reviews of the batch; nothing here is random. See `Method.attribute`."""
        encoder.check_layer(self.layer)
        state = forward.hidden[self.layer]
        batch = forward.batch
        gated = (batch.attention_mask if self.gate_special else batch.content).unsqueeze(-1)
        reference = torch.where(gated, self._reference(encoder, forward, statistics), state)
        path = state - reference
        evidence = torch.zeros_like(state[..., 0])
        for weight, gate in _quadrature(self.nodes):
            point = (reference + gate * path).requires_grad_(True)
            log_p = _log_p(encoder, batch, self.layer, point, targets)
            (gradient,) = torch.autograd.grad(log_p.sum(), point)
            evidence += weight * (gradient * path).sum(dim=-1)
        with torch.no_grad():
            closed = _log_p(encoder, batch, self.layer, reference, targets)
        opened = functional.log_softmax(forward.logits, dim=1).gather(1, targets[:, None])[:, 0]
        special = (evidence * batch.special).sum(dim=1)
        residual = opened - closed - evidence.sum(dim=1)
        columns = torch.stack([closed, opened, special, residual], dim=1).tolist()
        details = [EvidenceDetails(*row) for row in columns]
        return results(self, self.layer, encoder, forward, targets, evidence, details)

    def _reference(self, encoder: Encoder, forward: ForwardPass, statistics: FeatureStatistics | None) -> State:
        """What closed gates show [batch, tokens, features]."""
        state = forward.hidden[self.layer]
        if self.closed == "mean":
            mean, _ = require(statistics, encoder, self.name).at(self.layer, state)
            return mean.expand_as(state)
        mask_id = encoder.tokenizer.mask_token_id
        if mask_id is None:
            raise SettingError("closed='mask' needs a tokenizer with a mask token; use closed='mean'")
        batch = forward.batch
        ids = torch.where(batch.content, torch.full_like(batch.input_ids, mask_id), batch.input_ids)
        masked = Batch(batch.reviews, ids, batch.attention_mask, batch.content, batch.token_type_ids)
        return encoder.run_to(masked, self.layer)


def _log_p(encoder: Encoder, batch: Batch, layer: int, state: State, targets: Targets) -> Float[Tensor, " batch"]:
    """Log p(target) of each review with `state` at `layer`, nats."""
    return -functional.cross_entropy(encoder.run_from(batch, layer, state), targets, reduction="none")


def _quadrature(nodes: int) -> list[tuple[float, float]]:
    """(weight, place) of Gauss–Legendre on [0, 1]."""
    places, weights = np.polynomial.legendre.leggauss(nodes)
    return [(float(w) / 2, (float(x) + 1) / 2) for x, w in zip(places, weights, strict=True)]
