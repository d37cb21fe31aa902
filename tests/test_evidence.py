"""Evidence: completeness, equality with a literal Riemann sum, and the sign of the scores."""

from typing import Any, Literal

import numpy as np
import pytest
import torch
import toys
from torch import Tensor

from textiba.errors import LayerError, SettingError
from textiba.methods import Evidence
from textiba.methods.evidence import quadrature
from textiba.model.view import Model
from textiba.texts.tokens import TokenizedText

TEXTS = toys.texts(5, seed=8)
MODEL = toys.model()


@pytest.fixture(scope="module")
def calm() -> tuple[Model, Any]:
    """A model in double precision that is smooth enough for a plain Riemann sum to converge."""
    bert = toys.classifier(double=True, initializer_range=0.1).eval()
    return Model(bert, toys.tokenizer()), bert


@pytest.mark.parametrize("gate_special", [False, True])
@pytest.mark.parametrize("closed", ["mean", "mask"])
def test_evidence_sums_to_the_difference_of_log_probabilities(calm: tuple[Model, Any], closed: Any, gate_special: bool):
    model, _ = calm
    for layer in range(model.n_layers + 1):
        method = Evidence(layer=layer, nodes=40, closed=closed, gate_special=gate_special)
        for a in toys.attribute(model, method, TEXTS):
            d = toys.evidence_details(a)
            assert abs(d.residual) < 1e-5
            assert d.opened - d.closed == pytest.approx(a.total + d.special + d.residual, abs=1e-6)
            assert d.opened == pytest.approx(np.log(a.probability), abs=1e-6)


def test_the_residual_shrinks_as_nodes_are_added():
    worst = []
    for nodes in (1, 5, 50, 200):
        found = toys.attribute(MODEL, Evidence(layer=1, nodes=nodes), TEXTS)
        worst.append(max(abs(toys.evidence_details(a).residual) for a in found))
    assert worst[0] > 1e-2, "a toy on which one node is exact proves nothing"
    assert worst[-1] < 1e-3
    assert worst[-1] < worst[1] < worst[0]


def literal(
    bert: Any, text: TokenizedText, layer: int, target: int, closed: Tensor | Literal["mask"], gate_special: bool
) -> list[float]:
    """∫₀¹ ⟨∂ log p/∂Z_t, R_t − R₀_t⟩ dλ by 120 midpoints, one text, the whole model each time."""

    def hidden(ids: tuple[int, ...]) -> Tensor:
        with torch.no_grad():
            types = torch.tensor([text.type_ids])
            output = bert(torch.tensor([ids]), token_type_ids=types, output_hidden_states=True)
        return output.hidden_states[layer][0]

    state = hidden(text.ids)
    reference = state.clone()
    masked = hidden(text.substitute(text.content, toys.VOCABULARY.index("[MASK]")).ids)
    for i in range(len(text)):
        if gate_special or i in text.content:
            reference[i] = masked[i] if isinstance(closed, str) else closed
    total, points = torch.zeros(len(text), dtype=state.dtype), 120
    for k in range(points):
        z = (reference + (k + 0.5) / points * (state - reference)).requires_grad_(True)
        log_p = toys.with_state(bert, text, layer, z).log_softmax(1)[0, target]
        (gradient,) = torch.autograd.grad(log_p, z)
        total += ((state - reference) * gradient).sum(dim=1) / points
    return total.tolist()


@pytest.mark.parametrize(
    "method",
    [
        Evidence(layer=0, nodes=40),
        Evidence(layer=2, nodes=40, gate_special=True),
        Evidence(layer=1, nodes=40, closed="mask"),
        Evidence(layer=3, nodes=40),
    ],
    ids=["embeddings", "special", "mask", "top-layer"],
)
def test_equals_the_literal_riemann_sum(calm: tuple[Model, Any], method: Evidence):
    model, bert = calm
    mean = toys.statistics(model).mean[method.layer]
    for a in toys.attribute(model, method, TEXTS[:2], target=1):
        expected = np.asarray(
            literal(bert, a.text, method.place, 1, mean if method.closed == "mean" else "mask", method.gate_special)
        )
        content = list(a.text.content)
        np.testing.assert_allclose(a.scores[content], expected[content], rtol=0, atol=5e-4 * np.abs(expected).max())
        assert toys.evidence_details(a).special == pytest.approx(expected.sum() - expected[content].sum(), abs=5e-4)


def test_one_node_is_exact_where_the_model_is_linear(monkeypatch: pytest.MonkeyPatch):
    forward = toys.forward(MODEL, TEXTS)
    weight = torch.randn(MODEL.module.config.hidden_size, generator=torch.Generator().manual_seed(0)) / 10

    def run_from(_self: Model, batch: Any, _layer: int, state: Tensor) -> Tensor:
        """Logits (z, 0) with z far below 0, so that log p(0) = z in float precision."""
        z = ((state @ weight) * batch.attention_mask).sum(dim=1) - 100
        return torch.stack([z, torch.zeros_like(z)], dim=1)

    monkeypatch.setattr(Model, "run_from", run_from)
    statistics = toys.statistics(MODEL)
    targets = torch.zeros(len(TEXTS), dtype=torch.long)
    for i, a in enumerate(Evidence(layer=2, nodes=1).attribute(MODEL, forward, targets, statistics)):
        exact = (forward.hidden_states[2][i] - statistics.mean[2].float()) @ weight
        content = list(a.text.content)
        np.testing.assert_allclose(a.scores[content], exact[content].numpy(), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("nodes", [1, 2, 5, 9])
def test_the_quadrature_is_exact_for_polynomials_up_to_its_degree(nodes: int):
    for power in range(2 * nodes):
        integral = sum(weight * place**power for weight, place in quadrature(nodes))
        assert integral == pytest.approx(1 / (power + 1), rel=1e-12)


@pytest.mark.parametrize("closed", ["mean", "mask"])
def test_a_text_s_scores_do_not_depend_on_its_batch(closed: Any):
    method = Evidence(closed=closed)
    together = toys.attribute(MODEL, method, TEXTS)
    backwards = toys.attribute(MODEL, method, TEXTS[::-1])[::-1]
    alone = [toys.attribute(MODEL, method, [text])[0] for text in TEXTS]
    for others in (backwards, alone):
        for a, b in zip(together, others, strict=True):
            assert np.nanmax(np.abs(a.scores - b.scores)) <= 1e-4 * np.nanmax(np.abs(a.scores))


def test_the_sign_turns_with_the_target_and_the_cue_speaks_for_its_class(planted: toys.Trained):
    model, statistics = planted
    cases = toys.planted_cases(20, seed=9)
    forward = toys.forward(model, [text for text, _ in cases])
    labels = torch.tensor([text.label for text, _ in cases])
    found = [Evidence(layer=0).attribute(model, forward, t, statistics) for t in (labels, 1 - labels)]
    for speaks_for, speaks_against, (_, place) in zip(*found, cases, strict=True):
        cue = speaks_for.text.content[place]
        assert speaks_for.scores[cue] > 0 > speaks_against.scores[cue]


@pytest.mark.parametrize(
    ("output", "unit"), [("auto", "nats"), ("log_odds", "nats"), ("logit", "nats"), ("probability", "score")]
)
def test_the_unit_follows_the_explained_output(output: Any, unit: str):
    [a] = toys.attribute(MODEL, Evidence(layer=1, output=output), TEXTS[:1])
    assert a.unit == unit


def test_no_statistics_are_needed_with_closed_mask():
    forward = toys.forward(MODEL, TEXTS)
    targets = MODEL.predict(forward)
    assert len(Evidence(closed="mask").attribute(MODEL, forward, targets)) == len(TEXTS)
    with pytest.raises(SettingError, match=r"evidence needs feature statistics; make them with: textiba estimate"):
        Evidence(closed="mean").attribute(MODEL, forward, targets)


def test_closed_by_mask_needs_a_mask_token(monkeypatch: pytest.MonkeyPatch):
    toys.without_token(monkeypatch, MODEL, "mask")
    with pytest.raises(SettingError, match="closed='mask' needs a tokenizer with a mask token; use closed='mean'"):
        toys.attribute(MODEL, Evidence(closed="mask"), TEXTS)


def test_settings_and_layers_out_of_range():
    with pytest.raises(SettingError, match=r"nodes: .*greater than or equal to 1; got 0"):
        Evidence(nodes=0)
    with pytest.raises(SettingError, match=r"closed: .*'mean' or 'mask'; got 'zero'"):
        Evidence(closed="zero")  # type: ignore[arg-type]
    with pytest.raises(LayerError, match="; got 9"):
        toys.attribute(MODEL, Evidence(layer=9), TEXTS)
