"""One chunk of texts through one method: scores, every metric, and what it cost, as a row a text."""

import time
from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool

from textiba.attribution import Attribution, content_scores
from textiba.benchmark.config import BenchmarkConfig, Subsets
from textiba.benchmark.folder import Row
from textiba.bottleneck.statistics import FeatureStatistics
from textiba.evaluation.degradation import degrade
from textiba.evaluation.metrics import from_attribution, from_curves
from textiba.methods import Method
from textiba.methods.base import resolve_targets
from textiba.model.view import Model
from textiba.runs.stream import stream_batches
from textiba.texts.sources import Text
from textiba.texts.tokens import TokenizedText

Timed = tuple[Attribution, float]  # and the seconds that it took, its share of the plain pass included


def attribute(
    model: Model,
    method: Method,
    texts: Sequence[Text | str],
    statistics: FeatureStatistics | None,
    target: str | int,
    seed: int,
) -> list[Timed]:
    """Attributions in the order of the texts, with the seconds of each: its batch's seconds, shared equally."""
    found: dict[int, Timed] = {}
    batches = stream_batches(model, [method], texts, statistics, target, seed)
    started = time.perf_counter()
    for results in batches:
        seconds = (time.perf_counter() - started) / len(results)
        found |= {place: (attribution, seconds) for place, attribution in results}
        started = time.perf_counter()
    return [found[place] for place in range(len(texts))]


def rows(
    model: Model, method: Method, timed: Sequence[Timed], numbers: Sequence[int], config: BenchmarkConfig
) -> list[Row]:
    """A row a text.

    Args:
        model: the model.
        method: whose attributions they are.
        timed: what `attribute` gave.
        numbers: of the texts in the data set.
        config: which metrics.
    """
    attributions = [a for a, _ in timed]
    columns: dict[str, list[float]] = {}
    for removal in config.removals:
        found = from_curves(degrade(model, attributions, config.degradation(removal)))
        columns |= {f"{removal} {name}": values.tolist() for name, values in found.items()}
    out = []
    for n, (a, seconds) in enumerate(timed):
        passes = method.passes(model.n_layers, len(a.text.content))
        row: Row = {
            "index": numbers[n], "id": a.text.source.id, "target": a.target, "probability": a.probability,
            "tokens": len(a.text.content), "cut": a.text.cut, "scores": content_scores(a).tolist(),
            "seconds": seconds, "forward": passes.forward, "backward": passes.backward,
        }  # fmt: skip
        row |= {name: values[n] for name, values in columns.items()}
        out.append(row | plausibility(a, config.rationale_share))
    return out


def plausibility(a: Attribution, share: float | None) -> dict[str, float]:
    """The metrics on words, by name; none where no marked word is left within the model's length."""
    return {f"rationale {k}": v for k, v in from_attribution(a, share).items()} if any(a.text.rationale) else {}


def subset_rows(
    model: Model, texts: Sequence[TokenizedText], first: int, choice: Subsets, target: str | int, seed: int
) -> list[Row]:
    """What removing random subsets does: log p(target) of the whole text minus log p(target) without each of them.

    Returns:
        A row a text: which content tokens a subset removes, flattened [subsets × tokens], and the drops, nats. A
        text of a single token has no subsets, and no row.
    """
    out = []
    for n, text in enumerate(texts):
        if len(text.content) < 2:
            continue
        chosen = subsets(text, choice, seed)
        content = np.asarray(text.content)
        whole = model.forward(model.collate([text]))
        wanted = int(resolve_targets(model, whole, target)[0])
        variants = [model.without(text, content[row].tolist(), choice.removal) for row in chosen]
        logs = model.target_outputs(variants, [wanted] * len(variants), "log_probability")
        drops = float(whole.logits.log_softmax(dim=1)[0, wanted]) - logs
        out.append({"index": first + n, "removed": chosen.ravel().tolist(), "drops": drops.tolist()})
    return out


def subsets(text: TokenizedText, choice: Subsets, seed: int) -> Bool[np.ndarray, "subsets content"]:
    """Random subsets of a text's content tokens, two or more, all of one size; its own, whatever the batch."""
    tokens = len(text.content)
    generator = np.random.default_rng(text.seed(seed))
    size = min(max(1, round(choice.share * tokens)), tokens - 1)
    chosen = np.zeros((choice.count, tokens), dtype=bool)
    for row in chosen:
        row[generator.choice(tokens, size, replace=False)] = True
    return chosen
