"""The per-sample bottleneck against a slow and literal rewrite of the paper, one text at a time."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch
import toys
from torch import Tensor
from torch.distributions import Normal, kl_divergence

import textiba
from textiba.attribution import Attribution
from textiba.errors import LayerError, SettingError, StatisticsMismatchError
from textiba.methods import PerSampleBottleneck
from textiba.methods.optimised import standard_normal
from textiba.texts.tokens import TokenizedText

TEXTS = toys.texts(5, seed=4)
MODEL = toys.model()


def literal(
    bert: Any,
    text: TokenizedText,
    layer: int,
    target: int,
    mean: Tensor,
    std: Tensor,
    settings: PerSampleBottleneck,
    seed: int,
) -> tuple[list[float], list[float], list[float]]:
    """Schulz et al. 2020, section 3.1, as it is written: λ itself in the formulas, the whole model at each step.

    Returns:
        Bits of every token; and cross-entropy (nats) and information (bits) before each step, and at the end.
    """
    generator = torch.Generator().manual_seed(text.seed(seed))
    std = std.clamp_min(settings.min_std)
    gated = [i for i in range(len(text)) if settings.gate_special or text.word_ids[i] is not None]
    with torch.no_grad():
        inputs = {"input_ids": torch.tensor([text.ids]), "token_type_ids": torch.tensor([text.type_ids])}
        state = bert(**inputs, output_hidden_states=True).hidden_states[layer][0]
    width = state.shape[1]
    a = torch.full((len(gated), width if settings.gates == "feature" else 1), 0.0, dtype=state.dtype)
    a += math.log(settings.initial_gate / (1 - settings.initial_gate))
    first, second = torch.zeros_like(a), torch.zeros_like(a)  # Adam's two moments
    entropies, informations, kl = [], [], torch.zeros(1, 1)

    def information(gate: Tensor) -> Tensor:
        """KL(P(Z|R) ‖ Q(Z)) of the gated tokens [tokens, features], nats."""
        r = state[gated]
        p = Normal(mean + gate * (r - mean), (1 - gate) * std.expand_as(r))
        return kl_divergence(p, Normal(mean.expand_as(r), std.expand_as(r)))

    for step in range(1, settings.steps + 2):
        a = a.detach().requires_grad_(True)
        gate = 1 / (1 + torch.exp(-a))
        drawn = settings.samples // 2 if settings.antithetic else settings.samples
        noises = list(torch.randn(drawn, len(text), width, generator=generator).to(state))
        noises += [-noise for noise in noises] if settings.antithetic else []
        entropy = torch.zeros((), dtype=state.dtype)
        for noise in noises:
            z = state.clone()
            z[gated] = gate * state[gated] + (1 - gate) * (mean + std * noise[gated])
            entropy = entropy - toys.with_state(bert, text, layer, z).log_softmax(1)[0, target] / len(noises)
        kl = information(gate)
        price = settings.beta * (kl.sum() if settings.beta_on == "sum" else kl.mean())
        entropies.append(entropy.item())
        informations.append(kl.sum().item() / math.log(2))
        if step == settings.steps + 1:
            break
        (gradient,) = torch.autograd.grad(entropy + price, a)
        first = 0.9 * first + 0.1 * gradient
        second = 0.999 * second + 0.001 * gradient**2
        with torch.no_grad():
            unbiased = first / (1 - 0.9**step), (second / (1 - 0.999**step)).sqrt()
            a = a - settings.learning_rate * unbiased[0] / (unbiased[1] + 1e-8)
    scores = [0.0] * len(text)
    for i, nats in zip(gated, kl.sum(dim=1).tolist(), strict=True):
        scores[i] = nats / math.log(2)
    return scores, entropies, informations


@pytest.mark.parametrize(
    "settings",
    [
        PerSampleBottleneck(layer=1, beta=1e-2),
        PerSampleBottleneck(layer=2, beta=1e-2, gates="feature", steps=5),
        PerSampleBottleneck(layer=0, beta=3.0, beta_on="mean", steps=5),
        PerSampleBottleneck(layer=1, beta=3.0, beta_on="mean", gates="feature", steps=5),
        PerSampleBottleneck(layer=3, beta=1e-2, gate_special=True, samples=3, antithetic=False, steps=5),
        PerSampleBottleneck(layer=1, beta=1e-2, learning_rate=0.3, initial_gate=0.5, samples=4, steps=5, min_std=0.8),
    ],
    ids=["token", "feature", "mean", "mean-feature", "special-top-layer", "other-settings"],
)
def test_equals_the_literal_rewrite(settings: PerSampleBottleneck):
    model, bert = toys.model(double=True), toys.classifier(double=True).eval()
    statistics = toys.statistics(model)
    mean, std = statistics.mean[settings.place], statistics.std[settings.place]
    for ours in toys.attribute(model, settings, TEXTS[:3], seed=7):
        scores, entropies, informations = literal(
            bert, ours.text, settings.place, ours.target, mean, std, settings, seed=7
        )
        content = list(ours.text.content)
        np.testing.assert_allclose(ours.scores[content], np.asarray(scores)[content], rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(toys.bits_details(ours).cross_entropy, entropies, rtol=1e-6, atol=1e-8)
        np.testing.assert_allclose(toys.bits_details(ours).information, informations, rtol=1e-6, atol=1e-8)
        assert toys.bits_details(ours).special_bits == pytest.approx(
            sum(scores) - sum(scores[i] for i in content), abs=1e-6
        )


def test_traces_run_from_before_the_first_step_to_after_the_last():
    for a in toys.attribute(MODEL, PerSampleBottleneck(steps=7), TEXTS):
        assert toys.bits_details(a).cross_entropy.shape == toys.bits_details(a).information.shape == (8,)
        assert toys.bits_details(a).information[-1] == pytest.approx(
            a.total + toys.bits_details(a).special_bits, rel=1e-5
        )


@pytest.mark.parametrize("samples", [2, 4, 6])
def test_antithetic_noise_averages_to_zero(samples: int):
    forward = toys.forward(MODEL, TEXTS)
    source = standard_normal(forward.batch, forward.hidden_states[1], samples, True, 0)
    one, two = next(source), next(source)
    assert len(one) == samples
    assert one.mean(dim=0).abs().max() < 1e-6
    real = forward.batch.attention_mask
    assert one[:, real].std() == pytest.approx(1, abs=0.05)
    assert not torch.equal(one, two), "each step draws anew"


@pytest.mark.parametrize("gates", ["token", "feature"])
def test_a_text_s_scores_do_not_depend_on_its_batch(gates: Any):
    method = PerSampleBottleneck(gates=gates, beta=1e-2)
    together = toys.attribute(MODEL, method, TEXTS, seed=3)
    backwards = toys.attribute(MODEL, method, TEXTS[::-1], seed=3)[::-1]
    alone = [toys.attribute(MODEL, method, [text], seed=3)[0] for text in TEXTS]
    for others in (backwards, alone):
        for a, b in zip(together, others, strict=True):
            assert np.nanmax(np.abs(a.scores - b.scores)) <= 1e-4 * np.nanmax(a.scores)


def same(a: Sequence[Attribution], b: Sequence[Attribution]) -> bool:
    return all(np.array_equal(x.scores, y.scores, equal_nan=True) for x, y in zip(a, b, strict=True))


def test_a_seed_gives_the_same_bits_and_another_seed_others():
    first, second, other = (toys.attribute(MODEL, PerSampleBottleneck(), TEXTS, seed=s) for s in (5, 5, 6))
    assert same(first, second)
    assert not any(same([a], [b]) for a, b in zip(first, other, strict=True))


def test_the_global_random_state_is_neither_used_nor_changed():
    torch.manual_seed(1)
    before = torch.get_rng_state()
    first = toys.attribute(MODEL, PerSampleBottleneck(), TEXTS)
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(2)
    assert same(first, toys.attribute(MODEL, PerSampleBottleneck(), TEXTS))


def indifferent() -> textiba.Model:
    """A model with constant logits, so that only the KL moves the gates."""
    bert = toys.classifier()
    with torch.no_grad():
        bert.classifier.weight.zero_()
    return textiba.Model(bert, toys.tokenizer())


def test_gates_stay_where_beta_is_zero_and_the_logits_are_constant():
    for a in toys.attribute(indifferent(), PerSampleBottleneck(beta=0, initial_gate=0.9), TEXTS):
        np.testing.assert_allclose(toys.bits_details(a).gates, np.where(np.isnan(a.scores), 1, 0.9), rtol=1e-6)
        assert toys.bits_details(a).converged


def test_gates_close_where_the_logits_are_constant():
    for a in toys.attribute(indifferent(), PerSampleBottleneck(beta=1e-3, steps=15), TEXTS):
        assert toys.bits_details(a).gates[list(a.text.content)].max() < 0.01
        assert a.total < 0.01 * toys.bits_details(a).information[0]


def test_a_large_beta_closes_every_gate():
    for a in toys.attribute(MODEL, PerSampleBottleneck(beta=1e3, steps=15), TEXTS):
        assert toys.bits_details(a).gates[list(a.text.content)].max() < 0.01


def test_beta_zero_keeps_the_prediction_of_a_trained_model(planted: toys.Trained):
    model, statistics = planted
    texts = [text for text, _ in toys.planted_cases(20, seed=6)]
    free, dear = (
        textiba.explain(model, PerSampleBottleneck(layer=0, beta=beta), texts, statistics) for beta in (0.0, 10.0)
    )
    assert np.mean([toys.bits_details(a).probability for a in free]) > 0.95
    assert np.mean([toys.bits_details(a).probability for a in dear]) < 0.8
    assert np.mean([a.total for a in free]) > 100 * np.mean([a.total for a in dear])


def test_special_tokens_carry_no_score_and_stay_open_unless_gated():
    for gate_special in (False, True):
        for a in toys.attribute(MODEL, PerSampleBottleneck(gate_special=gate_special), TEXTS):
            special = np.asarray([word is None for word in a.text.word_ids])
            assert np.array_equal(np.isnan(a.scores), special)
            assert (toys.bits_details(a).gates[special] == 1).all() != gate_special
            assert (toys.bits_details(a).special_bits > 0) == gate_special


def test_another_target_gives_other_bits():
    zero, one = (toys.attribute(MODEL, PerSampleBottleneck(), TEXTS, target=t) for t in (0, 1))
    assert not any(same([a], [b]) for a, b in zip(zero, one, strict=True))
    assert [a.target for a in one] == [1] * len(TEXTS)


@pytest.mark.parametrize(
    ("setting", "rule"),
    [
        ({"beta": -1e-3}, "beta: .*greater than or equal to 0; got -0.001"),
        ({"steps": -1}, "steps: .*greater than or equal to 0; got -1"),
        ({"initial_gate": 1.0}, "initial_gate: .*less than 1; got 1.0"),
        ({"beta": math.nan}, "beta: .*finite number; got nan"),
        ({"gates": "word"}, "gates: .*'token' or 'feature'; got 'word'"),
        ({"samples": 3}, "samples.*even"),
    ],
)
def test_settings_out_of_range_raise_with_rule_and_value(setting: dict[str, Any], rule: str):
    with pytest.raises(SettingError, match=rule):
        PerSampleBottleneck(**setting)


def test_a_layer_the_model_does_not_have():
    with pytest.raises(LayerError, match=r"between 0 .* and 3 .*; got 4"):
        toys.attribute(MODEL, PerSampleBottleneck(layer=4), TEXTS)


def test_statistics_are_needed_and_must_belong_to_the_model():
    forward = toys.forward(MODEL, TEXTS)
    targets = MODEL.predict(forward)
    with pytest.raises(SettingError, match=r"per_sample needs feature statistics; make them with: textiba estimate"):
        PerSampleBottleneck().attribute(MODEL, forward, targets)
    with pytest.raises(StatisticsMismatchError, match="estimate them anew"):
        PerSampleBottleneck().attribute(MODEL, forward, targets, toys.statistics(toys.model(seed=1)))


@pytest.mark.parametrize("gates", ["token", "feature"])
def test_a_beta_path_shares_passes_and_gives_the_results_of_single_runs(gates: Any, monkeypatch: pytest.MonkeyPatch):
    betas = (1e-4, 1e-3, 1e-2)
    [along] = textiba.sweep_grid(PerSampleBottleneck(layer=1, steps=2, gates=gates), betas=betas, path=True)
    variants = along.variants()
    assert [(m.beta, m.path) for m in variants if isinstance(m, PerSampleBottleneck)] == [
        (1e-4, ()), (1e-3, (1e-4,)), (1e-2, (1e-4, 1e-3)),
    ]  # fmt: skip
    statistics, passes, run = toys.statistics(MODEL), [], PerSampleBottleneck._run
    monkeypatch.setattr(PerSampleBottleneck, "_run", lambda *args: passes.append(args) or run(*args))
    together = list(textiba.stream(MODEL, [along], TEXTS, statistics, budget=10_000))
    assert len(passes) == 3 * 2 + 1  # two steps at each, and a last one: the others are the next β's first pass
    assert len(together) == 3 * len(TEXTS)
    for n, variant in enumerate(variants):
        alone = dict(textiba.stream(MODEL, [variant], TEXTS, statistics, budget=10_000))
        for i, a in together[n * len(TEXTS) : (n + 1) * len(TEXTS)]:
            np.testing.assert_array_equal(a.scores, alone[i].scores)
            assert a.settings == alone[i].settings == variant.model_dump(mode="json")
            assert len(toys.bits_details(a).information) == 3  # of this β alone


def test_each_beta_of_a_path_is_a_warm_start_from_the_previous_one():
    statistics = toys.statistics(MODEL)
    first, second = (
        textiba.explain(MODEL, PerSampleBottleneck(layer=1, steps=3, path=path), TEXTS, statistics)
        for path in ((), (1e-4,))
    )
    for a, b in zip(first, second, strict=True):
        assert toys.bits_details(b).information[0] == pytest.approx(toys.bits_details(a).information[-1], rel=1e-4)
