"""The bottleneck: a module that holds gates, and returns the noised state with the information it lets through."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from textiba.information import kl_nats, mix, normalize
from textiba.types import Mask, NoisyState, State


class Bottleneck(nn.Module):
    """Mixes noise into the gated tokens of a batch: `Z = λR + (1 − λ)ε`, ε ~ N(μ_R, σ_R²).

    Tokens outside `gated` pass unchanged and cost nothing.

    Args:
        mean: μ_R of the layer [features].
        std: σ_R of the layer [features], positive.
        gated: the tokens that have a gate [batch, tokens].
        initial_logit: where the gates start; λ = sigmoid(logit).
        per_feature: a gate for every feature of every token, rather than one for every token.

    Attributes:
        gate_logits: the only parameter [batch, tokens, 1 or features].
    """

    def __init__(
        self,
        mean: Float[Tensor, " features"],
        std: Float[Tensor, " features"],
        gated: Mask,
        initial_logit: float = 5.0,
        per_feature: bool = False,
    ):
        super().__init__()
        self.mean = mean
        self.std = std
        self.gated = gated.unsqueeze(-1)
        gates = len(mean) if per_feature else 1
        self.gate_logits = nn.Parameter(mean.new_full((*gated.shape, gates), initial_logit))

    def forward(
        self, state: State, noise: Float[Tensor, "samples batch tokens features"]
    ) -> tuple[NoisyState, Float[Tensor, "batch tokens"]]:
        """The noised states, and the information of each token.

        Args:
            state: R.
            noise: standard normal draws; they are scaled to N(μ, σ²) here.

        Returns:
            Z [samples, batch, tokens, features] and KL in nats [batch, tokens], 0 outside `gated`.
        """
        noisy = mix(state, torch.sigmoid(self.gate_logits), self.mean + self.std * noise)
        return torch.where(self.gated, noisy, state), self.information(state)

    def information(self, state: State) -> Float[Tensor, "batch tokens"]:
        """The KL of each token, nats, summed over features; 0 outside `gated`."""
        kl = kl_nats(normalize(state, self.mean, self.std), self.gate_logits).sum(dim=-1)
        return torch.where(self.gated.squeeze(-1), kl, kl.new_zeros(()))

    def gates(self) -> Float[Tensor, "batch tokens gates"]:
        """λ, with 1 outside `gated`."""
        return torch.where(self.gated, torch.sigmoid(self.gate_logits), self.mean.new_ones(()))
