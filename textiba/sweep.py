"""Methods over reviews: layers × β × checkpoints, as one stream of attributions."""

from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import islice, product
from typing import TypeVar

from textiba.attribution import Attribution, Attributions
from textiba.data import Review
from textiba.encoder import TOKEN_BUDGET, Encoder
from textiba.methods.base import Method, require, resolve_targets
from textiba.processes import ALONE, Processes, Shares
from textiba.statistics import FeatureStatistics
from textiba.text import Batch, EncodedReview, buckets

T = TypeVar("T")
WINDOW = 1024  # reviews that are held, and sorted by length, at a time


def stream(
    encoder: Encoder,
    methods: Sequence[Method],
    reviews: Iterable[Review | str],
    statistics: FeatureStatistics | None = None,
    target: str | int = "predicted",
    seed: int = 0,
    budget: int = TOKEN_BUDGET,
) -> Iterator[tuple[int, Attribution]]:
    """Attributions as they come, with the review's number; the whole model runs once a review, for all methods.

    Long reviews come first within a window of 1,024, so memory does not grow with the number of reviews.

    Args:
        encoder: the model.
        methods: what to run; a layer or β sweep is a list of them (see `grid`).
        reviews: texts or reviews.
        statistics: of the model's features, for methods that need them.
        target: "predicted", "gold", or a class for all.
        seed: of whatever is random; each review derives its own, whatever the batch.
        budget: tokens in a batch, padding included; a GPU wants more than the default.

    Raises:
        SettingError, StatisticsMismatchError: statistics are missing or another model's; before anything is computed.
        LayerError, TargetError: the model has no such layer or class.
        EmptyTextError: a review without a word.
        NotFiniteError: the model gives NaN or infinity.
    """
    for results in stream_batches(encoder, methods, reviews, statistics, target, seed, budget):
        yield from results


def stream_batches(
    encoder: Encoder,
    methods: Sequence[Method],
    reviews: Iterable[Review | str],
    statistics: FeatureStatistics | None = None,
    target: str | int = "predicted",
    seed: int = 0,
    budget: int = TOKEN_BUDGET,
    done: Container[int] = (),
    processes: Processes = ALONE,
) -> Iterator[list[tuple[int, Attribution]]]:
    """What `stream` gives, batch by batch: all methods on the same reviews.

    Which reviews share a batch depends on the reviews alone, and not on what is done or who does it. So a run that was
    stopped, or shared out, gives the same numbers as one that was not.

    Args:
        encoder, methods, reviews, statistics, target, seed, budget: see `stream`.
        done: the numbers of reviews that are not needed; a batch of such reviews does not run.
        processes: they share the batches out by work, if each calls this with the same arguments.

    Raises:
        As of `stream`.
    """
    for method in methods:
        if method.needs_statistics:
            require(statistics, encoder, method.name)
    source, shares = iter(reviews), Shares(processes)
    start = 0
    while window := list(islice(source, WINDOW)):
        # Most windows of a run that goes on are done, and need no tokens.
        if not all(place in done for place in range(start, start + len(window))):
            encoded = encoder.encode(window)
            places = {id(review): start + i for i, review in enumerate(encoded)}
            groups = list(buckets(encoded, [len(review) for review in encoded], budget))
            left = [g for g in groups if not all(places[id(review)] in done for review in g)]
            for place in shares.mine([work(group) for group in left]):
                batch = encoder.collate(left[place])
                found = _attribute(encoder, methods, batch, statistics, target, seed)
                yield [(places[id(a.review)], a) for a in found if places[id(a.review)] not in done]
        start += len(window)


def work(reviews: Sequence[EncodedReview]) -> float:
    """What a batch costs, roughly: its tokens, padding included, and its pairs of tokens, which attention looks at."""
    longest = max(len(review) for review in reviews)
    return len(reviews) * longest * (1 + longest / 2048)


def _attribute(
    encoder: Encoder,
    methods: Sequence[Method],
    batch: Batch,
    statistics: FeatureStatistics | None,
    target: str | int,
    seed: int,
) -> list[Attribution]:
    # So that a path is gone once, and not for every step of it.
    awaited = frozenset(method.before for method in methods if method.before)
    forward = replace(encoder.forward(batch), awaited=awaited)
    targets = resolve_targets(encoder, forward, target)
    try:
        return [a for method in methods for a in method.attribute(encoder, forward, targets, statistics, seed)]
    finally:
        forward.memory.clear()  # what was kept for a method that had come before holds all of the pass


def explain(
    encoder: Encoder,
    method: Method,
    reviews: Iterable[Review | str],
    statistics: FeatureStatistics | None = None,
    target: str | int = "predicted",
    seed: int = 0,
    budget: int = TOKEN_BUDGET,
) -> Attributions:
    """One attribution a review, in the order of the reviews. Arguments and errors as of `stream`.

    Returns:
        A list; at the end of a notebook's cell it shows the reviews highlighted, on one colour scale.
    """
    found = dict(stream(encoder, [method], reviews, statistics, target, seed, budget))
    return Attributions(found[i] for i in range(len(found)))


def grid(method: Method, layers: Sequence[int] = (), betas: Sequence[float] = (), path: bool = False) -> list[Method]:
    """A method at every layer and, where it has one, at every β: the list that `stream` takes.

    Args:
        method: whatever is not varied is as there.
        layers: layers.
        betas: values of β.
        path: each β goes on from the gates of the one before it in the list; see `PerSample`.

    >>> from textiba import PerSample
    >>> len(grid(PerSample(), layers=range(6), betas=[1e-5, 1e-4]))
    12
    """
    axes: list[list[dict]] = [[{"layer": layer} for layer in layers] or [{}]]
    known = betas if "beta" in type(method).model_fields else ()
    axes.append([{"beta": b} | ({"path": tuple(known[:i])} if path else {}) for i, b in enumerate(known)] or [{}])
    return [type(method)(**{**method.model_dump(), **layer, **beta}) for layer, beta in product(*axes)]
