"""The bottleneck as the published BERT code computes it, with feature statistics of a single sentence.

Facts and defaults are from bazingagin/IBA.
"""

import math
from typing import ClassVar

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor

from textiba.attribution import Attribution
from textiba.bottleneck.statistics import FeatureStatistics
from textiba.information import beta_for_sum, bits, kl_nats
from textiba.methods.base import LayerMethod, Passes
from textiba.methods.optimised import Optimum, bits_details, cross_entropies, standard_normal
from textiba.methods.results import results
from textiba.model.forward import ForwardPass
from textiba.model.view import Model
from textiba.types import NoisyState, State, Targets

INITIAL_LOGIT = 5.0  # logit of every gate before the first step: λ = 0.9933


# The published estimator sees one sentence, so each sum of squares is 0, is clamped to 1e-5 and divided by n = 1.
SINGLE_SENTENCE_STD = math.sqrt(1e-5)


# The published code raises a noise variance (1 − λ)² below exp(−10) to this bound; at λ = 0.9933 both are 4.5e-5.
SMALLEST_NOISE = math.exp(-5)


class Jiang2020(LayerMethod):
    """Bits per token as the published code of Jiang et al., Findings of EMNLP 2020, computes them.

    The published code estimates feature statistics for each token position, on the single sentence that is explained.
    So the mean of each feature is the feature's own value, and σ is the lower bound 0.00316 everywhere. The value is
    taken from the *input* of the layer whose *output* has the bottleneck. With so small a σ the noise is almost 0, and
    the KL measures how far the layer moves the token. Every token has gates, special tokens included. Scores come from
    the last step's pass, before the last update. The published code scales the scores to 0 … 1; here they stay raw.

    Attributes:
        layer: index into hidden_states of the bottleneck: the published code's `layer_idx` + 1 (layer 9 of 12 there).
            None takes two thirds of the depth (layer 4 of 6, 8 of 12).
        beta: weight of the KL's *mean* over tokens and features.
        steps: number of Adam steps.
        learning_rate: Adam's learning rate, on the gates' logits.
        samples: noise draws per step.
        tolerance: a text has converged when the last step changed its loss by no more than this share of the loss.
    """

    name: ClassVar[str] = "jiang2020"
    unit: ClassVar[str] = "bits"
    signed: ClassVar[bool] = False
    depth: ClassVar[float] = 2 / 3

    layer: int | None = Field(default=None, ge=1)
    beta: float = Field(default=1e-5, ge=0)
    steps: int = Field(default=10, ge=2)
    learning_rate: float = Field(default=1.0, gt=0)
    samples: int = Field(default=10, ge=1)
    tolerance: float = Field(default=0.05, gt=0)

    def _passes(self, layers: int, tokens: int) -> Passes:
        """One forward and one backward pass above the layer for each step and noise draw.

        The published code runs the whole model each time and computes weight gradients, so its cost is higher.
        """
        above = self.steps * self.samples * (layers - self.place) / layers
        return Passes(1 + above, above)

    def _attribute(
        self,
        model: Model,
        forward: ForwardPass,
        targets: Targets,
        statistics: FeatureStatistics | None,
        seed: int,
    ) -> list[Attribution]:
        """Optimises the gates of all texts of the batch at once; see `Method.attribute`."""
        batch = forward.batch
        many = batch.repeat(self.samples)
        state, mean = forward.hidden_states[self.place], forward.hidden_states[self.place - 1]
        gate_logits = mean.new_full((*batch.scored.shape, mean.shape[2]), INITIAL_LOGIT).requires_grad_(True)
        adam = torch.optim.Adam([gate_logits], lr=self.learning_rate)
        elements = (batch.shared(batch.attention_mask.to(mean)).sum(dim=1) * mean.shape[2]).tolist()
        beta = mean.new_tensor([beta_for_sum(self.beta, round(k)) for k in elements])
        noise = standard_normal(batch, mean, self.samples, False, seed)
        entropies, informations = [], []
        nats = gates = mean.new_zeros(mean.shape[:2])
        for _ in range(self.steps):
            each = batch.at_places(gate_logits)
            nats = batch.shared(_nats(state, mean, each) * batch.attention_mask)
            gates = torch.sigmoid(each).mean(dim=2)
            logits = model.run_from(many, self.place, _noised(state, mean, each, next(noise)).flatten(0, 1))
            losses = cross_entropies(model, logits, targets, self.samples)
            loss = (losses.mean(dim=0) + beta * nats.sum(dim=1)).sum()
            (gate_logits.grad,) = torch.autograd.grad(loss, gate_logits)
            adam.step()
            entropies.append(losses.detach())
            informations.append(nats.detach().sum(dim=1))
        scores = bits(nats.detach())
        last = Optimum(nats.detach().unsqueeze(0), torch.stack(entropies), torch.stack(informations))
        details = bits_details(forward, scores, gates.detach(), last, beta, self.tolerance)
        return results(self, self.place, model, forward, targets, batch.by_token(scores), details)


def _nats(state: State, mean: State, gate_logits: State) -> Float[Tensor, "batch tokens"]:
    """The KL of each token in nats, computed with the mean and the σ of the single sentence."""
    return kl_nats((state - mean) / SINGLE_SENTENCE_STD, gate_logits).sum(dim=2)


def _noised(state: State, mean: State, gate_logits: State, noise: NoisyState) -> NoisyState:
    """The noised state `Z = μ + λ(R − μ) + max(1 − λ, e⁻⁵) σ ε`."""
    gate = torch.sigmoid(gate_logits)
    spread = (1 - gate).clamp_min(SMALLEST_NOISE) * SINGLE_SENTENCE_STD
    return mean + gate * (state - mean) + spread * noise
