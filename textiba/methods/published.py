"""Information bottlenecks as others published them, kept to compare with.

`Schulz2020` is the original's settings; `Jiang2020` is what the published code for BERT does, statistics of a single
sentence included. Facts and defaults are from BioroboticsLab/IBA (`IBA/pytorch.py`) and bazingagin/IBA.
"""

import math
from dataclasses import replace
from typing import ClassVar

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor
from torch.nn import functional

from textiba.attribution import Attribution
from textiba.encoder import Encoder
from textiba.forward import ForwardPass
from textiba.information import beta_for_sum, bits, kl_nats
from textiba.methods.base import Method, Passes, require, results
from textiba.methods.optimised import bits_details, standard_normal
from textiba.methods.per_sample import PerSample
from textiba.statistics import FeatureStatistics
from textiba.types import NoisyState, State, Targets

INITIAL_LOGIT = 5.0  # of the gates, in both: λ = 0.9933

# The published estimator is fed one sentence, so each sum of squares is 0; it is raised to 1e-5 and divided by n = 1.
SINGLE_SENTENCE_STD = math.sqrt(1e-5)
# Its noise variance is kept above exp(−10), which at λ = 0.9933 it just touches.
SMALLEST_NOISE = math.exp(-5)


class Schulz2020(Method):
    """Bits per token with the settings of Schulz et al., ICLR 2020, and statistics of the data set.

    A gate for each feature of every token, special ones included, as the paper's gates cover the whole feature map;
    Adam with learning rate 1 from λ = 0.9933; σ at least 0.01. The paper smooths an image's gates over space with a
    Gaussian; here they are not smoothed. Scores are of the gates after the last step, in the original before it.

    Attributes:
        layer: index into hidden_states where the bottleneck sits.
        beta: the price on the KL's *mean* over tokens and features; 10 / k on its sum.
        steps: of Adam.
        samples: noise draws a step.
    """

    name: ClassVar[str] = "schulz2020"
    unit: ClassVar[str] = "bits"
    signed: ClassVar[bool] = False

    layer: int = Field(default=4, ge=0)
    beta: float = Field(default=10.0, ge=0)
    steps: int = Field(default=10, ge=1)
    samples: int = Field(default=10, ge=1)

    @property
    def needs_statistics(self) -> bool:
        """See `Method.needs_statistics`."""
        return True

    @property
    def per_sample(self) -> PerSample:
        """The same settings, spelt out."""
        return PerSample(
            layer=self.layer,
            beta=self.beta,
            beta_on="mean",
            gates="feature",
            gate_special=True,
            steps=self.steps,
            learning_rate=1.0,
            samples=self.samples,
            antithetic=False,
            initial_gate=1 / (1 + math.exp(-INITIAL_LOGIT)),
            min_std=0.01,
        )

    def passes(self, layers: int, tokens: int) -> Passes:
        """As of `PerSample`: the layers below the bottleneck are not run anew at each step."""
        return self.per_sample.passes(layers, tokens)

    def attribute(
        self,
        encoder: Encoder,
        forward: ForwardPass,
        targets: Targets,
        statistics: FeatureStatistics | None = None,
        seed: int = 0,
    ) -> list[Attribution]:
        """Optimises the gates of all reviews of the batch at once; see `Method.attribute`."""
        require(statistics, encoder, self.name)
        found = self.per_sample.attribute(encoder, forward, targets, statistics, seed)
        return [replace(a, method=self.name, settings=self.model_dump()) for a in found]


class Jiang2020(Method):
    """Bits per token as the published code of Jiang et al., Findings of EMNLP 2020, computes them.

    Its statistics are of the one sentence that is explained: the mean of each token's feature is its own value, taken
    from the *input* of the layer whose *output* has the bottleneck, and σ is 0.00316 everywhere. So there is next to no
    noise, and the KL measures how far the layer moves the token. Every token has gates, special ones too. Scores are
    of the last step's pass, before its update. The published code then scales them to 0 … 1; here they stay raw.

    Attributes:
        layer: index into hidden_states where the bottleneck sits; the published `layer_idx` + 1. Theirs is 9 of 12.
        beta: the price on the KL's *mean* over tokens and features.
        steps: of Adam.
        learning_rate: of Adam, on the gates' logits.
        samples: noise draws a step.
        tolerance: a review has converged when its loss moved less than this share over the last step.
    """

    name: ClassVar[str] = "jiang2020"
    unit: ClassVar[str] = "bits"
    signed: ClassVar[bool] = False

    layer: int = Field(default=4, ge=1)
    beta: float = Field(default=1e-5, ge=0)
    steps: int = Field(default=10, ge=2)
    learning_rate: float = Field(default=1.0, gt=0)
    samples: int = Field(default=10, ge=1)
    tolerance: float = Field(default=0.05, gt=0)

    def passes(self, layers: int, tokens: int) -> Passes:
        """A pass there and back above the layer for each step and noise draw.

        The published code runs the whole model each time, and collects weight gradients, so its own cost is higher.
        """
        above = self.steps * self.samples * (layers - self.layer) / layers
        return Passes(1 + above, above)

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
        batch = forward.batch
        many = batch.repeat(self.samples)
        state, mean = forward.hidden[self.layer], forward.hidden[self.layer - 1]
        gate_logits = torch.full_like(mean, INITIAL_LOGIT).requires_grad_(True)
        adam = torch.optim.Adam([gate_logits], lr=self.learning_rate)
        elements = (batch.attention_mask.sum(dim=1) * mean.shape[2]).tolist()
        beta = mean.new_tensor([beta_for_sum(self.beta, k) for k in elements])
        noise = standard_normal(batch.reviews, mean, self.samples, False, seed)
        entropies, informations = [], []
        nats = gates = mean.new_zeros(mean.shape[:2])
        for _ in range(self.steps):
            nats = _nats(state, mean, gate_logits) * batch.attention_mask
            gates = torch.sigmoid(gate_logits).mean(dim=2)
            logits = encoder.run_from(many, self.layer, _noised(state, mean, gate_logits, next(noise)).flatten(0, 1))
            losses = functional.cross_entropy(logits, targets.repeat(self.samples), reduction="none")
            losses = losses.unflatten(0, (self.samples, -1))
            loss = (losses.mean(dim=0) + beta * nats.sum(dim=1)).sum()
            (gate_logits.grad,) = torch.autograd.grad(loss, gate_logits)
            adam.step()
            entropies.append(losses.detach())
            informations.append(nats.detach().sum(dim=1))
        scores = bits(nats.detach())
        traces = torch.stack(entropies), torch.stack(informations)
        details = bits_details(forward, scores, gates.detach(), *traces, beta, self.tolerance)
        return results(self, self.layer, encoder, forward, targets, scores, details)


def _nats(state: State, mean: State, gate_logits: State) -> Float[Tensor, "batch tokens"]:
    """The "KL" of each token, nats: with the mean and the σ of the sentence itself."""
    return kl_nats((state - mean) / SINGLE_SENTENCE_STD, gate_logits).sum(dim=2)


def _noised(state: State, mean: State, gate_logits: State, noise: NoisyState) -> NoisyState:
    """`Z = μ + λ(R − μ) + max(1 − λ, e⁻⁵) σ ε`."""
    gate = torch.sigmoid(gate_logits)
    spread = (1 - gate).clamp_min(SMALLEST_NOISE) * SINGLE_SENTENCE_STD
    return mean + gate * (state - mean) + spread * noise
