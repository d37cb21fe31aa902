"""Attention scores against the weights that the plain model itself returns, one text at a time."""

from typing import Any

import numpy as np
import pytest
import torch
import toys

from textiba.attribution import Attribution, content_scores
from textiba.errors import UnsupportedModelError
from textiba.methods import Attention, AttentionRollout, Method
from textiba.methods.attention_rollout import rollout
from textiba.model.view import Model
from textiba.texts.tokens import TokenizedText

TEXTS = toys.texts(4, seed=51)

every_kind = pytest.mark.parametrize("kind", sorted(toys.CONFIGS))


def plain(kind: str, text: TokenizedText) -> list[np.ndarray]:
    """Each layer's weights [heads, tokens, tokens]."""
    model = toys.classifier(kind, double=True).eval()
    model.set_attn_implementation("eager")
    with torch.no_grad():
        attentions = model(torch.tensor([text.ids]), output_attentions=True).attentions
    return [layer[0].numpy() for layer in attentions]


def same(a: Attribution, expected: np.ndarray) -> None:
    np.testing.assert_allclose(content_scores(a), expected[list(a.text.content)], rtol=1e-5, atol=1e-9)


@every_kind
def test_attention_is_the_last_layer_s_first_row(kind: str):
    for a in toys.attribute(toys.model(kind, double=True), Attention(), TEXTS):
        same(a, plain(kind, a.text)[-1].mean(axis=0)[0])


@every_kind
def test_rollout_equals_the_literal_loop(kind: str):
    for a in toys.attribute(toys.model(kind, double=True), AttentionRollout(), TEXTS):
        flow = np.eye(len(a.text))
        for layer in plain(kind, a.text):
            mixed = 0.5 * layer.mean(axis=0) + 0.5 * np.eye(len(a.text))
            flow = (mixed / mixed.sum(axis=1, keepdims=True)) @ flow
        same(a, flow[0])


def test_rows_of_the_rollout_sum_to_one():
    weights = torch.rand(3, 2, 5, 5).softmax(dim=-1)
    flow = rollout(weights)
    assert torch.allclose(flow.sum(dim=-1), torch.ones(2, 5))
    assert torch.allclose(rollout(torch.eye(5).expand(3, 2, 5, 5)), torch.eye(5).expand(2, 5, 5))


@every_kind
def test_the_model_keeps_its_attention_implementation_and_gets_no_hooks(kind: str):
    model = toys.model(kind)
    before = model.module.config._attn_implementation
    for method in (Attention(), AttentionRollout()):
        toys.attribute(model, method, TEXTS)
    assert before != "eager"
    assert model.module.config._attn_implementation == before
    assert not any(module._forward_hooks for module in model.module.modules())


@pytest.mark.parametrize(("method", "run"), [(Attention(), 1), (AttentionRollout(), 3)])
def test_a_layer_without_attention_weights_raises(method: Method, run: int):
    model = Model(toys.classifier(), toys.tokenizer())
    last: Any = model.layers[-1].get_submodule("attention.self")
    whole = type(last).forward
    last.__class__ = type("Silent", (type(last),), {"forward": lambda self, *a, **k: (whole(self, *a, **k)[0], None)})
    rule = rf"of the {run} layers of model that were run, {run - 1} returned attention weights. Use another method"
    with pytest.raises(UnsupportedModelError, match=rule):
        toys.attribute(model, method, TEXTS)
