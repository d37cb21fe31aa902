"""The published bottlenecks against slow rewrites of what their code does, one text at a time."""

import math
from typing import Any

import numpy as np
import pytest
import torch
import toys
from test_per_sample import literal as literal_per_sample
from torch.nn import functional

from textiba.attribution import BitsDetails, content_scores
from textiba.errors import LayerError, SettingError
from textiba.methods import Jiang2020, PerSampleBottleneck, Schulz2020
from textiba.texts.tokens import TokenizedText

MODEL = toys.model()
TEXTS = toys.texts(3, seed=41)


def test_schulz_equals_the_literal_rewrite_of_the_paper():
    model, bert = toys.model(double=True), toys.classifier(double=True).eval()
    statistics = toys.statistics(model)
    spelt_out = PerSampleBottleneck(
        layer=2, beta=10, beta_on="mean", gates="feature", gate_special=True, steps=10, learning_rate=1, samples=10,
        antithetic=False, initial_gate=1 / (1 + math.exp(-5)), min_std=0.01,
    )  # fmt: skip
    for a in toys.attribute(model, Schulz2020(layer=2), TEXTS[:2], seed=5):
        mean, std = statistics.mean[2], statistics.std[2]
        scores, entropies, _ = literal_per_sample(bert, a.text, 2, a.target, mean, std, spelt_out, seed=5)
        np.testing.assert_allclose(content_scores(a), np.asarray(scores)[list(a.text.content)], rtol=1e-5, atol=1e-6)
        assert isinstance(a.details, BitsDetails)
        np.testing.assert_allclose(a.details.cross_entropy, entropies, rtol=1e-6, atol=1e-8)


def literal_jiang(
    bert: Any, text: TokenizedText, settings: Jiang2020, target: int, seed: int
) -> tuple[list[float], list[float]]:
    """bazingagin/IBA step by step: its estimator, its bottleneck with a log variance, its loss.

    Returns:
        Bits of every token, and the cross-entropy of each step, nats.
    """
    generator = torch.Generator().manual_seed(text.seed(seed))
    with torch.no_grad():
        inputs = {"input_ids": torch.tensor([text.ids]), "token_type_ids": torch.tensor([text.type_ids])}
        hidden = bert(**inputs, output_hidden_states=True).hidden_states
    fed, passing = hidden[settings.place - 1][0], hidden[settings.place][0]
    # Welford's running sums over the one point that the estimator is fed.
    mean = torch.zeros_like(fed) + (fed - 0) / 1
    squares = (fed - 0) * (fed - mean)
    std = (squares.clamp_min(1e-5) / 1).sqrt()
    alpha = torch.full_like(mean, 5.0).requires_grad_(True)
    adam = torch.optim.Adam([alpha], lr=settings.learning_rate)
    entropies, capacity = [], torch.zeros(0)
    for _ in range(settings.steps):
        noise = torch.randn(settings.samples, *mean.shape, generator=generator).to(mean)
        keep = torch.sigmoid(alpha)
        signal = keep * (passing - mean) / std
        log_variance = torch.log((1 - keep) ** 2)
        capacity = -0.5 * (1 + log_variance - signal**2 - log_variance.exp())
        entropy = torch.zeros((), dtype=mean.dtype)
        for one in noise:
            z = signal + (log_variance.clamp(-10, 10) / 2).exp() * one
            logits = toys.with_state(bert, text, settings.place, z * std + mean)
            entropy = entropy + functional.cross_entropy(logits, torch.tensor([target])) / settings.samples
        adam.zero_grad()
        (entropy + settings.beta * capacity.mean()).backward()
        adam.step()
        entropies.append(entropy.item())
    return (capacity.sum(dim=1) / math.log(2)).tolist(), entropies


@pytest.mark.parametrize(
    "settings",
    [
        Jiang2020(layer=1),
        Jiang2020(layer=3, steps=4, samples=3),
        Jiang2020(layer=2, beta=1e-3, learning_rate=0.5, steps=6, samples=2),
    ],
    ids=["published", "top-layer", "other-settings"],
)
def test_jiang_equals_the_literal_rewrite_of_the_published_code(settings: Jiang2020):
    model, bert = toys.model(double=True), toys.classifier(double=True).eval()
    for a in toys.attribute(model, settings, TEXTS[:2], seed=5):
        bits, entropies = literal_jiang(bert, a.text, settings, a.target, seed=5)
        content = list(a.text.content)
        np.testing.assert_allclose(a.scores[content], np.asarray(bits)[content], rtol=1e-5)
        assert isinstance(a.details, BitsDetails)
        np.testing.assert_allclose(a.details.cross_entropy, entropies, rtol=1e-6, atol=1e-8)
        assert a.details.special_bits == pytest.approx(sum(bits) - sum(bits[i] for i in content), rel=1e-6)
        assert a.details.information[-1] == pytest.approx(sum(bits), rel=1e-6)


def test_special_tokens_have_gates_in_both():
    for method in (Schulz2020(layer=2, steps=2, samples=2), Jiang2020(layer=2, steps=2, samples=2)):
        for a in toys.attribute(MODEL, method, TEXTS):
            assert isinstance(a.details, BitsDetails)
            assert a.details.special_bits > 0
            assert a.details.gates.shape == (len(a.text),)
            assert a.details.gates.max() < 1


def test_jiang_needs_no_statistics_and_schulz_names_itself_when_it_does():
    forward = toys.forward(MODEL, TEXTS)
    targets = MODEL.predict(forward)
    assert len(Jiang2020(layer=1, steps=2, samples=1).attribute(MODEL, forward, targets)) == len(TEXTS)
    with pytest.raises(SettingError, match=r"schulz2020 needs feature statistics; make them with: textiba estimate"):
        Schulz2020().attribute(MODEL, forward, targets)


@pytest.mark.parametrize("method", [Schulz2020(layer=4), Jiang2020(layer=4)], ids=["schulz", "jiang"])
def test_a_layer_the_model_does_not_have(method: Any):
    with pytest.raises(LayerError, match=r"between 0 .* and 3 .*; got 4"):
        toys.attribute(MODEL, method, TEXTS)


def test_settings_out_of_range():
    with pytest.raises(SettingError, match=r"layer: .*greater than or equal to 1; got 0"):
        Jiang2020(layer=0)
    with pytest.raises(SettingError, match=r"samples: .*greater than or equal to 1; got 0"):
        Schulz2020(samples=0)
