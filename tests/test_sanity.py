"""Randomised models: which weights change, and that scores which rest on them do too."""

import families
import numpy as np
import pytest
import torch
import toys

from textiba.benchmark.sanity import parts, randomized, sanity_rows
from textiba.methods import Evidence, Random, Saliency
from textiba.model.outcomes import Rather
from textiba.model.view import Model

TEXTS = toys.texts(3, seed=40, shortest=8)


def _changed(kind: str, depth: int) -> set[str]:
    model = toys.model(kind)
    before = {k: v.clone() for k, v in model.module.state_dict().items()}
    after = randomized(model, depth, seed=1).module.state_dict()
    assert all(torch.equal(v, before[k]) for k, v in model.module.state_dict().items()), "the given model has changed"
    return {k for k, v in after.items() if not torch.equal(v, before[k])}


@pytest.mark.parametrize("kind", sorted(toys.CONFIGS))
def test_parts_lose_their_weights_from_the_top_down(kind: str):
    names = parts(toys.model(kind))
    assert names == ["head", "layer 2", "layer 1", "layer 0", "embeddings"]
    assert _changed(kind, 0) == set()
    head = _changed(kind, 1)
    assert head
    assert not any(".layer." in k or "embeddings" in k for k in head if "embeddings_project" not in k)
    for depth, layer in ((2, 2), (3, 1), (4, 0)):
        grown = _changed(kind, depth) - _changed(kind, depth - 1)
        assert grown
        assert all(f".layer.{layer}." in k for k in grown)
    last = _changed(kind, 5) - _changed(kind, 4)
    assert any("word_embeddings" in k for k in last)
    assert all("embeddings" in k for k in last)


def test_fresh_weights_have_the_spread_of_a_fresh_model():
    model = toys.model()
    weight = randomized(model, 5).module.bert.encoder.layer[0].intermediate.dense.weight
    assert float(weight.std()) == pytest.approx(model.module.config.initializer_range, rel=0.1)


@pytest.mark.parametrize("family", ["gpt2", "albert", "mpnet", "llama"])
def test_only_what_is_defined_before_the_layers_counts_as_embeddings(family: str):
    module = families.tiny(family)
    model = Model(module, families.tokenizer())
    before = {k: v.clone() for k, v in model.module.state_dict().items()}
    table = next(k for k in before if k.endswith(("wte.weight", "word_embeddings.weight", "embed_tokens.weight")))
    for depth, changed in ((1, False), (len(parts(model)), True)):
        after = randomized(model, depth).module.state_dict()
        assert torch.equal(after[table], before[table]) != changed


def test_a_randomised_copy_is_asked_the_same():
    model = toys.model().asking(Rather(this=2, that=0))
    found = sanity_rows(model, Saliency(), TEXTS[:1], None, 1, 0)
    assert len(found) == len(parts(model))
    assert randomized(model, 1).labels == model.labels


def test_scores_that_do_not_look_at_the_model_agree_and_others_do_not():
    model = toys.model()
    blind = sanity_rows(model, Random(), TEXTS, None, "predicted", 0)
    assert [row["agreement"] for row in blind] == pytest.approx([1.0] * len(blind))
    assert len(blind) == len(parts(model)) * len(TEXTS)
    evidence = Evidence(layer=1, nodes=3)
    seeing = sanity_rows(model, evidence, TEXTS, toys.statistics(model), "predicted", 0)
    assert np.mean([abs(row["agreement"]) for row in seeing if row["part"] == "embeddings"]) < 0.9
