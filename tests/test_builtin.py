"""On the real checkpoint and texts: the split run is exact, and a text's result is its own."""

import json

import numpy as np
import pytest

from textiba import (
    Evidence,
    Method,
    PerSampleBottleneck,
    ReadoutBottleneck,
    bundled_reviews,
    explain,
    load,
    load_statistics,
)
from textiba.attribution import BitsDetails, content_scores
from textiba.checkpoints.cache import file_hash
from textiba.checkpoints.find import BUILTIN_FOLDER

MODEL, STATISTICS = load("fine-tuned", max_length=300), load_statistics("fine-tuned")
WARM = PerSampleBottleneck(readout="built-in", steps=0)
METHODS = [
    PerSampleBottleneck(),
    PerSampleBottleneck(gates="feature", layer=4),
    Evidence(),
    ReadoutBottleneck(),
    ReadoutBottleneck(layer=5),
]
TEXTS = sorted(bundled_reviews(), key=lambda r: len(r.text))[:100:33]  # of different lengths


def test_every_layer_continues_to_the_logits_of_the_whole_model():
    batch = MODEL.collate(MODEL.tokenize(TEXTS))
    assert not batch.attention_mask.all()
    forward = MODEL.forward(batch)
    for layer in range(MODEL.n_layers + 1):
        state = MODEL.run_to(batch, layer)
        difference = (MODEL.run_from(batch, layer, state) - forward.logits).abs().max()
        assert float(difference) < 1e-5


@pytest.mark.parametrize("method", METHODS, ids=str)
def test_a_text_has_the_same_scores_alone_and_among_others(method: Method):
    together = explain(MODEL, method, TEXTS[::-1], STATISTICS, budget=10_000)[::-1]
    for text, among in zip(TEXTS, together, strict=True):
        [alone] = explain(MODEL, method, [text], STATISTICS)
        expected = content_scores(among)
        error = np.abs(content_scores(alone) - expected).max() / np.abs(expected).max()
        assert error < 1e-4


def test_one_seed_gives_the_same_scores_twice_and_another_does_not():
    first, again = (explain(MODEL, PerSampleBottleneck(), TEXTS, STATISTICS, seed=3) for _ in range(2))
    other = explain(MODEL, PerSampleBottleneck(), TEXTS, STATISTICS, seed=4)
    for a, b, c in zip(first, again, other, strict=True):
        np.testing.assert_array_equal(a.scores, b.scores)
        assert not np.allclose(content_scores(a), content_scores(c), rtol=1e-3)


def test_the_readout_that_comes_with_the_checkpoint_is_small_and_what_its_card_says():
    folder = BUILTIN_FOLDER / "fine-tuned" / "readout"
    card = json.loads((folder / "card.json").read_text("utf-8"))
    assert (folder / "readout.safetensors").stat().st_size <= 2_000_000
    assert file_hash(folder / "readout.safetensors") == card["sha256"]
    assert card["layers"] == list(range(MODEL.n_layers))
    assert card["seconds"] <= 40 * 60


def test_the_readout_s_gates_are_as_good_as_ten_cold_steps():
    """Within 15 % of their loss, and without a step, on some of the bundled reviews."""
    texts = bundled_reviews()[::18]
    cold, read = (explain(MODEL, method, texts, STATISTICS) for method in (PerSampleBottleneck(), WARM))
    losses = [np.mean([a.details.loss for a in found if isinstance(a.details, BitsDetails)]) for found in (cold, read)]
    assert losses[1] <= 1.15 * losses[0]
