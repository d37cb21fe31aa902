"""The narrow last layer, which skips tokens that the head does not read, and merged tokens."""

import pytest
import torch
import toys
from torch import Tensor, nn

from textiba.attribution import EvidenceDetails
from textiba.methods import Evidence
from textiba.model.narrow import first_token_only
from textiba.model.view import Model
from textiba.runs.stream import explain

TEXTS = toys.texts(5, seed=1)


@pytest.mark.parametrize("kind", sorted(toys.CONFIGS))
def test_the_last_layer_continues_with_the_first_token_only(kind: str):
    model = Model(toys.classifier(kind), toys.tokenizer())
    widths: list[int] = []
    last = model.layers[-1]
    feed_forward = [m for m in last.modules() if isinstance(m, nn.Linear)][-1]
    handle = feed_forward.register_forward_hook(lambda _module, given, _out: widths.append(given[0].shape[1]))
    batch = model.collate(model.tokenize(TEXTS))
    widths.clear()
    model.logits(batch)
    hidden = model.forward(batch).hidden_states
    model.run_from(batch, 1, hidden[1])
    assert widths == [1, 1, 1]
    assert hidden[-1] is hidden[len(hidden) - 1]  # made once, and whole
    handle.remove()
    assert widths[3:] == [batch.input_ids.shape[1]]


@pytest.mark.parametrize("kind", sorted(toys.CONFIGS))
def test_the_last_state_equals_the_model_s(kind: str):
    model = toys.model(kind)
    batch = model.collate(model.tokenize(TEXTS))
    with torch.no_grad():
        whole = model.module(**toys.arguments(batch), output_hidden_states=True)
    hidden = model.forward(batch).hidden_states
    assert len(hidden) == len(whole.hidden_states)
    for ours, expected in zip(hidden, whole.hidden_states, strict=True):
        torch.testing.assert_close(ours[batch.attention_mask], expected[batch.attention_mask])
    assert len(hidden[1:]) == len(hidden) - 1
    with pytest.raises(IndexError):
        hidden[len(hidden)]


@pytest.mark.parametrize("attention", ["eager", "sdpa"])
@pytest.mark.parametrize("kind", ["bert", "roberta", "electra"])
def test_attention_has_only_the_first_token_s_query(kind: str, attention: str):
    classifier = toys.classifier(kind).eval()
    classifier.set_attn_implementation(attention)
    model = Model(classifier, toys.tokenizer())
    batch = model.collate(model.tokenize(TEXTS))
    seen: dict[str, list[int]] = {name: [] for name in ("query", "key", "value")}
    asked = model.layers[-1].get_submodule("attention.self")
    for name, widths in seen.items():
        asked.get_submodule(name).register_forward_hook(lambda _m, given, _out, w=widths: w.append(given[0].shape[1]))
    with torch.no_grad():
        torch.testing.assert_close(model.logits(batch), model.module(**toys.arguments(batch)).logits)
    tokens = batch.input_ids.shape[1]
    assert seen == {"query": [1, tokens], "key": [tokens], "value": [tokens]}  # the second is the whole model's


@pytest.mark.parametrize("kind", ["bert", "roberta", "electra"])
def test_projections_that_are_not_linear_modules_are_run(kind: str):
    class Twice(nn.Linear):
        def forward(self, input: Tensor) -> Tensor:  # noqa: A002 - its name in torch
            return 2 * super().forward(input)

    classifier = toys.classifier(kind).eval()
    attention = classifier.base_model.encoder.layer[-1].attention.self
    twice = Twice(attention.value.in_features, attention.value.out_features)
    twice.load_state_dict(attention.value.state_dict())
    attention.value = twice
    model = Model(classifier, toys.tokenizer())
    batch = model.collate(model.tokenize(TEXTS))
    whole = model.run_from(batch, 1, model.run_to(batch, 1), {model.n_layers: lambda state: state})
    torch.testing.assert_close(model.logits(batch), whole)


@pytest.mark.parametrize("kind", sorted(toys.CONFIGS))
@pytest.mark.parametrize("special", [False, True])
def test_one_token_replaces_all_tokens_with_equal_states(kind: str, special: bool):
    model = toys.model(kind)
    first, *others = model.tokenize(TEXTS)
    batch = model.collate([first.hide([2, 3]), *others])  # a token that is not attended to is not counted
    alike = batch.attention_mask if special else batch.content
    state = model.run_to(batch, 1)
    state[alike] = torch.randn(state.shape[-1], generator=torch.Generator().manual_seed(0))
    merged, places = batch.merge(alike)
    assert merged.input_ids.shape[1] == (1 if special else 3)
    assert merged.stands_for is not None
    assert merged.stands_for.sum(dim=1).tolist() == batch.attention_mask.sum(dim=1).tolist()
    short = state.gather(1, places[..., None].expand(-1, -1, state.shape[-1]))
    for layer in range(model.n_layers + 1):
        expected = model.run_from(batch, layer, state)
        torch.testing.assert_close(model.run_from(merged, layer, short), expected)
        twice = model.run_from(merged.repeat(2), layer, short.repeat(2, 1, 1))
        torch.testing.assert_close(twice, expected.repeat(2, 1))


def test_a_head_that_reads_other_tokens_gets_them():
    class OfAll(nn.Module):
        def __init__(self, inner: nn.Module):
            super().__init__()
            self.inner = inner

        def forward(self, hidden: Tensor) -> Tensor:
            return self.inner(hidden.mean(dim=1, keepdim=True))

    classifier = toys.classifier("bert").eval()
    classifier.bert.pooler = OfAll(classifier.bert.pooler)
    model = Model(classifier, toys.tokenizer())
    batch = model.collate(model.tokenize(TEXTS))
    with torch.no_grad():
        expected = classifier(**toys.arguments(batch)).logits
    torch.testing.assert_close(model.logits(batch), expected)
    torch.testing.assert_close(model.run_from(batch, 2, model.run_to(batch, 2)), expected)
    # With all gates closed, tokens are not merged: the head reads all tokens, and would see too few.
    assert not model.can_merge
    [found] = explain(model, Evidence(layer=1, nodes=50), TEXTS[:1], toys.statistics(model))
    assert isinstance(found.details, EvidenceDetails)
    assert abs(found.details.residual) < 1e-3


def test_a_layer_with_unknown_module_names_runs_for_all_tokens():
    layer = nn.Sequential(nn.Linear(2, 2))
    assert list(first_token_only(layer)) == []
