"""The equations of the information bottleneck, once each, as pure functions.

Source: Schulz, Sixt, Tombari, Landgraf, *Restricting the Flow: Information Bottlenecks for Attribution*, ICLR 2020
(arXiv 2001.00396), section 3. A gate λ = sigmoid(a) is handed over as its logit `a`, since log(1 − λ) is exact there.
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

NATS_PER_BIT = math.log(2.0)


def normalize(
    state: Float[Tensor, "... features"], mean: Float[Tensor, " features"], std: Float[Tensor, " features"]
) -> Float[Tensor, "... features"]:
    """`(R − μ_R) / σ_R`: the representation in units of its own spread."""
    return (state - mean) / std


def mix(
    state: Float[Tensor, "... features"],
    gate: Float[Tensor, "... #features"],
    noise: Float[Tensor, "... features"],
) -> Float[Tensor, "... features"]:
    """`Z = λR + (1 − λ)ε`: a gate of 1 lets everything through, a gate of 0 nothing. At either end it is exact."""
    return torch.lerp(noise, state, gate)


def kl_nats(
    normalized: Float[Tensor, "... features"], gate_logit: Float[Tensor, "... #features"]
) -> Float[Tensor, "... features"]:
    """`KL(P(Z|R) ‖ Q(Z))` of each element, in nats.

    With R̃ = (R − μ)/σ, P = N(μ + λ(R − μ), (1 − λ)²σ²) and Q = N(μ, σ²), it is

        ½ (λ²R̃² + (1 − λ)² − 1) − log(1 − λ),

    where −log(1 − sigmoid(a)) = softplus(a), so that neither an open nor a closed gate overflows. It is computed as the
    equal ½ λ²(R̃² + 1) − λ + softplus(a), in which a nearly closed gate does not lose its digits to (1 − λ)² − 1.

    Args:
        normalized: R̃.
        gate_logit: a, with λ = sigmoid(a).
    """
    gate = torch.sigmoid(gate_logit)
    return 0.5 * gate.square() * (normalized.square() + 1) - gate + functional.softplus(gate_logit)


def kl_nats_of_shared(
    energy: Float[Tensor, "..."], gate_logit: Float[Tensor, "..."], features: int
) -> Float[Tensor, "..."]:
    """The sum of `kl_nats` over the features of a token, where they share one gate.

    The gate comes out of the sum: ½ λ²(Σ R̃² + d) − d λ + d softplus(a), so no feature is looked at again.

    Args:
        energy: Σ R̃² over the features.
        gate_logit: a, with λ = sigmoid(a).
        features: d.
    """
    gate = torch.sigmoid(gate_logit)
    return 0.5 * gate.square() * (energy + features) + features * (functional.softplus(gate_logit) - gate)


def bits(nats: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
    """Nats to bits."""
    return nats / NATS_PER_BIT


def beta_for_sum(beta_mean: float, elements: int) -> float:
    """The β on the *sum* of the KL that equals the paper's β on its *mean* over `elements` = β_mean / k.

    β_mean · (1/k) Σ KL = (β_mean / k) · Σ KL, with k the number of noised elements.
    """
    return beta_mean / elements
