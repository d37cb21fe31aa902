"""The bottleneck module: only gated tokens get noise and have information."""

import pytest
import torch
from torch.nn import functional

from textiba.bottleneck.gates import Bottleneck
from textiba.information import kl_nats, normalize

MEAN, STD = torch.tensor([0.5, -1.0, 0.0]), torch.tensor([1.0, 2.0, 0.5])
STATE = torch.randn(2, 4, 3, generator=torch.Generator().manual_seed(0))
NOISE = torch.randn(5, 2, 4, 3, generator=torch.Generator().manual_seed(1))
GATED = torch.tensor([[False, True, True, False], [False, True, False, False]])


@pytest.mark.parametrize("per_feature", [False, True])
def test_only_gates_are_parameters(per_feature: bool):
    bottleneck = Bottleneck(MEAN, STD, GATED, per_feature=per_feature)
    assert [(name, tuple(p.shape)) for name, p in bottleneck.named_parameters()] == [
        ("gate_logits", (2, 4, 3 if per_feature else 1))
    ]


@pytest.mark.parametrize("per_feature", [False, True])
def test_tokens_without_a_gate_pass_unchanged_and_cost_nothing(per_feature: bool):
    noisy, nats = Bottleneck(MEAN, STD, GATED, 0.0, per_feature)(STATE, NOISE)
    assert torch.equal(noisy[:, ~GATED], STATE[~GATED].expand(5, -1, -1))
    assert (noisy[:, GATED] != STATE[GATED]).all()
    assert (nats[~GATED] == 0).all()
    assert (nats[GATED] > 0).all()


def test_noise_is_scaled_to_the_features_own_mean_and_spread():
    noisy, nats = Bottleneck(MEAN, STD, GATED, -40.0)(STATE, NOISE)
    torch.testing.assert_close(noisy[:, GATED], (MEAN + STD * NOISE)[:, GATED])
    assert nats.max() < 1e-6


def test_information_is_the_kl_summed_over_features():
    bottleneck = Bottleneck(MEAN, STD, GATED, 1.5)
    literal = kl_nats(normalize(STATE, MEAN, STD), torch.full((2, 4, 1), 1.5)).sum(dim=2)
    torch.testing.assert_close(bottleneck.information(STATE)[GATED], literal[GATED])
    torch.testing.assert_close(bottleneck(STATE, NOISE)[1], bottleneck.information(STATE))


def test_the_same_gates_at_another_layer():
    here = Bottleneck(MEAN, STD, GATED, 1.5)
    there = here.at(MEAN + 1, 2 * STD)
    assert there.gate_logits is here.gate_logits
    assert torch.equal(here.mean, MEAN), "the first keeps its own statistics"
    torch.testing.assert_close(there(STATE, NOISE), Bottleneck(MEAN + 1, 2 * STD, GATED, 1.5)(STATE, NOISE))


def test_a_state_for_each_sample():
    bottleneck = Bottleneck(MEAN, STD, GATED, 1.5)
    states = torch.stack([STATE, 2 * STATE, -STATE, STATE + 1, STATE])
    noisy, nats = bottleneck(states, NOISE)
    for i, state in enumerate(states):
        alone = bottleneck(state, NOISE[i : i + 1])
        torch.testing.assert_close((noisy[i], nats[i]), (alone[0][0], alone[1]))


def test_gates_are_open_outside_and_sigmoid_inside():
    gates = Bottleneck(MEAN, STD, GATED, 5.0).gates()
    assert (gates[~GATED] == 1).all()
    torch.testing.assert_close(gates[GATED], functional.sigmoid(torch.full((3, 1), 5.0)))


def test_gates_of_ungated_tokens_get_no_gradient():
    bottleneck = Bottleneck(MEAN, STD, GATED, 0.0)
    noisy, nats = bottleneck(STATE, NOISE)
    (gradient,) = torch.autograd.grad(noisy.square().sum() + nats.sum(), bottleneck.gate_logits)
    assert (gradient[~GATED] == 0).all()
    assert (gradient[GATED] != 0).all()
