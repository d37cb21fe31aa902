"""The last layer computes keys and values for no token when only the first is read: biases included."""

import pytest
import torch
import toys

from textiba.model.view import Model

TEXTS = toys.texts(4, seed=12)
NARROW = ("bert", "electra", "roberta")


@pytest.mark.parametrize("kind", NARROW)
def test_with_biases_the_last_layer_still_has_no_key_and_no_value(kind: str):
    """A run that lost the value bias would give other logits, and the model would take the slow path without a word."""
    classifier = toys.classifier(kind).eval()
    attention = classifier.base_model.encoder.layer[-1].attention.self
    biases = [getattr(attention, name).bias for name in ("query", "key", "value")]
    assert all(bias.abs().mean() > 0.1 for bias in biases), "biases of zero would say nothing"
    model = Model(classifier, toys.tokenizer_for(kind))
    batch = model.collate(model.tokenize(TEXTS))
    projected: dict[str, int] = {"query": 0, "key": 0, "value": 0}

    def count(name: str, tokens: int) -> None:
        projected[name] += tokens

    own = model.module.base_model.encoder.layer[-1].attention.self
    for name in projected:
        hook = lambda _m, given, _out, n=name: count(n, given[0].shape[0] * given[0].shape[1])  # noqa: E731
        own.get_submodule(name).register_forward_hook(hook)
    logits = model.logits(batch)
    assert projected == {"query": len(TEXTS), "key": 0, "value": 0}, "one query for each text, and no key or value"
    with torch.no_grad():
        expected = classifier(**toys.arguments(batch)).logits
    torch.testing.assert_close(logits, expected)
    assert model.can_merge, "the head was seen to read the first token alone"
