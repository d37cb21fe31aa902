"""What an optimised bottleneck reports of its end: the probability under noise, and whether its loss has settled."""

import math

import numpy as np
import pytest
import torch
import toys

from textiba.methods import JointBottleneck, PerSampleBottleneck

MODEL = toys.model()
TEXTS = toys.texts(3, seed=14, shortest=6)


@pytest.mark.parametrize("layer", [0, 1, 2])
def test_the_probability_is_the_mean_over_the_noise_draws(layer: int):
    """Without a step the gates stay at 0.1, so that the literal rewrite is one pass for each draw."""
    method = PerSampleBottleneck(layer=layer, steps=0, samples=6, antithetic=False, initial_gate=0.1)
    bert, statistics = toys.classifier().eval(), toys.statistics(MODEL)
    mean, std = statistics.mean[layer].float(), statistics.std[layer].float().clamp_min(0.01)
    apart = []
    for a in toys.attribute(MODEL, method, TEXTS, seed=3):
        state = toys.forward(MODEL, [a.text.source]).hidden_states[layer][0]
        generator = torch.Generator().manual_seed(a.text.seed(3))
        logs = []
        for noise in torch.randn(6, len(a.text), state.shape[1], generator=generator):
            mixed, content = state.clone(), list(a.text.content)
            mixed[content] = 0.1 * state[content] + 0.9 * (mean + std * noise[content])
            with torch.no_grad():
                logs.append(float(toys.with_state(bert, a.text, layer, mixed).log_softmax(dim=1)[0, a.target]))
        assert toys.bits_details(a).probability == pytest.approx(np.mean(np.exp(logs)), rel=1e-4)
        assert toys.bits_details(a).cross_entropy[-1] == pytest.approx(-np.mean(logs), rel=1e-4)
        apart.append(np.mean(np.exp(logs)) / math.exp(np.mean(logs)))
    assert max(apart) > 1.002, "the mean of p must differ from exp of the mean of log p, or the test says nothing"


@pytest.mark.parametrize("kind", [PerSampleBottleneck, JointBottleneck])
@pytest.mark.parametrize("beta", [1e-4, 1e-2])
def test_a_loss_has_settled_when_it_moved_less_than_a_share_of_itself(kind: type, beta: float):
    """At a tolerance just above the last step's relative move, and just below it."""
    method, sizes = kind(steps=4, beta=beta), []
    for i, a in enumerate(toys.attribute(MODEL, method, TEXTS)):
        found = toys.bits_details(a)
        loss = found.cross_entropy + beta * math.log(2) * found.information
        assert loss[-1] == pytest.approx(found.loss, rel=1e-4)
        moved = abs(float(loss[-1] - loss[-2])) / abs(float(loss[-2]))
        for tolerance, settled in ((1.02 * moved, True), (0.98 * moved, False)):
            again = toys.attribute(MODEL, kind(steps=4, beta=beta, tolerance=tolerance), TEXTS)[i]
            assert toys.bits_details(again).converged == settled
        sizes.append(abs(float(loss[-2])))
    assert max(abs(math.log(size)) for size in sizes) > 0.1, "losses of 1 would not tell a share from a difference"
