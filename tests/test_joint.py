"""The joint bottleneck against the per-sample one, and against a slow and literal rewrite, one text at a time."""

import math
from typing import Any

import numpy as np
import pytest
import torch
import toys
from torch import Tensor
from torch.distributions import Normal, kl_divergence

import textiba
from textiba.attribution import Attribution
from textiba.bottleneck.statistics import FeatureStatistics
from textiba.errors import LayerError, SettingError, StatisticsMismatchError
from textiba.methods import JointBottleneck, PerSampleBottleneck
from textiba.texts.tokens import TokenizedText

TEXTS = toys.texts(5, seed=4)
MODEL = toys.model()


def by_layer(attribution: Attribution) -> np.ndarray:
    found = toys.bits_details(attribution).by_layer
    assert found is not None
    return found


def literal(
    bert: Any, text: TokenizedText, target: int, statistics: FeatureStatistics, settings: JointBottleneck, seed: int
) -> tuple[Tensor, list[float], list[float]]:
    """λ itself in the formulas, one hook at each layer, the whole model for each noise draw.

    Returns:
        Bits [layers, tokens] of the last pass; cross-entropy (nats) and information (bits, mean over layers) before
        each step, and at the end.
    """
    generator = torch.Generator().manual_seed(text.seed(seed))
    gated = [i for i in range(len(text)) if settings.gate_special or text.word_ids[i] is not None]
    width, depth, n = statistics.mean.shape[1], len(bert.bert.encoder.layer), len(settings.layers_used)
    a = torch.full((len(gated), 1), math.log(settings.initial_gate / (1 - settings.initial_gate))).double()
    first, second = torch.zeros_like(a), torch.zeros_like(a)  # Adam's two moments
    entropies, informations = [], []
    kl = torch.zeros(n, len(text)).double()

    def noised(state: Tensor, place: int, gate: Tensor, noise: Tensor, kl: Tensor) -> Tensor:
        """Z [tokens, features] in place of R; its KL is added to `kl`."""
        layer = settings.layers_used[place]
        mean, std = statistics.mean[layer], statistics.std[layer].clamp_min(settings.min_std)
        r = state[gated]
        p = Normal(mean + gate * (r - mean), (1 - gate) * std.expand_as(r))
        cost = kl_divergence(p, Normal(mean.expand_as(r), std.expand_as(r))).sum(dim=1)
        kl[place, gated] = kl[place, gated] + cost / settings.samples
        z = state.clone()
        z[gated] = gate * r + (1 - gate) * (mean + std * noise[gated])
        return z

    def logits(gate: Tensor, noises: list[Tensor], kl: Tensor) -> Tensor:
        handles = []
        for place, layer in enumerate(settings.layers_used):
            if layer < depth:
                handles.append(
                    bert.bert.encoder.layer[layer].register_forward_pre_hook(
                        lambda _m, args, p=place: (noised(args[0][0], p, gate, noises[p], kl)[None], *args[1:])
                    )
                )
            else:
                handles.append(
                    bert.bert.encoder.layer[-1].register_forward_hook(
                        lambda _m, _args, output, p=place: noised(output[0], p, gate, noises[p], kl)[None]
                    )
                )
        try:
            return bert(input_ids=torch.tensor([text.ids]), token_type_ids=torch.tensor([text.type_ids])).logits
        finally:
            for handle in handles:
                handle.remove()

    for step in range(1, settings.steps + 2):
        a = a.detach().requires_grad_(True)
        gate = 1 / (1 + torch.exp(-a))
        draws: list[list[Tensor]] = []  # [layers][samples]; a layer's draws all come before the next layer's
        for _ in settings.layers_used:
            count = settings.samples // 2 if settings.antithetic else settings.samples
            drawn = list(torch.randn(count, len(text), width, generator=generator).double())
            draws.append(drawn + [-noise for noise in drawn] if settings.antithetic else drawn)
        kl = torch.zeros(n, len(text)).double()
        entropy = torch.zeros(()).double()
        for sample in range(settings.samples):
            scored = logits(gate, [drawn[sample] for drawn in draws], kl)
            entropy = entropy - scored.log_softmax(1)[0, target] / settings.samples
        entropies.append(entropy.item())
        informations.append(kl.sum().item() / n / math.log(2))
        if step == settings.steps + 1:
            break
        (gradient,) = torch.autograd.grad(entropy + settings.beta * kl.sum() / n, a)
        first = 0.9 * first + 0.1 * gradient
        second = 0.999 * second + 0.001 * gradient**2
        with torch.no_grad():
            unbiased = first / (1 - 0.9**step), (second / (1 - 0.999**step)).sqrt()
            a = a - settings.learning_rate * unbiased[0] / (unbiased[1] + 1e-8)
    return kl.detach() / math.log(2), entropies, informations


@pytest.mark.parametrize(
    "settings",
    [
        JointBottleneck(layers=(1, 2), beta=1e-2, steps=5),
        JointBottleneck(layers=(0, 1, 2), beta=1e-2, steps=5),
        JointBottleneck(layers=(0, 2, 3), beta=1e-2, steps=5, gate_special=True, samples=3, antithetic=False),
        JointBottleneck(layers=(1, 3), beta=3e-2, steps=5, learning_rate=0.3, initial_gate=0.5, samples=4, min_std=0.8),
    ],
    ids=["two", "three", "special-gap-last-output", "other-settings"],
)
def test_equals_the_literal_rewrite(settings: JointBottleneck):
    model, bert = toys.model(double=True), toys.classifier(double=True).eval()
    statistics = toys.statistics(model)
    for ours in toys.attribute(model, settings, TEXTS[:3], seed=7):
        bits, entropies, informations = literal(bert, ours.text, ours.target, statistics, settings, seed=7)
        content = list(ours.text.content)
        np.testing.assert_allclose(by_layer(ours), bits.numpy(), rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(ours.scores[content], bits.mean(dim=0)[content].numpy(), rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(toys.bits_details(ours).cross_entropy, entropies, rtol=1e-6, atol=1e-8)
        np.testing.assert_allclose(toys.bits_details(ours).information, informations, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize(
    "shared",
    [
        {},
        {"gate_special": True, "samples": 3, "antithetic": False},
        {"learning_rate": 0.3, "initial_gate": 0.5, "samples": 4, "min_std": 0.8, "steps": 4, "tolerance": 0.5},
    ],
    ids=["default", "special", "other-settings"],
)
@pytest.mark.parametrize("layer", [0, 1, 3])
def test_at_one_layer_it_is_the_per_sample_bottleneck(layer: int, shared: dict[str, Any]):
    joint = toys.attribute(MODEL, JointBottleneck(layers=(layer,), beta=1e-2, **shared), TEXTS, seed=3)
    single = toys.attribute(MODEL, PerSampleBottleneck(layer=layer, beta=1e-2, **shared), TEXTS, seed=3)
    for a, b in zip(joint, single, strict=True):
        np.testing.assert_allclose(a.scores, b.scores, rtol=1e-4)
        ours, theirs = toys.bits_details(a), toys.bits_details(b)
        np.testing.assert_allclose(ours.gates, theirs.gates, rtol=1e-4)
        np.testing.assert_allclose(ours.cross_entropy, theirs.cross_entropy, rtol=1e-4)
        np.testing.assert_allclose(ours.information, theirs.information, rtol=1e-4)
        assert ours.converged == theirs.converged
        assert ours.probability == pytest.approx(theirs.probability, rel=1e-4)
        assert ours.special_bits == pytest.approx(theirs.special_bits, rel=1e-4)


def test_settings_shared_with_per_sample_have_the_same_defaults():
    shared = JointBottleneck.model_fields.keys() & PerSampleBottleneck.model_fields.keys()
    assert shared == JointBottleneck.model_fields.keys() - {"layers"}
    for name in shared:
        assert JointBottleneck.model_fields[name].default == PerSampleBottleneck.model_fields[name].default, name


@pytest.mark.parametrize("gate_special", [False, True])
def test_scores_are_the_mean_of_the_layers_bits(gate_special: bool):
    for a in toys.attribute(MODEL, JointBottleneck(layers=(0, 1, 3), gate_special=gate_special), TEXTS):
        content, special = list(a.text.content), [i for i, w in enumerate(a.text.word_ids) if w is None]
        found = by_layer(a)
        assert (found.shape, found.dtype) == ((3, len(a.text)), np.float32)
        np.testing.assert_allclose(found.mean(axis=0)[content], a.scores[content], rtol=1e-5)
        assert toys.bits_details(a).special_bits == pytest.approx(found[:, special].mean(axis=0).sum(), rel=1e-5)
        assert (found[:, special] > 0).all() == gate_special
        assert toys.bits_details(a).information[-1] == pytest.approx(
            a.total + toys.bits_details(a).special_bits, rel=1e-5
        )
        assert not np.allclose(found[0], found[1]), "each layer has its own information"


def test_the_kl_is_of_the_state_that_arrives():
    """With lower gates almost closed, little information arrives above, though the plain states contain much."""
    [a] = toys.attribute(
        MODEL, JointBottleneck(layers=(0, 2), initial_gate=0.02, steps=1, learning_rate=1e-6), TEXTS[:1]
    )
    [plain] = toys.attribute(
        MODEL, PerSampleBottleneck(layer=2, initial_gate=0.02, steps=1, learning_rate=1e-6), TEXTS[:1]
    )
    content = list(a.text.content)
    assert not np.allclose(by_layer(a)[1][content], plain.scores[content], rtol=1e-2)


def test_a_large_beta_closes_every_gate():
    for a in toys.attribute(MODEL, JointBottleneck(beta=1e3, steps=15), TEXTS):
        assert toys.bits_details(a).gates[list(a.text.content)].max() < 0.01


@pytest.mark.parametrize("layers", [(0, 1), (0, 1, 2)])
def test_the_planted_cue_comes_first(planted: toys.Trained, layers: tuple[int, ...]):
    model, statistics = planted
    cases = toys.planted_cases(80, seed=5)
    found = textiba.explain(model, JointBottleneck(layers=layers), [text for text, _ in cases], statistics)
    hits = [a.text.content[place] == int(np.nanargmax(a.scores)) for a, (_, place) in zip(found, cases, strict=True)]
    assert np.mean(hits) >= 0.95


@pytest.mark.parametrize(
    ("setting", "rule"),
    [
        ({"layers": ()}, "layers: .*at least 1 item"),
        ({"layers": (1, 1, 2)}, r"layers must be 0 or more, in increasing order, each once; got \(1, 1, 2\)"),
        ({"layers": (2, 1)}, "layers must be 0 or more, in increasing order"),
        ({"layers": (-1, 2)}, "layers must be 0 or more, in increasing order"),
        ({"beta": -1e-3}, "beta: .*greater than or equal to 0; got -0.001"),
        ({"steps": -1}, "steps: .*greater than or equal to 0; got -1"),
        ({"samples": 3}, "samples.*even"),
        ({"layer": 2}, "unknown key 'layer'"),
    ],
)
def test_settings_out_of_range_raise_with_rule_and_value(setting: dict[str, Any], rule: str):
    with pytest.raises(SettingError, match=rule):
        JointBottleneck(**setting)


def test_a_layer_the_model_does_not_have():
    with pytest.raises(LayerError, match=r"between 0 .* and 3 .*; got 4"):
        toys.attribute(MODEL, JointBottleneck(layers=(1, 2, 4)), TEXTS)


def test_statistics_must_belong_to_the_model():
    forward = toys.forward(MODEL, TEXTS)
    with pytest.raises(StatisticsMismatchError, match="estimate them anew"):
        JointBottleneck().attribute(MODEL, forward, MODEL.predict(forward), toys.statistics(toys.model(seed=1)))
