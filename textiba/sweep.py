"""Methods over reviews: layers × β × checkpoints, as one stream of attributions."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice, product
from typing import TypeVar

from textiba.attribution import Attribution
from textiba.data import Review
from textiba.encoder import TOKEN_BUDGET, Encoder
from textiba.methods.base import Method, require, resolve_targets
from textiba.statistics import FeatureStatistics

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
    for method in methods:
        if method.needs_statistics:
            require(statistics, encoder, method.name)
    source = iter(reviews)
    start = 0
    while window := list(islice(source, WINDOW)):
        encoded = encoder.encode(window)
        places = {id(review): start + i for i, review in enumerate(encoded)}
        for batch in encoder.batches(encoded, budget):
            forward = encoder.forward(batch)
            targets = resolve_targets(encoder, forward, target)
            for method in methods:
                for attribution in method.attribute(encoder, forward, targets, statistics, seed):
                    yield places[id(attribution.review)], attribution
        start += len(window)


def explain(
    encoder: Encoder,
    method: Method,
    reviews: Iterable[Review | str],
    statistics: FeatureStatistics | None = None,
    target: str | int = "predicted",
    seed: int = 0,
    budget: int = TOKEN_BUDGET,
) -> list[Attribution]:
    """One attribution a review, in the order of the reviews. Arguments and errors as of `stream`."""
    found = dict(stream(encoder, [method], reviews, statistics, target, seed, budget))
    return [found[i] for i in range(len(found))]


def grid(method: Method, layers: Sequence[int] = (), betas: Sequence[float] = ()) -> list[Method]:
    """A method at every layer and, where it has one, at every β: the list that `stream` takes.

    >>> from textiba import PerSample
    >>> len(grid(PerSample(), layers=range(6), betas=[1e-5, 1e-4]))
    12
    """
    axes: list[list[dict]] = [[{"layer": layer} for layer in layers] or [{}]]
    axes.append([{"beta": beta} for beta in betas] if betas and "beta" in type(method).model_fields else [{}])
    return [type(method)(**{**method.model_dump(), **layer, **beta}) for layer, beta in product(*axes)]
