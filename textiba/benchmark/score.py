"""The rows of a chunk of texts: the scores of one method, every metric, and the cost; one row for each text."""

import time
from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool

from textiba.attribution import Attribution, content_scores
from textiba.benchmark.config import BenchmarkConfig, Subsets
from textiba.benchmark.folder import Row
from textiba.benchmark.noise import noise_kept
from textiba.bottleneck.statistics import FeatureStatistics
from textiba.evaluation.degradation import degrade
from textiba.evaluation.metrics import from_attribution, from_curves
from textiba.methods import Method
from textiba.methods.base import require
from textiba.methods.perturbation import variant_outputs
from textiba.methods.results import resolve_targets
from textiba.model.view import Model
from textiba.runs.stream import stream_batches
from textiba.texts.sources import Text
from textiba.texts.tokens import TokenizedText

NOISE_KEPT = "noise kept"  # the metric of `noise_kept`
_NOISE_SEED = 1  # added to the benchmark's seed: the metric needs other noise than the optimisation of a bottleneck

Timed = tuple[Attribution, float]  # the seconds include the text's share of the plain pass


def attribute(
    model: Model,
    method: Method,
    texts: Sequence[Text | str],
    statistics: FeatureStatistics | None,
    target: str | int,
    seed: int,
) -> list[Timed]:
    """Attributions in the order of the texts, each with its seconds: an equal share of its batch's seconds."""
    found: dict[int, Timed] = {}
    batches = stream_batches(model, [method], texts, statistics, target, seed)
    started = time.perf_counter()
    for results in batches:
        seconds = (time.perf_counter() - started) / len(results)
        found |= {place: (attribution, seconds) for place, attribution in results}
        started = time.perf_counter()
    return [found[place] for place in range(len(texts))]


def rows(
    model: Model,
    method: Method,
    timed: Sequence[Timed],
    numbers: Sequence[int],
    config: BenchmarkConfig,
    statistics: FeatureStatistics | None = None,
) -> list[Row]:
    """A row for each text.

    Args:
        model: the model.
        method: the method of the attributions.
        timed: the result of `attribute`.
        numbers: the number of each text within the data set.
        config: the metrics.
        statistics: feature statistics of the model, for noise at a hidden layer.

    Raises:
        SettingError: the config asks for noise at a hidden layer, and there are no statistics.
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
        out.append(row | plausibility(a, config))
    if config.noise is not None:
        known = require(statistics, model, "noise at a hidden layer")
        few = [n for n, number in enumerate(numbers) if config.noise.limit is None or number < config.noise.limit]
        kept = noise_kept(model, [attributions[n] for n in few], known, config.noise, config.seed + _NOISE_SEED)
        for n, value in zip(few, kept.tolist(), strict=True):
            out[n][NOISE_KEPT] = value
    return out


def plausibility(a: Attribution, config: BenchmarkConfig) -> dict[str, float]:
    """The plausibility metrics by name; empty if the text, as cut to the model's length, has no marked word."""
    if not is_marked(a.text, config.rationale_part):
        return {}
    found = from_attribution(a, config.rationale_share, config.rationale_part)
    return {f"rationale {name}": value for name, value in found.items()}


def is_marked(text: TokenizedText, part: str) -> bool:
    """Whether the text, as cut to the model's length, still has a marked word.

    Of a pair, only the text that `part` names is searched, or both texts if `part` is "both".
    """
    return any(marked and part in ("both", own) for marked, own in zip(text.rationale, text.parts, strict=True))


def subset_rows(
    model: Model, texts: Sequence[TokenizedText], first: int, choice: Subsets, target: str | int, seed: int
) -> list[Row]:
    """The effect of removing random subsets: log p(target) of the whole text minus log p(target) without each subset.

    Args:
        model: the model.
        texts: consecutive texts of a data set.
        first: the number of the first of these texts within the data set.
        choice: the subsets.
        target: see `BenchmarkConfig.target`.
        seed: seed of the subsets.

    Returns:
        A row for each text: the content tokens that each subset removes, flattened [subsets × tokens], and the drops in
        nats. A text of a single token has no subsets, and therefore no row.
    """
    out = []
    for n, text in enumerate(texts):
        if len(text.content) < 2:
            continue
        chosen = subsets(text, choice, seed)
        content = np.asarray(text.content)
        whole = model.forward(model.collate([text]))
        targets = resolve_targets(model, whole, target)
        wanted = int(targets[0])
        variants = [model.without(text, content[row].tolist(), choice.removal) for row in chosen]
        logs = variant_outputs(model, variants, [wanted] * len(variants), "log_probability")
        drops = float(model.target_output(whole.logits, targets, "log_probability")) - logs
        out.append({"index": first + n, "removed": chosen.ravel().tolist(), "drops": drops.tolist()})
    return out


def subsets(text: TokenizedText, choice: Subsets, seed: int) -> Bool[np.ndarray, "subsets content"]:
    """Random subsets, all of one size, of the content tokens of a text, which has at least two.

    The subsets do not depend on the batch.
    """
    tokens = len(text.content)
    generator = np.random.default_rng(text.seed(seed))
    size = min(max(1, round(choice.share * tokens)), tokens - 1)
    chosen = np.zeros((choice.count, tokens), dtype=bool)
    for row in chosen:
        row[generator.choice(tokens, size, replace=False)] = True
    return chosen
