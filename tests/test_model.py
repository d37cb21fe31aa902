"""The split run: for every toy, leaving and entering at any layer changes nothing."""

from collections.abc import Callable
from functools import partial
from itertools import combinations
from typing import Any

import numpy as np
import pytest
import torch
import toys
from torch import Tensor, nn
from transformers import BertForMaskedLM, BertForTokenClassification, BertModel

from textiba.attribution import content_scores
from textiba.errors import InputError, LayerError, NotFiniteError, TargetError, UnsupportedModelError
from textiba.evaluation.degradation import degrade
from textiba.evaluation.metrics import rank_agreement
from textiba.methods import Evidence
from textiba.model.view import Model
from textiba.runs.stream import explain

ARCHITECTURES = sorted(toys.CONFIGS)
TEXTS = toys.texts(5, seed=1)


@pytest.mark.parametrize("kind", ARCHITECTURES)
class TestSplitRun:
    """Run for each toy; `test_families.py` has every family of transformers."""

    def test_the_batch_of_these_tests_is_padded(self, kind: str):
        batch = toys.forward(toys.model(kind), TEXTS).batch
        assert not batch.attention_mask.all()

    def test_run_from_goes_on_where_run_to_left(self, kind: str):
        model = toys.model(kind)
        batch = toys.forward(model, TEXTS).batch
        whole = model.logits(batch)
        assert whole.std(dim=0).min() > 1e-2, "a toy whose logits hardly vary proves nothing"
        for layer in range(model.n_layers + 1):
            split = model.run_from(batch, layer, model.run_to(batch, layer))
            assert (split - whole).abs().max() < 1e-5, f"layer {layer}"

    def test_hidden_states_and_logits_are_hugging_face_s(self, kind: str):
        classifier = toys.classifier(kind).eval()
        model = Model(classifier, toys.tokenizer_for(kind))
        forward = toys.forward(model, TEXTS)
        batch = forward.batch
        with torch.no_grad():
            output = classifier(**toys.arguments(batch), output_hidden_states=True)
        assert len(forward.hidden_states) == len(output.hidden_states) == model.n_layers + 1
        torch.testing.assert_close(forward.logits, output.logits, rtol=0, atol=1e-5)
        for layer, (ours, theirs) in enumerate(zip(forward.hidden_states, output.hidden_states, strict=True)):
            torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-5)
            torch.testing.assert_close(model.run_to(batch, layer), theirs, rtol=0, atol=1e-5)

    def test_the_state_given_is_the_state_used(self, kind: str):
        model = toys.model(kind)
        batch = toys.forward(model, TEXTS).batch
        for layer in range(model.n_layers + 1):
            state = model.run_to(batch, layer)
            noise = torch.randn(state.shape, generator=torch.Generator().manual_seed(layer))
            changed = model.run_from(batch, layer, state + noise)
            assert (changed - model.logits(batch)).abs().max() > 1e-3, f"layer {layer}"

    def test_a_state_that_is_not_changed_on_the_way_changes_nothing(self, kind: str):
        model = toys.model(kind)
        forward = toys.forward(model, TEXTS)
        top = model.n_layers
        for layer in range(top):
            arrived: dict[int, Tensor] = {}
            through = {above: partial(_note, arrived, above) for above in range(top, layer, -1)}
            changed = model.run_from(forward.batch, layer, forward.hidden_states[layer], through)
            plain = model.run_from(forward.batch, layer, forward.hidden_states[layer])
            torch.testing.assert_close(changed, plain, rtol=0, atol=1e-5)
            assert list(arrived) == list(range(layer + 1, top + 1)), "each once, in the order of the layers"
            for above, state in arrived.items():
                torch.testing.assert_close(state, forward.hidden_states[above], rtol=0, atol=1e-5)

    def test_a_state_that_is_changed_on_the_way_goes_on_changed(self, kind: str):
        model = toys.model(kind)
        batch = toys.forward(model, TEXTS).batch
        for layer, above in combinations(range(model.n_layers + 1), 2):
            start, arriving = model.run_to(batch, layer), model.run_to(batch, above)
            noise = torch.randn(arriving.shape, generator=torch.Generator().manual_seed(above))
            changed = model.run_from(batch, layer, start, {above: lambda state, noise=noise: 0.5 * state + noise})
            expected = model.run_from(batch, above, 0.5 * arriving + noise)
            torch.testing.assert_close(changed, expected, rtol=0, atol=1e-5)
            assert (changed - model.logits(batch)).abs().max() > 1e-3, f"layers {layer} and {above}"

    def test_logits_do_not_depend_on_batch_mates_or_order(self, kind: str):
        model = toys.model(kind)
        together = toys.forward(model, TEXTS).logits
        backwards = toys.forward(model, TEXTS[::-1]).logits.flip(0)
        alone = torch.cat([toys.forward(model, [text]).logits for text in TEXTS])
        torch.testing.assert_close(backwards, together, rtol=0, atol=1e-5)
        torch.testing.assert_close(alone, together, rtol=0, atol=1e-5)

    def test_a_text_of_the_greatest_length_runs(self, kind: str):
        model = toys.model(kind)
        text = " ".join(["film"] * (model.max_length - 2))
        forward = toys.forward(model, [text])
        assert model.max_length == toys.MAX_LENGTH
        assert forward.batch.input_ids.shape == (1, model.max_length)

    def test_gradients_reach_the_state_and_no_weight(self, kind: str):
        classifier = toys.classifier(kind)
        model = Model(classifier, toys.tokenizer_for(kind))
        batch = toys.forward(model, TEXTS).batch
        state = model.run_to(batch, 1).requires_grad_(True)
        model.run_from(batch, 1, state).square().sum().backward()
        assert state.grad is not None
        assert state.grad.abs().sum() > 0
        assert all(p.grad is None for p in classifier.parameters())
        assert all(p.grad is None and not p.requires_grad for p in model.module.parameters())


def _note(arrived: dict[int, Tensor], layer: int, state: Tensor) -> Tensor:
    assert layer not in arrived
    arrived[layer] = state
    return state


def _snapshot(classifier: nn.Module) -> dict[str, Any]:
    """Everything that a caller may observe about a model, besides its weights."""
    return {
        "modules": [(name, id(module)) for name, module in classifier.named_modules()],
        "parameters": [(name, id(p), p.requires_grad, p.grad is None) for name, p in classifier.named_parameters()],
        "training": [module.training for module in classifier.modules()],
        "hooks": [
            (len(module._forward_hooks), len(module._forward_pre_hooks), len(module._backward_hooks))
            for module in classifier.modules()
        ],
        "attributes": [sorted(vars(module)) for module in classifier.modules()],
    }


def _use(model: Model) -> None:
    batch = toys.forward(model, TEXTS).batch
    state = model.run_to(batch, 1).requires_grad_(True)
    torch.autograd.grad(model.run_from(batch, 1, state, {2: torch.relu, 3: torch.relu}).sum(), state)


@pytest.mark.parametrize("kind", ARCHITECTURES)
@pytest.mark.parametrize("training", [True, False])
def test_the_caller_s_model_stays_as_it_was(kind: str, training: bool):
    classifier = toys.classifier(kind).train(training)
    next(classifier.parameters()).requires_grad_(False)  # a mixed model must stay mixed
    before, weights = _snapshot(classifier), {k: v.clone() for k, v in classifier.state_dict().items()}
    _use(Model(classifier, toys.tokenizer_for(kind)))
    assert _snapshot(classifier) == before
    assert all(torch.equal(v, weights[k]) for k, v in classifier.state_dict().items())


@pytest.mark.parametrize("call", ["logits", "forward", "run_to", "run_from"])
def test_the_caller_s_model_stays_as_it_was_after_an_exception_in_a_layer(call: str):
    classifier = toys.classifier().train()

    def explode(*_: object) -> None:
        raise RuntimeError("inside layer 1")

    before, weights = _snapshot(classifier), {k: v.clone() for k, v in classifier.state_dict().items()}
    model = Model(classifier, toys.tokenizer())
    model.layers[1].register_forward_pre_hook(explode)
    batch = model.collate(model.tokenize(TEXTS))
    calls: dict[str, Callable[[], object]] = {
        "logits": lambda: model.logits(batch),
        "forward": lambda: model.forward(batch),
        "run_to": lambda: model.run_to(batch, 2),
        "run_from": lambda: model.run_from(batch, 1, model.run_to(batch, 1)),
    }
    with pytest.raises(RuntimeError, match="inside layer 1"):
        calls[call]()
    assert _snapshot(classifier) == before
    assert all(torch.equal(v, weights[k]) for k, v in classifier.state_dict().items())
    survivor = model.run_from(batch, 2, model.run_to(batch, 1))
    assert survivor.isfinite().all(), "the view itself must be usable after the exception"


def test_the_view_shares_the_weights_memory_and_runs_without_dropout():
    classifier = toys.classifier().train()
    model = Model(classifier, toys.tokenizer())
    ours = [p.data_ptr() for p in model.module.parameters()]
    assert ours == [p.data_ptr() for p in classifier.parameters()]
    first, second = (toys.forward(model, TEXTS).logits for _ in range(2))
    assert torch.equal(first, second)


def test_batches_keep_to_the_budget_and_start_with_the_longest():
    model = toys.model()
    tokenized = model.tokenize(toys.texts(30, seed=2))
    batches = list(model.batches(tokenized, budget=100))
    assert len(batches) > 3
    assert all(batch.input_ids.numel() <= 100 for batch in batches)
    lengths = [len(text) for batch in batches for text in batch.texts]
    assert lengths == sorted(lengths, reverse=True)
    assert sorted(id(r) for b in batches for r in b.texts) == sorted(id(r) for r in tokenized)


def test_a_text_longer_than_the_budget_gets_its_own_batch():
    model = toys.model()
    tokenized = model.tokenize(toys.texts(4, seed=2))
    assert [len(batch.texts) for batch in model.batches(tokenized, budget=1)] == [1, 1, 1, 1]


def test_the_fingerprint_is_of_the_weights():
    assert toys.model(seed=0).fingerprint == Model(toys.classifier(seed=0), toys.tokenizer()).fingerprint
    assert toys.model(seed=0).fingerprint != toys.model(seed=1).fingerprint
    assert Model(toys.classifier(), toys.tokenizer(), fingerprint="given").fingerprint == "given"


def test_in_bfloat16_it_is_nearly_the_same_model_and_says_what_it_is():
    model = toys.model()
    short = model.in_precision(torch.bfloat16)
    batch = model.collate(model.tokenize(TEXTS))
    found = short.logits(batch)
    assert (short.name, short.fingerprint) == (f"{model.name} in bfloat16", model.fingerprint)
    assert next(short.module.parameters()).dtype == torch.bfloat16
    assert next(model.module.parameters()).dtype == found.dtype == torch.float32
    apart = (found.softmax(dim=1) - model.logits(batch).softmax(dim=1)).abs()
    assert 0 < apart.max() < 0.02
    [attribution] = explain(model, Evidence(layer=1), TEXTS[:1], toys.statistics(model))
    [ours] = explain(short, Evidence(layer=1), TEXTS[:1], toys.statistics(model))
    assert rank_agreement(content_scores(ours), content_scores(attribution)) > 0.9
    curves = degrade(short, [attribution])
    assert curves["morf"].checkpoint == short.name
    np.testing.assert_allclose(curves["morf"].probability, degrade(model, [attribution])["morf"].probability, atol=0.02)


def test_nan_in_the_weights_is_an_error_that_names_the_model():
    classifier = toys.classifier()
    with torch.no_grad():
        classifier.classifier.weight[0, 0] = torch.nan
    with pytest.raises(NotFiniteError, match="broken returns NaN or infinity for random tokens; check the weights"):
        Model(classifier, toys.tokenizer(), name="broken")


def test_nan_for_one_text_is_an_error_that_names_model_and_text():
    model = Model(toys.classifier(), toys.tokenizer(), name="odd")
    batch = model.collate(model.tokenize(["a good film"]))
    model.module.classifier.weight[0, 0] = torch.nan
    for run in (model.logits, model.forward):
        with pytest.raises(NotFiniteError, match=r"odd returned NaN .* 1 of 1 texts.*'a good film.*check the weights"):
            run(batch)


@pytest.mark.parametrize("layer", [-1, 4])
def test_a_layer_that_the_model_does_not_have(layer: int):
    model = toys.model()
    forward = toys.forward(model, TEXTS)
    rule = rf"between 0 \(the embedding output\) and 3 \(the last layer's output\) in toy-bert; got {layer}"
    with pytest.raises(LayerError, match=rule):
        model.run_to(forward.batch, layer)
    with pytest.raises(LayerError, match=rule):
        model.run_from(forward.batch, layer, forward.hidden_states[0])


@pytest.mark.parametrize(
    ("above", "rule"), [(4, "between 0 .* and 3 .*; got 4"), (1, "only at layers above 1; got a change at 1")]
)
def test_a_change_at_a_layer_that_the_run_does_not_pass(above: int, rule: str):
    model = toys.model()
    forward = toys.forward(model, TEXTS)
    with pytest.raises(LayerError, match=rule):
        model.run_from(forward.batch, 1, forward.hidden_states[1], {above: torch.relu})


@pytest.mark.parametrize("target", [-1, 3, "hope"])
def test_an_outcome_that_the_model_does_not_have(target: int | str):
    rule = rf"\['LABEL_0', 'LABEL_1', 'LABEL_2'\], or an index from 0 to 2; got {target!r}"
    with pytest.raises(TargetError, match=rule):
        toys.model().find_label(target)


@pytest.mark.parametrize("made", [BertModel, BertForMaskedLM, BertForTokenClassification])
def test_a_model_without_a_sequence_classification_head(made: Any):
    with pytest.raises(UnsupportedModelError, match=rf"{made.__name__} has no classification head; load it as Auto"):
        Model(made(toys.CONFIGS["bert"]), toys.tokenizer())


def test_a_slow_tokenizer():
    with pytest.raises(UnsupportedModelError, match="a fast tokenizer is needed, since slow ones do not tell where"):
        Model(toys.classifier(), object())


@pytest.mark.parametrize("length", [2, toys.MAX_LENGTH + 1])
def test_a_length_that_the_model_cannot_take(length: int):
    with pytest.raises(InputError, match=rf"between 3 and {toys.MAX_LENGTH}, the model's own limit; got {length}"):
        Model(toys.classifier("roberta"), toys.tokenizer(types=False), max_length=length)
