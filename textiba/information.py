"""The equations of the information bottleneck, as pure functions.

Source: Schulz, Sixt, Tombari, Landgraf, *Restricting the Flow: Information Bottlenecks for Attribution*, ICLR 2020
(arXiv 2001.00396), section 3. The functions for the KL take a gate λ = sigmoid(a) as its logit `a`, from which
log(1 − λ) can be computed exactly.
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
    """Returns `R̃ = (R − μ_R) / σ_R`: the representation in units of its standard deviation."""
    return (state - mean) / std


def mix(
    state: Float[Tensor, "... features"],
    gate: Float[Tensor, "... #features"],
    noise: Float[Tensor, "... features"],
) -> Float[Tensor, "... features"]:
    """Returns `Z = λR + (1 − λ)ε`; exactly R where λ = 1, and exactly ε where λ = 0.

    Args:
        state: R.
        gate: λ.
        noise: ε.
    """
    return torch.lerp(noise, state, gate)


def kl_nats(
    normalized: Float[Tensor, "... features"], gate_logit: Float[Tensor, "... #features"]
) -> Float[Tensor, "... features"]:
    """Returns `KL(P(Z|R) ‖ Q(Z))` of each element, in nats.

    With R̃ = (R − μ)/σ, P = N(μ + λ(R − μ), (1 − λ)²σ²) and Q = N(μ, σ²), the KL is

        ½ (λ²R̃² + (1 − λ)² − 1) − log(1 − λ).

    The code uses −log(1 − sigmoid(a)) = softplus(a), which overflows neither for an open nor for a closed gate. The
    code computes the equal form ½ λ²(R̃² + 1) − λ + softplus(a), because (1 − λ)² − 1 loses digits for a nearly closed
    gate.

    Args:
        normalized: R̃.
        gate_logit: a, with λ = sigmoid(a).
    """
    gate = torch.sigmoid(gate_logit)
    return 0.5 * gate.square() * (normalized.square() + 1) - gate + functional.softplus(gate_logit)


def kl_nats_of_shared(
    energy: Float[Tensor, "..."], gate_logit: Float[Tensor, "..."], features: int
) -> Float[Tensor, "..."]:
    """Returns the sum of `kl_nats` over the features of each token, where all features share one gate.

    The sum is ½ λ²(Σ R̃² + d) − d λ + d softplus(a), which depends on the features only through Σ R̃².

    Args:
        energy: Σ R̃² over the features.
        gate_logit: a, with λ = sigmoid(a).
        features: the number d of features.
    """
    gate = torch.sigmoid(gate_logit)
    return 0.5 * gate.square() * (energy + features) + features * (functional.softplus(gate_logit) - gate)


def bits(nats: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
    """Converts nats to bits."""
    return nats / NATS_PER_BIT


def beta_for_sum(beta_mean: float, elements: int) -> float:
    """Converts the paper's β, which multiplies the KL's *mean*, to the β that multiplies the KL's *sum*.

    β_mean · (1/k) Σ KL = (β_mean / k) · Σ KL, so the result is β_mean / k.

    Args:
        beta_mean: the paper's β.
        elements: the number k of gated elements (tokens × features).
    """
    return beta_mean / elements
