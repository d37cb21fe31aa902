"""Evidence: in which direction, and by how many nats, each token moved the prediction.

All gates of a layer open together from 0 to 1, without noise. Evidence integrates each gate's effect on log p(target)
along this path. With Z(λ) = λR + (1 − λ)R₀, the evidence of token t is

    evidence_t = ∫₀¹ ⟨∂ log p(target | Z(λ)) / ∂Z_t, R_t − R₀_t⟩ dλ.

The evidence of all tokens sums to log p(target | R) − log p(target | R₀). This is the completeness of integrated
gradients (Sundararajan, Taly, Yan, ICML 2017), with the bottleneck's closed state R₀ as the baseline at a hidden layer.
"""

from typing import ClassVar, Literal

import numpy as np
import torch
from pydantic import Field

from textiba.attribution import Attribution, EvidenceDetails
from textiba.bottleneck.statistics import FeatureStatistics
from textiba.methods.base import LayerMethod, Passes, require
from textiba.methods.lrp_rules import SHARES, with_rules
from textiba.methods.references import blank_state
from textiba.methods.results import results
from textiba.model.forward import ForwardPass
from textiba.model.reading import TargetOutput
from textiba.model.view import Model
from textiba.texts.batches import Batch
from textiba.types import Logits, Mask, State, Targets


class Evidence(LayerMethod):
    """Nats of evidence per token, signed: positive speaks for the target.

    Attributes:
        layer: index into hidden_states of the layer whose gates open; None takes a third of the depth (2 of 6, 4 of
            12).
        nodes: number of nodes of the Gauss–Legendre quadrature; each node costs one forward and one backward pass
            above `layer`.
        closed: the closed state R₀. "mean" is the features' mean μ_R; "mask" is the hidden state that the token has
            when every content token of the text is [MASK].
        gate_special: whether [CLS] and [SEP] have gates too; their evidence is reported separately, never as scores.
        gradient: "plain"; or "lrp" for the modified gradient of `LRP`, which is less noisy. Evidence with "lrp" does
            not sum to the difference of the two log-probabilities; the residual holds the rest.
        output: the target's output that is explained; see `GradientMethod.output`. The scores are in nats with
            "log_probability" and "log_odds".
    """

    name: ClassVar[str] = "evidence"
    unit: ClassVar[str] = "nats"
    signed: ClassVar[bool] = True
    depth: ClassVar[float] = 1 / 3

    nodes: int = Field(default=5, ge=1, le=200)
    closed: Literal["mean", "mask"] = "mean"
    gate_special: bool = False
    gradient: Literal["plain", "lrp"] = "plain"
    output: TargetOutput = "auto"

    @property
    def needs_statistics(self) -> bool:
        """See `Method.needs_statistics`."""
        return self.closed == "mean"

    def _passes(self, layers: int, tokens: int) -> Passes:
        """One forward and one backward pass above the layer for each node; with "mask", one more forward pass.

        With "mask", the all-[MASK] text runs through the layers below `layer`, and the run with closed gates goes
        through the layers above; together, these two runs are one pass. With "mean", the run with closed gates is not
        counted, because it is short: if the model allows this, all gated tokens are merged into one.
        """
        above = (layers - self.place) / layers
        closed = 1 if self.closed == "mask" else 0
        return Passes(1 + closed + self.nodes * above, self.nodes * above)

    def _attribute(
        self,
        model: Model,
        forward: ForwardPass,
        targets: Targets,
        statistics: FeatureStatistics | None,
        seed: int,
    ) -> list[Attribution]:
        """Integrates along the path for all texts of the batch; `seed` is not used. See `Method.attribute`."""
        state = forward.hidden_states[self.place]
        batch = forward.batch
        gated = batch.attention_mask if self.gate_special else batch.content
        reference = torch.where(gated.unsqueeze(-1), self.reference(model, forward, statistics), state)
        path = state - reference
        evidence = torch.zeros_like(state[..., 0])
        ruled = with_rules(model, SHARES["uniform"]) if self.gradient == "lrp" else model
        for weight, gate in quadrature(self.nodes):
            point = (reference + gate * path).requires_grad_(True)
            log_p = model.target_output(ruled.run_from(batch, self.place, point), targets, self.output)
            (gradient,) = torch.autograd.grad(log_p.sum(), point)
            evidence += weight * (gradient * path).sum(dim=-1)
        with torch.no_grad():
            closed = model.target_output(self._closed(model, batch, reference, gated), targets, self.output)
        opened = model.target_output(forward.logits, targets, self.output)
        special = (evidence * batch.special).sum(dim=1)
        residual = opened - closed - evidence.sum(dim=1)
        columns = torch.stack([closed, opened, special, residual], dim=1).tolist()
        details = [EvidenceDetails(*row) for row in columns]
        return results(self, self.place, model, forward, targets, batch.by_token(evidence), details)

    def _closed(self, model: Model, batch: Batch, reference: State, gated: Mask) -> Logits:
        """The logits with closed gates. If all gated tokens have the same closed state, they are merged into one."""
        if self.closed == "mask" or not model.can_merge or batch.unrolled is not None:
            return model.run_from(batch, self.place, reference)
        merged, places = batch.merge(gated)
        return model.run_from(
            merged, self.place, reference.gather(1, places[..., None].expand(-1, -1, reference.shape[2]))
        )

    def reference(self, model: Model, forward: ForwardPass, statistics: FeatureStatistics | None) -> State:
        """Returns the closed state R₀ [batch, tokens, features], which may be an expanded view.

        Raises:
            SettingError: `closed` is "mean" and there are no statistics, or "mask" and the tokenizer has no mask token.
            StatisticsMismatchError: the statistics belong to another model.
        """
        state = forward.hidden_states[self.place]
        if self.closed == "mean":
            mean, _ = require(statistics, model, self.name).at(self.place, state)
            return mean.expand_as(state)
        mask_id = model.special_id("mask", "closed='mask'", "closed='mean'")
        return blank_state(model, forward.batch, self.place, mask_id)


def quadrature(nodes: int) -> list[tuple[float, float]]:
    """Returns (weight, position) of each node of the Gauss–Legendre quadrature on [0, 1]."""
    places, weights = np.polynomial.legendre.leggauss(nodes)
    return [(float(w) / 2, (float(x) + 1) / 2) for x, w in zip(places, weights, strict=True)]
