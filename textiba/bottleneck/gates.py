"""The bottleneck: a module that holds gates, and returns the noised state with the information it lets through."""

import copy

import torch
from jaxtyping import Float
from torch import Tensor, nn

from textiba.information import kl_nats, kl_nats_of_shared, mix, normalize
from textiba.types import Mask, NoisyState


class Bottleneck(nn.Module):
    """Mixes noise into the gated tokens of a batch: `Z = λR + (1 − λ)ε`, ε ~ N(μ_R, σ_R²).

    Tokens outside `gated` pass unchanged and cost nothing.

    Args:
        mean: μ_R of the layer [features].
        std: σ_R of the layer [features], positive.
        gated: the tokens that have a gate [batch, tokens].
        initial_logit: where the gates start, one number, or one for each token or each gate; λ = sigmoid(logit).
        per_feature: a gate for every feature of every token, rather than one for every token.

    Attributes:
        gate_logits: the only parameter [batch, tokens, 1 or features].
    """

    def __init__(
        self,
        mean: Float[Tensor, " features"],
        std: Float[Tensor, " features"],
        gated: Mask,
        initial_logit: float | Float[Tensor, "batch tokens #features"] = 5.0,
        per_feature: bool = False,
    ):
        super().__init__()
        self.mean = mean
        self.std = std
        self.gated = gated.unsqueeze(-1)
        gates = len(mean) if per_feature else 1
        start = torch.as_tensor(initial_logit, dtype=mean.dtype, device=mean.device)
        self.gate_logits = nn.Parameter(start.expand(*gated.shape, gates).clone())
        self._known: tuple[Tensor, Tensor] | None = None

    def at(self, mean: Float[Tensor, " features"], std: Float[Tensor, " features"]) -> "Bottleneck":
        """The same gates, shared, at another layer with such statistics."""
        other = copy.copy(self)  # shallow: the parameter is one and the same
        other.mean, other.std, other._known = mean, std, None
        return other

    def forward(
        self, state: Float[Tensor, "*draws batch tokens features"], noise: NoisyState
    ) -> tuple[NoisyState, Float[Tensor, "*draws batch tokens"]]:
        """The noised states, and the information of each token.

        Args:
            state: R; or an R for each sample, where noise has come in before.
            noise: standard normal draws; they are scaled to N(μ, σ²) here.

        Returns:
            Z, and KL in nats, 0 outside `gated`.
        """
        # Outside `gated` λ is 1, and the mix is exact there.
        return mix(state, self.gates(), torch.addcmul(self.mean, self.std, noise)), self.information(state)

    def information(self, state: Float[Tensor, "*draws batch tokens features"]) -> Float[Tensor, "*draws batch tokens"]:
        """The KL of each token, nats, summed over features; 0 outside `gated`."""
        if self.gate_logits.shape[-1] == 1:
            kl = kl_nats_of_shared(self._energy(state), self.gate_logits.squeeze(-1), len(self.mean))
        else:
            kl = kl_nats(normalize(state, self.mean, self.std), self.gate_logits).sum(dim=-1)
        return torch.where(self.gated.squeeze(-1), kl, kl.new_zeros(()))

    def _energy(self, state: Float[Tensor, "*draws batch tokens features"]) -> Float[Tensor, "*draws batch tokens"]:
        """Σ R̃² over the features; the same state, step after step, is not looked at again."""
        if self._known is None or self._known[0] is not state:
            self._known = (state, normalize(state, self.mean, self.std).square().sum(dim=-1))
        return self._known[1]

    def gates(self) -> Float[Tensor, "batch tokens gates"]:
        """λ, with 1 outside `gated`."""
        return torch.where(self.gated, torch.sigmoid(self.gate_logits), self.mean.new_ones(()))
