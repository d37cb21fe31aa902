"""LRP: rules on tiny tensors, a whole model against relevance propagated by hand, and conservation."""

import math
from typing import Any

import numpy as np
import pytest
import torch
import toys
from torch import Tensor, nn
from torch.nn import functional

from textiba.attribution import content_scores
from textiba.errors import SettingError, UnsupportedModelError
from textiba.methods import LRP
from textiba.methods.lrp import handed_back, relevance, relevance_by_layer
from textiba.methods.lrp_rules import SHARES, identity_rule, layer_norm_rule, scale_rule, with_rules
from textiba.model.view import Model

TEXTS = toys.texts(3, seed=61)


def gradient(y: Tensor, x: Tensor, upstream: Tensor) -> Tensor:
    return torch.autograd.grad((y * upstream).sum(), x)[0]


def test_scale_rule_keeps_the_value_and_a_share_of_the_gradient():
    x = torch.randn(5, requires_grad=True)
    y = scale_rule(x, 0.25)
    assert torch.equal(y, x)
    assert torch.allclose(gradient(y, x, torch.arange(5.0)), 0.25 * torch.arange(5.0))


def test_identity_rule_passes_relevance_unchanged():
    x = torch.tensor([-2.0, -0.5, 0.0, 0.3, 4.0], requires_grad=True)
    upstream = torch.tensor([1.0, -2.0, 3.0, 4.0, 5.0])
    for function in (functional.gelu, torch.tanh, torch.relu):
        y = identity_rule(function, x)
        assert torch.equal(y, function(x))
        assert torch.allclose(x * gradient(y, x, upstream), y * upstream)


def test_layer_norm_rule_conserves_but_for_the_bias():
    x = torch.randn(4, 6, dtype=torch.float64, requires_grad=True)
    weight, bias, upstream = (torch.randn(6, dtype=torch.float64) for _ in range(3))
    y = layer_norm_rule(x, weight, bias, 1e-12)
    assert torch.allclose(y, functional.layer_norm(x, (6,), weight, bias, 1e-12))
    relevance = x * gradient(y, x, upstream)
    assert torch.allclose(relevance.sum(dim=1), ((y - bias) * upstream).sum(dim=1))


# The functions below propagate relevance as the papers write it, with divisions, through a BERT written in matrices.


def through_linear(x: Tensor, layer: Any, relevance: Tensor) -> Tensor:
    return x * ((relevance / (x @ layer.weight.T + layer.bias)) @ layer.weight)


def through_norm(x: Tensor, norm: Any, relevance: Tensor) -> Tensor:
    width = x.shape[-1]
    std = (x.var(dim=-1, correction=0) + norm.eps).sqrt()[:, None, None]
    matrix = torch.diag(norm.weight) @ (torch.eye(width, dtype=x.dtype) - 1 / width) / std  # [tokens, out, in]
    y = torch.einsum("toi,ti->to", matrix, x) + norm.bias
    return x * torch.einsum("to,toi->ti", relevance / y, matrix)


def through_attention(
    q: Tensor, k: Tensor, v: Tensor, relevance: Tensor, uniform: bool
) -> tuple[Tensor, Tensor, Tensor]:
    """Of one head, all [tokens, features]."""
    s = q @ k.T / math.sqrt(q.shape[1])
    a = s.softmax(dim=1)
    parts = a[:, :, None] * v[None] * (relevance / (a @ v))[:, None]  # [query, key, feature]
    if not uniform:
        return torch.zeros_like(q), torch.zeros_like(k), parts.sum(dim=0)
    of_weights = parts.sum(dim=2) / 2
    of_scores = s * (of_weights - a * of_weights.sum(dim=1, keepdim=True))
    products = q[:, None] * k[None] / math.sqrt(q.shape[1]) * (of_scores / s)[:, :, None]
    return products.sum(dim=1) / 2, products.sum(dim=0) / 2, parts.sum(dim=0) / 2


@torch.no_grad()
def literal(bert: Any, ids: tuple[int, ...], target: int, uniform: bool) -> Tensor:
    """Relevance [tokens] of the embedding output, for one text."""
    steps = []
    x = bert.bert.embeddings(torch.tensor([ids]))[0]
    first = x
    for layer in bert.bert.encoder.layer:
        attention, heads = layer.attention, bert.config.num_attention_heads
        q, k, v = (p(x).chunk(heads, dim=1) for p in (attention.self.query, attention.self.key, attention.self.value))
        context = torch.cat([(q[h] @ k[h].T / math.sqrt(q[h].shape[1])).softmax(1) @ v[h] for h in range(heads)], dim=1)
        mixed = attention.output.dense(context)
        middle = attention.output.LayerNorm(mixed + x)
        wide = layer.intermediate.dense(middle)
        narrow = layer.output.dense(functional.gelu(wide))
        steps.append((layer, x, q, k, v, context, mixed, middle, wide, narrow))
        x = layer.output.LayerNorm(narrow + middle)
    pooled = bert.bert.pooler.dense(x[:1])
    logits = bert.classifier(pooled.tanh())
    r = through_linear(pooled.tanh(), bert.classifier, functional.one_hot(torch.tensor([target]), 3) * logits)
    r = torch.cat([through_linear(x[:1], bert.bert.pooler.dense, r), torch.zeros_like(x[1:])])
    for layer, x, q, k, v, context, mixed, middle, wide, narrow in reversed(steps):
        attention = layer.attention
        r = through_norm(narrow + middle, layer.output.LayerNorm, r) / (narrow + middle)
        r_wide = through_linear(functional.gelu(wide), layer.output.dense, r * narrow)
        r = r * middle + through_linear(middle, layer.intermediate.dense, r_wide)
        r = through_norm(mixed + x, attention.output.LayerNorm, r) / (mixed + x)
        r_context = through_linear(context, attention.output.dense, r * mixed).chunk(len(q), dim=1)
        heads = [through_attention(*parts, uniform) for parts in zip(q, k, v, r_context, strict=True)]
        r = r * x
        projections = attention.self.query, attention.self.key, attention.self.value
        for projection, pieces in zip(projections, zip(*heads, strict=True), strict=True):
            r = r + through_linear(x, projection, torch.cat(pieces, dim=1))
    assert r.shape == first.shape
    return r.sum(dim=1)


def with_biases(kind: str = "bert") -> Any:
    """A toy model with random biases instead of the initial zeros."""
    model = toys.classifier(kind, double=True).eval()
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith("bias"):
                parameter.copy_(0.1 * torch.randn(parameter.shape, generator=generator))
    return model


@pytest.mark.parametrize("attention", ["uniform", "constant"])
def test_equals_relevance_propagated_by_hand(attention: Any):
    bert = with_biases()
    model = Model(bert, toys.tokenizer())
    forward = toys.forward(model, TEXTS)
    targets = model.predict(forward)
    for a in LRP(attention=attention).attribute(model, forward, targets):
        expected = literal(bert, a.text.ids, a.target, attention == "uniform").numpy()
        np.testing.assert_allclose(content_scores(a), expected[list(a.text.content)], rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("kind", sorted(toys.CONFIGS))
def test_without_biases_constant_attention_conserves_the_logit(kind: str):
    classifier = toys.classifier(kind, double=True, biases=False)
    model = Model(classifier, toys.tokenizer_for(kind))
    assert not any(p.any() for name, p in model.module.named_parameters() if name.endswith("bias"))
    forward = toys.forward(model, TEXTS)
    targets = model.predict(forward)
    total = relevance(model, forward, targets, SHARES["constant"]).sum(dim=1)
    assert torch.allclose(total, forward.logits.gather(1, targets[:, None])[:, 0])
    total = relevance(model, forward, targets, SHARES["constant"], "margin").sum(dim=1)
    assert torch.allclose(total, handed_back(forward.logits, targets, "margin"))


def test_the_margin_is_over_the_mean_of_the_others():
    logits, targets = torch.tensor([[1.0, 2.0, 4.0], [1.0, 2.0, 4.0]]), torch.tensor([2, 0])
    assert handed_back(logits, targets, "logit").tolist() == [4.0, 1.0]
    assert handed_back(logits, targets, "margin").tolist() == [2.5, -2.0]
    with pytest.raises(SettingError, match=r"a margin needs two classes or more; the model has 1. Use output='logit'"):
        handed_back(logits[:, :1], targets * 0, "margin")


def test_relevance_of_the_margin_is_that_of_its_logits():
    model = toys.model(double=True)
    forward = toys.forward(model, TEXTS)
    each = [relevance(model, forward, torch.full((len(TEXTS),), k), SHARES["uniform"]) for k in range(3)]
    margin = relevance(model, forward, torch.ones(len(TEXTS), dtype=torch.long), SHARES["uniform"], "margin")
    assert torch.allclose(margin, each[1] - (each[0] + each[2]) / 2)


def test_a_copy_with_rules_is_cached():
    model = toys.model()
    made = with_rules(model, SHARES["uniform"])
    assert with_rules(model, dict(SHARES["uniform"])) is made
    assert with_rules(model, SHARES["constant"]) is not made
    assert with_rules(Model(model.module, model.tokenizer), SHARES["uniform"]) is not made


@pytest.mark.parametrize("kind", ["bert", "roberta"])
def test_one_pass_gives_the_relevance_at_every_layer(kind: str):
    model = toys.model(kind)
    forward = toys.forward(model, TEXTS)
    targets = torch.ones(len(TEXTS), dtype=torch.long)
    every = range(model.n_layers + 1)
    found = relevance_by_layer(model, forward, targets, SHARES["uniform"], every)
    assert found.shape == (model.n_layers + 1, *forward.batch.input_ids.shape)
    rules = with_rules(model, SHARES["uniform"])
    for layer, state in enumerate(forward.hidden_states):  # each layer's by a run of its own, from there
        start = state.detach().requires_grad_(True)
        logits = rules.run_from(forward.batch, layer, start)
        expected = (start * gradient(logits, start, torch.eye(model.n_labels)[1].expand_as(logits))).sum(dim=2)
        torch.testing.assert_close(found[layer], expected, rtol=1e-4, atol=1e-5)
    some = relevance_by_layer(model, forward, targets, SHARES["uniform"], [1, 3])
    torch.testing.assert_close(some, found[[1, 3]], rtol=1e-4, atol=1e-5)


def test_uniform_attention_loses_relevance_only_at_softmax():
    """With queries of zero no relevance passes softmax: each head keeps the half that goes to the values."""
    bert = toys.classifier(double=True, num_hidden_layers=1).eval()
    attention = bert.bert.encoder.layer[0].attention
    with torch.no_grad():
        attention.self.query.weight.zero_()
        attention.self.query.bias.zero_()
    model = Model(bert, toys.tokenizer())
    forward = toys.forward(model, TEXTS)
    targets = model.predict(forward)
    whole, half = (relevance(model, forward, targets, SHARES[name]).sum(dim=1) for name in ("constant", "uniform"))
    no_values = relevance(model, forward, targets, {"query": 0.0, "key": 0.0, "value": 0.0}).sum(dim=1)
    assert torch.allclose(half, (whole + no_values) / 2)
    assert not torch.allclose(half, whole)


@pytest.mark.parametrize("kind", sorted(toys.CONFIGS))
def test_the_model_keeps_its_modules(kind: str):
    model = toys.model(kind)
    before = [(name, id(module), type(module)) for name, module in model.module.named_modules()]
    toys.attribute(model, LRP(), TEXTS)
    assert [(name, id(module), type(module)) for name, module in model.module.named_modules()] == before
    x = torch.tensor([0.5], requires_grad=True)
    assert torch.allclose(gradient(nn.Tanh()(x), x, torch.ones(1)), 1 - x.tanh() ** 2), "tanh has its own gradient back"


def test_an_attention_rule_that_does_not_exist():
    with pytest.raises(SettingError, match=r"attention: .*'uniform' or 'constant'; got 'rollout'"):
        LRP(attention="rollout")  # type: ignore[arg-type]


def renamed(attention: Any) -> None:
    """Renames the query projection; the class finds it through a property."""
    attention._modules["asks"] = attention._modules.pop("query")
    attention.__class__ = type("Renamed", (type(attention),), {"query": property(lambda self: self._modules["asks"])})


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (
            lambda layer: renamed(layer.attention.self),
            "one query, one key and one value .* layer 1 of model has 0, 1 and 1",
        ),
        (
            lambda layer: setattr(layer.attention.self, "key", nn.Sequential(layer.attention.self.key)),
            "one query, one key and one value .* layer 1 of model has 1, 0 and 1",
        ),
        (
            lambda layer: setattr(layer.intermediate, "intermediate_act_fn", Ours()),
            "a normalisation module and a .* activation .* layer 1 of model has 2 and 0",
        ),
        (
            lambda layer: [setattr(m, "LayerNorm", Ours()) for m in (layer.attention.output, layer.output)],
            "a normalisation module and a .* activation .* layer 1 of model has 0 and 1",
        ),
    ],
    ids=["renamed", "wrapped", "activation", "norm"],
)
def test_a_layer_without_rules_raises_instead_of_gradient_times_input(change: Any, found: str):
    bert = toys.classifier()
    change(bert.bert.encoder.layer[1])
    with pytest.raises(UnsupportedModelError, match=found):
        toys.attribute(Model(bert, toys.tokenizer()), LRP(), TEXTS)


class Ours(nn.Module):
    """A module that is neither a LayerNorm nor a Hugging Face activation."""

    def forward(self, x: Tensor) -> Tensor:
        return functional.gelu(x)
