"""On the real checkpoint and reviews: the split run is exact, and a review's result is its own."""

import numpy as np
import pytest

from textiba import Evidence, Method, PerSample, bundled, explain, load, load_statistics
from textiba.attribution import content_scores

ENCODER, STATISTICS = load("fine-tuned", max_length=300), load_statistics("fine-tuned")
REVIEWS = sorted(bundled(), key=lambda r: len(r.text))[:100:33]  # of different lengths


def test_every_layer_continues_to_the_logits_of_the_whole_model():
    batch = ENCODER.collate(ENCODER.encode(REVIEWS))
    assert not batch.attention_mask.all()
    forward = ENCODER.forward(batch)
    for layer in range(ENCODER.n_layers + 1):
        state = ENCODER.run_to(batch, layer)
        difference = (ENCODER.run_from(batch, layer, state) - forward.logits).abs().max()
        assert float(difference) < 1e-5


@pytest.mark.parametrize("method", [PerSample(), PerSample(gates="feature", layer=4), Evidence()], ids=str)
def test_a_review_has_the_same_scores_alone_and_among_others(method: Method):
    together = explain(ENCODER, method, REVIEWS[::-1], STATISTICS, budget=10_000)[::-1]
    for review, among in zip(REVIEWS, together, strict=True):
        [alone] = explain(ENCODER, method, [review], STATISTICS)
        expected = content_scores(among)
        error = np.abs(content_scores(alone) - expected).max() / np.abs(expected).max()
        assert error < 1e-4


def test_one_seed_gives_the_same_scores_twice_and_another_does_not():
    first, again = (explain(ENCODER, PerSample(), REVIEWS, STATISTICS, seed=3) for _ in range(2))
    other = explain(ENCODER, PerSample(), REVIEWS, STATISTICS, seed=4)
    for a, b, c in zip(first, again, other, strict=True):
        np.testing.assert_array_equal(a.scores, b.scores)
        assert not np.allclose(content_scores(a), content_scores(c), rtol=1e-3)
