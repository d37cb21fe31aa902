"""The paper's equations against torch.distributions, in double precision."""

import math

import pytest
import torch
from torch.distributions import Normal, kl_divergence

from textiba.information import beta_for_sum, bits, kl_nats, mix, normalize


def draw(*shape: int, seed: int) -> torch.Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def literal_kl(state: torch.Tensor, mean: torch.Tensor, std: torch.Tensor, gate_logit: torch.Tensor) -> torch.Tensor:
    """KL of P(Z|R) = N(λR + (1 − λ)μ, (1 − λ)²σ²) to Q(Z) = N(μ, σ²), as a library has it."""
    gate = gate_logit.sigmoid()
    p = Normal(gate * state + (1 - gate) * mean, (gate_logit.neg().sigmoid() * std).expand_as(state))
    return kl_divergence(p, Normal(mean.expand_as(state), std.expand_as(state)))


@pytest.mark.parametrize("logits", [draw(2, 5, 8, seed=3), draw(2, 5, 1, seed=4) * 4], ids=["feature", "token"])
def test_kl_equals_the_divergence_of_the_two_normals(logits: torch.Tensor):
    state, mean, std = draw(2, 5, 8, seed=0) * 3 + 1, draw(8, seed=1), draw(8, seed=2).abs() + 0.1
    ours = kl_nats(normalize(state, mean, std), logits)
    torch.testing.assert_close(ours, literal_kl(state, mean, std, logits), rtol=1e-10, atol=1e-10)
    assert (ours > 0).all()


@pytest.mark.parametrize("logit", [-80.0, -30.0, 30.0, 80.0])
def test_kl_at_extreme_gates_is_finite_and_right(logit: float):
    state, mean, std = draw(1, 4, 8, seed=5), draw(8, seed=6), draw(8, seed=7).abs() + 0.5
    gate = torch.full((1, 4, 1), logit, dtype=torch.float64)
    ours = kl_nats(normalize(state, mean, std), gate)
    # Against the same formula with 50 digits' worth of care: at λ → 0 it is 0, at λ → 1 it is ½(R̃² − 1) + a.
    limit = torch.zeros_like(state) if logit < 0 else 0.5 * (normalize(state, mean, std).square() - 1) + logit
    torch.testing.assert_close(ours, limit, rtol=1e-9, atol=1e-9)
    single = kl_nats(normalize(state, mean, std).float(), gate.float())
    torch.testing.assert_close(single.double(), limit, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("logit", [-6.0, -4.0, -2.0])
def test_kl_of_a_nearly_closed_gate_keeps_its_digits_in_single_precision(logit: float):
    normalized, gate = draw(1, 50, 8, seed=14), torch.full((1, 50, 1), logit, dtype=torch.float64)
    single = kl_nats(normalized.float(), gate.float()).double()
    torch.testing.assert_close(single, kl_nats(normalized.float().double(), gate), rtol=1e-4, atol=0)


@pytest.mark.parametrize("logit", [-80.0, -30.0, 0.0, 30.0, 80.0])
def test_the_gradient_of_kl_is_finite_at_extreme_gates(logit: float):
    gate = torch.full((1, 4, 1), logit, requires_grad=True)
    (gradient,) = torch.autograd.grad(kl_nats(draw(1, 4, 8, seed=8).float(), gate).sum(), gate)
    assert gradient.isfinite().all()
    assert (gradient >= -1e-12).all(), "a gate that opens never lets less through, but for rounding"


def test_kl_is_zero_for_a_closed_gate_and_grows_as_it_opens():
    gates = torch.linspace(-20, 20, 81, dtype=torch.float64)[:, None, None]
    nats = kl_nats(draw(1, 1, 8, seed=9).expand(81, 1, 8), gates)
    assert nats[0].abs().max() < 1e-8
    assert (nats.diff(dim=0) >= -1e-12).all()


def test_mix_is_the_paper_s_equation():
    state, noise = draw(2, 3, 4, seed=10), draw(2, 3, 4, seed=11)
    for gate in (0.0, 0.25, 1.0):
        mixed = mix(state, torch.full((2, 3, 1), gate, dtype=torch.float64), noise)
        torch.testing.assert_close(mixed, gate * state + (1 - gate) * noise)
    assert torch.equal(mix(state, torch.ones(2, 3, 1, dtype=torch.float64), noise), state)
    assert torch.equal(mix(state, torch.zeros(2, 3, 1, dtype=torch.float64), noise), noise)


def test_normalize_gives_units_of_spread():
    state, mean, std = torch.tensor([[3.0, -4.0]]), torch.tensor([1.0, 0.0]), torch.tensor([2.0, 0.5])
    assert normalize(state, mean, std).tolist() == [[1.0, -8.0]]


def test_a_nat_is_one_over_log_two_bits():
    assert bits(torch.tensor([math.log(2.0), 0.0, math.log(8.0)])).tolist() == pytest.approx([1.0, 0.0, 3.0])


@pytest.mark.parametrize("gates", [1, 8])
def test_both_conventions_of_beta_give_the_same_gradient(gates: int):
    normalized, beta_mean = draw(1, 5, 8, seed=12), 10.0
    by_mean = draw(1, 5, gates, seed=13).requires_grad_(True)
    by_sum = by_mean.detach().clone().requires_grad_(True)
    elements = normalized.numel()
    (expected,) = torch.autograd.grad(beta_mean * kl_nats(normalized, by_mean).mean(), by_mean)
    (ours,) = torch.autograd.grad(beta_for_sum(beta_mean, elements) * kl_nats(normalized, by_sum).sum(), by_sum)
    torch.testing.assert_close(ours, expected, rtol=1e-12, atol=0)
