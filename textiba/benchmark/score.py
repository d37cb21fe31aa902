"""One chunk of reviews through one method: scores, every metric, and what it cost, as a row a review."""

import time
from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool

from textiba.attribution import Attribution, content_scores
from textiba.benchmark.config import BenchmarkConfig, Subsets
from textiba.benchmark.folder import Row
from textiba.degradation import degrade
from textiba.encoder import Encoder
from textiba.methods import Method
from textiba.methods.base import resolve_targets
from textiba.methods.removal import variant_outputs
from textiba.metrics import from_attribution, from_curves
from textiba.statistics import FeatureStatistics
from textiba.text import EncodedReview

Timed = tuple[Attribution, float]  # and the seconds that it took, its share of the plain pass included


def attribute(
    encoder: Encoder,
    method: Method,
    reviews: Sequence[EncodedReview],
    statistics: FeatureStatistics | None,
    target: str | int,
    seed: int,
) -> list[Timed]:
    """Attributions in the order of the reviews, with the seconds of each: its batch's, shared out equally."""
    places = {id(review): i for i, review in enumerate(reviews)}
    found: dict[int, Timed] = {}
    for batch in encoder.batches(reviews):
        started = time.perf_counter()
        forward = encoder.forward(batch)
        targets = resolve_targets(encoder, forward, target)
        attributions = method.attribute(encoder, forward, targets, statistics, seed)
        seconds = (time.perf_counter() - started) / len(batch.reviews)
        found |= {places[id(a.review)]: (a, seconds) for a in attributions}
    return [found[i] for i in range(len(reviews))]


def rows(
    encoder: Encoder, method: Method, timed: Sequence[Timed], numbers: Sequence[int], config: BenchmarkConfig
) -> list[Row]:
    """A row a review.

    Args:
        encoder: the model.
        method: whose attributions they are.
        timed: what `attribute` gave.
        numbers: of the reviews in the data set.
        config: which metrics.
    """
    attributions = [a for a, _ in timed]
    columns: dict[str, list[float]] = {}
    for removal in config.removals:
        found = from_curves(degrade(encoder, attributions, config.degradation(removal)))
        columns |= {f"{removal} {name}": values.tolist() for name, values in found.items()}
    out = []
    for n, (a, seconds) in enumerate(timed):
        passes = method.passes(encoder.n_layers, len(a.review.content))
        row: Row = {
            "index": numbers[n], "id": a.review.review.id, "target": a.target, "probability": a.probability,
            "tokens": len(a.review.content), "cut": a.review.cut, "scores": content_scores(a).tolist(),
            "seconds": seconds, "forward": passes.forward, "backward": passes.backward,
        }  # fmt: skip
        row |= {name: values[n] for name, values in columns.items()}
        out.append(row | plausibility(a, config.rationale_share))
    return out


def plausibility(a: Attribution, share: float | None) -> dict[str, float]:
    """The metrics on words, by name; none where no marked word is left within the model's length."""
    return {f"rationale {k}": v for k, v in from_attribution(a, share).items()} if any(a.review.rationale) else {}


def subset_rows(
    encoder: Encoder, reviews: Sequence[EncodedReview], first: int, choice: Subsets, target: str | int, seed: int
) -> list[Row]:
    """What removing random subsets does: log p(target) of the whole review minus log p(target) without each of them.

    Returns:
        A row a review: which content tokens a subset removes, flattened [subsets × tokens], and the drops, nats. A
        review of a single token has no subsets, and no row.
    """
    out = []
    for n, review in enumerate(reviews):
        if len(review.content) < 2:
            continue
        chosen = subsets(review, choice, seed)
        content = np.asarray(review.content)
        whole = encoder.forward(encoder.collate([review]))
        wanted = int(resolve_targets(encoder, whole, target)[0])
        variants = [encoder.without(review, content[row].tolist(), choice.removal) for row in chosen]
        logs = variant_outputs(encoder, variants, [wanted] * len(variants), "log_probability")
        drops = float(whole.logits.log_softmax(dim=1)[0, wanted]) - logs
        out.append({"index": first + n, "removed": chosen.ravel().tolist(), "drops": drops.tolist()})
    return out


def subsets(review: EncodedReview, choice: Subsets, seed: int) -> Bool[np.ndarray, "subsets content"]:
    """Random subsets of a review's content tokens, two or more, all of one size; its own, whatever the batch."""
    tokens = len(review.content)
    generator = np.random.default_rng(review.seed(seed))
    size = min(max(1, round(choice.share * tokens)), tokens - 1)
    chosen = np.zeros((choice.count, tokens), dtype=bool)
    for row in chosen:
        row[generator.choice(tokens, size, replace=False)] = True
    return chosen
