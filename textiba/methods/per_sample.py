"""The per-sample bottleneck: for each review, the gates that keep its prediction with the fewest bits.

Source: Schulz et al., *Restricting the Flow*, ICLR 2020, section 3.1, on a transformer's hidden states.
"""

import math
from typing import ClassVar, Literal

import torch
from jaxtyping import Float
from pydantic import Field, model_validator
from torch import Tensor
from torch.nn import functional

from textiba.attribution import Attribution
from textiba.bottleneck import Bottleneck
from textiba.encoder import Encoder, ForwardPass
from textiba.information import beta_for_sum, bits
from textiba.methods.base import Method, Passes, require, results
from textiba.methods.optimised import bits_details, standard_normal
from textiba.statistics import FeatureStatistics
from textiba.types import Mask, NoisyState, State, Targets


class PerSample(Method):
    """Bits per token: minimise `CE(target, f(Z)) + β · KL` over the gates of each review.

    Attributes:
        layer: index into hidden_states where the bottleneck sits.
        beta: the price of a nat of information; see `beta_on`.
        beta_on: "sum": β multiplies the KL summed over tokens and features; "mean": its mean over them, as in the
            paper (β_mean = β_sum · k, with k the number of gated elements).
        gates: "token" for one gate a token, "feature" for one for every feature of every token.
        gate_special: whether [CLS] and [SEP] have gates too; their bits are reported apart, never as scores.
        steps: of Adam.
        learning_rate: of Adam, on the gates' logits.
        samples: noise draws a step.
        antithetic: draw noise in pairs ε, −ε, so that it averages to zero; needs an even `samples`.
        initial_gate: λ before the first step.
        min_std: floor of σ, for features that hardly vary.
        tolerance: a review has converged when its loss moved less than this share over the last step.
    """

    name: ClassVar[str] = "per_sample"
    unit: ClassVar[str] = "bits"
    signed: ClassVar[bool] = False

    layer: int = Field(default=2, ge=0)
    beta: float = Field(default=1e-4, ge=0)
    beta_on: Literal["sum", "mean"] = "sum"
    gates: Literal["token", "feature"] = "token"
    gate_special: bool = False
    steps: int = Field(default=10, ge=1)
    learning_rate: float = Field(default=1.0, gt=0)
    samples: int = Field(default=2, ge=1)
    antithetic: bool = True
    initial_gate: float = Field(default=0.993, gt=0, lt=1)
    min_std: float = Field(default=0.01, gt=0)
    tolerance: float = Field(default=0.05, gt=0)

    @model_validator(mode="after")
    def _pairs(self) -> "PerSample":
        if self.antithetic and self.samples % 2:
            raise ValueError("antithetic noise comes in pairs, so samples must be even, or antithetic false")
        return self

    @property
    def needs_statistics(self) -> bool:
        """See `Method.needs_statistics`."""
        return True

    def passes(self, layers: int, tokens: int) -> Passes:
        """A pass there and back above the layer for each step and noise draw, and a last one forward."""
        above = self.samples * (layers - self.layer) / layers
        return Passes(1 + (self.steps + 1) * above, self.steps * above)

    def attribute(
        self,
        encoder: Encoder,
        forward: ForwardPass,
        targets: Targets,
        statistics: FeatureStatistics | None = None,
        seed: int = 0,
    ) -> list[Attribution]:
        """Optimises the gates of all reviews of the batch at once; see `Method.attribute`."""
        encoder.check_layer(self.layer)
        state = forward.hidden[self.layer]
        mean, std = require(statistics, encoder, self.name).at(self.layer, state)
        gated = forward.batch.attention_mask if self.gate_special else forward.batch.content
        bottleneck = Bottleneck(
            mean, std.clamp_min(self.min_std), gated, math.log(self.initial_gate / (1 - self.initial_gate)),
            self.gates == "feature",
        )  # fmt: skip
        # Adam works element by element, so each review has its own state within the one tensor.
        adam = torch.optim.Adam(bottleneck.parameters(), lr=self.learning_rate)
        beta = self._beta(gated, state)
        noise = standard_normal(forward.batch.reviews, state, self.samples, self.antithetic, seed)
        entropies, informations = [], []
        for step in range(self.steps + 1):
            last = step == self.steps
            with torch.set_grad_enabled(not last):
                noisy, nats = bottleneck(state, next(noise))
                losses = self._cross_entropy(encoder, forward, noisy, targets)
            entropies.append(losses.detach())
            informations.append(nats.detach().sum(dim=1))
            if not last:
                # Reviews do not share gates, so the gradient of the sum is each review's own.
                loss = (losses.mean(dim=0) + beta * nats.sum(dim=1)).sum()
                (bottleneck.gate_logits.grad,) = torch.autograd.grad(loss, bottleneck.gate_logits)
                adam.step()
        with torch.no_grad():
            scores = bits(bottleneck.information(state))
            gates = bottleneck.gates().mean(dim=-1)
        traces = torch.stack(entropies), torch.stack(informations)
        details = bits_details(forward, scores, gates, *traces, beta, self.tolerance)
        return results(self, self.layer, encoder, forward, targets, scores, details)

    def _beta(self, gated: Mask, state: State) -> Float[Tensor, " batch"]:
        """β on the sum, for each review: only "mean" depends on its length."""
        if self.beta_on == "sum":
            return state.new_full((len(state),), self.beta)
        return state.new_tensor([beta_for_sum(self.beta, int(n) * state.shape[2]) for n in gated.sum(dim=1)])

    def _cross_entropy(
        self, encoder: Encoder, forward: ForwardPass, noisy: NoisyState, targets: Targets
    ) -> Float[Tensor, "samples batch"]:
        """CE of the target for each noise draw, nats."""
        draws = len(noisy)
        logits = encoder.run_from(forward.batch.repeat(draws), self.layer, noisy.flatten(0, 1))
        return functional.cross_entropy(logits, targets.repeat(draws), reduction="none").unflatten(0, (draws, -1))
