"""The bottleneck: a module with gates that returns the noised state and the information in it."""

import copy

import torch
from jaxtyping import Float
from torch import Tensor, nn

from textiba.information import kl_nats, kl_nats_of_shared, mix, normalize
from textiba.texts.batches import Batch
from textiba.types import Mask, NoisyState


class Bottleneck(nn.Module):
    """Mixes noise into the gated tokens of a batch: `Z = λR + (1 − λ)ε`, ε ~ N(μ_R, σ_R²).

    Tokens outside `gated` pass unchanged, and their KL counts as 0.

    Args:
        mean: μ_R of the layer [features].
        std: σ_R of the layer [features], positive.
        gated: True for the tokens that have a gate [batch, tokens].
        initial_logit: initial logits of the gates, as one number, or as one number for each token or each gate; λ =
            sigmoid(logit).
        per_feature: whether each feature of a token has its own gate; otherwise each token has one gate.
        batch: the texts, if they may be in windows. A token has the same gates in all its windows, and the KL in a
            window counts as its share of the mean over these windows; see `Batch.shared`.

    Attributes:
        gate_logits: the only parameter [batch, tokens of the longest text, 1 or features].
    """

    def __init__(
        self,
        mean: Float[Tensor, " features"],
        std: Float[Tensor, " features"],
        gated: Mask,
        initial_logit: float | Float[Tensor, "batch whole #features"] = 5.0,
        per_feature: bool = False,
        batch: Batch | None = None,
    ):
        super().__init__()
        self.mean = mean
        self.std = std
        self.gated = gated.unsqueeze(-1)
        gates = len(mean) if per_feature else 1
        start = torch.as_tensor(initial_logit, dtype=mean.dtype, device=mean.device)
        self._batch = batch
        tokens = gated if batch is None else batch.scored
        self.gate_logits = nn.Parameter(start.expand(*tokens.shape, gates).clone())
        self._energy_cache: tuple[Tensor, Tensor] | None = None  # (state, its energy)

    def at(self, mean: Float[Tensor, " features"], std: Float[Tensor, " features"]) -> "Bottleneck":
        """Returns a bottleneck that shares these gates, for another layer with the given μ_R and σ_R."""
        other = copy.copy(self)  # shallow: both bottlenecks have the same parameter
        other.mean, other.std, other._energy_cache = mean, std, None
        return other

    def forward(
        self, state: Float[Tensor, "*draws batch tokens features"], noise: NoisyState
    ) -> tuple[NoisyState, Float[Tensor, "*draws batch tokens"]]:
        """Returns the noised states and the information of each token.

        Args:
            state: R; or one R for each noise draw, if a bottleneck below has already added noise.
            noise: standard normal draws, which this method scales to N(μ_R, σ_R²).

        Returns:
            Z; and the KL of each token in nats, 0 outside `gated`.
        """
        # Outside `gated` λ is 1, and the mix is exact there.
        return mix(state, self.gates(), torch.addcmul(self.mean, self.std, noise)), self.information(state)

    def information(self, state: Float[Tensor, "*draws batch tokens features"]) -> Float[Tensor, "*draws batch tokens"]:
        """Returns the KL of each token in nats, summed over features; 0 outside `gated`."""
        gate_logits = self._placed()
        if gate_logits.shape[-1] == 1:
            kl = kl_nats_of_shared(self._energy(state), gate_logits.squeeze(-1), len(self.mean))
        else:
            kl = kl_nats(normalize(state, self.mean, self.std), gate_logits).sum(dim=-1)
        kl = torch.where(self.gated.squeeze(-1), kl, kl.new_zeros(()))
        return kl if self._batch is None else self._batch.shared(kl)

    def _energy(self, state: Float[Tensor, "*draws batch tokens features"]) -> Float[Tensor, "*draws batch tokens"]:
        """Σ R̃² over the features, where R̃ is the normalised state.

        The sum is cached, because every step of an optimisation has the same state.
        """
        if self._energy_cache is None or self._energy_cache[0] is not state:
            self._energy_cache = (state, normalize(state, self.mean, self.std).square().sum(dim=-1))
        return self._energy_cache[1]

    def gates(self) -> Float[Tensor, "batch tokens gates"]:
        """Returns λ of each gate; 1 outside `gated`."""
        return torch.where(self.gated, torch.sigmoid(self._placed()), self.mean.new_ones(()))

    def _placed(self) -> Float[Tensor, "batch tokens gates"]:
        """The gates' logits on the token axis of the states, where windows may repeat a token."""
        return self.gate_logits if self._batch is None else self._batch.at_places(self.gate_logits)
