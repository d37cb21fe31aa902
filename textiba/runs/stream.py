"""Methods over texts: layers × β × checkpoints, as one stream of attributions."""

from collections.abc import Container, Iterable, Iterator, Sequence
from itertools import islice
from typing import TypeVar

from textiba.attribution import Attribution, Attributions
from textiba.bottleneck.statistics import FeatureStatistics
from textiba.methods.base import Method, resolve_targets
from textiba.methods.per_sample import BetaPath
from textiba.model.view import Model
from textiba.store.processes import ALONE, Processes, Shares
from textiba.texts.batches import TOKEN_BUDGET, Batch
from textiba.texts.sources import Text
from textiba.texts.tokens import TokenizedText

T = TypeVar("T")
WINDOW = 1024  # texts that are held, and sorted by length, at a time


def stream(
    model: Model,
    methods: Sequence[Method],
    texts: Iterable[Text | str],
    statistics: FeatureStatistics | None = None,
    target: str | int = "predicted",
    seed: int = 0,
    budget: int = TOKEN_BUDGET,
) -> Iterator[tuple[int, Attribution]]:
    """Attributions as they come, with the text's number; the whole model runs once a text, for all methods.

    Long texts come first within a window of 1,024, so memory does not grow with the number of texts.

    Args:
        model: the model.
        methods: what to run; a layer or β sweep is a list of them (see `grid`).
        texts: texts or texts.
        statistics: of the model's features, for methods that need them.
        target: "predicted", "gold", or a class for all.
        seed: of whatever is random; each text derives its own, whatever the batch.
        budget: tokens in a batch, padding included; a GPU wants more than the default.

    Raises:
        SettingError, StatisticsMismatchError: statistics are missing or another model's; before anything is computed.
        LayerError, TargetError: the model has no such layer or class.
        EmptyTextError: a text without a word.
        NotFiniteError: the model gives NaN or infinity.
    """
    for results in stream_batches(model, methods, texts, statistics, target, seed, budget):
        yield from results


def stream_batches(
    model: Model,
    methods: Sequence[Method],
    texts: Iterable[Text | str],
    statistics: FeatureStatistics | None = None,
    target: str | int = "predicted",
    seed: int = 0,
    budget: int = TOKEN_BUDGET,
    done: Container[int] = (),
    processes: Processes = ALONE,
) -> Iterator[list[tuple[int, Attribution]]]:
    """What `stream` gives, batch by batch: all methods on the same texts.

    Which texts share a batch depends on the texts alone, and not on what is done or who does it. So a run that was
    stopped, or shared out, gives the same numbers as one that was not.

    Args:
        model, methods, texts, statistics, target, seed, budget: see `stream`.
        done: the numbers of texts that are not needed; a batch of such texts does not run.
        processes: they share the batches out by work, if each calls this with the same arguments.

    Raises:
        As of `stream`.
    """
    for method in methods:
        method.check(model, statistics)
    source, shares = iter(texts), Shares(processes)
    start = 0
    while window := list(islice(source, WINDOW)):
        # Most windows of a run that goes on are done, and need no tokens.
        if not all(place in done for place in range(start, start + len(window))):
            tokenized = model.tokenize(window)
            places = {id(text): start + i for i, text in enumerate(tokenized)}
            groups = list(model.buckets(tokenized, [len(text) for text in tokenized], budget))
            left = [g for g in groups if not all(places[id(text)] in done for text in g)]
            for place in shares.mine([work(group) for group in left]):
                batch = model.collate(left[place])
                found = _attribute(model, methods, batch, statistics, target, seed)
                yield [(places[id(a.text)], a) for a in found if places[id(a.text)] not in done]
        start += len(window)


def work(texts: Sequence[TokenizedText]) -> float:
    """What a batch costs, roughly: its tokens, padding included, and its pairs of tokens, which attention looks at."""
    longest = max(len(text) for text in texts)
    return len(texts) * longest * (1 + longest / 2048)


def _attribute(
    model: Model,
    methods: Sequence[Method],
    batch: Batch,
    statistics: FeatureStatistics | None,
    target: str | int,
    seed: int,
) -> list[Attribution]:
    forward = model.forward(batch)
    targets = resolve_targets(model, forward, target)
    return [a for method in methods for a in method.attribute(model, forward, targets, statistics, seed)]


def explain(
    model: Model,
    method: Method,
    texts: Iterable[Text | str],
    statistics: FeatureStatistics | None = None,
    target: str | int = "predicted",
    seed: int = 0,
    budget: int = TOKEN_BUDGET,
) -> Attributions:
    """One attribution a text, in the order of the texts. Arguments and errors as of `stream`.

    Returns:
        A list; at the end of a notebook's cell it shows the texts highlighted, on one colour scale.
    """
    found = dict(stream(model, [method], texts, statistics, target, seed, budget))
    return Attributions(found[i] for i in range(len(found)))


def sweep_grid(
    method: Method, layers: Sequence[int] = (), betas: Sequence[float] = (), path: bool = False
) -> list[Method]:
    """A method at every layer and, where it has one, at every β: the list that `stream` takes.

    Args:
        method: whatever is not varied is as there.
        layers: layers.
        betas: values of β.
        path: each β is a warm start from the gates of the β before it in the list; see `BetaPath`.

    >>> from textiba import PerSampleBottleneck
    >>> len(grid(PerSampleBottleneck(), layers=range(6), betas=[1e-5, 1e-4]))
    12
    """
    settings = [method.model_dump() | {"layer": layer} for layer in layers] or [method.model_dump()]
    if not betas or "beta" not in type(method).model_fields:
        return [type(method)(**at) for at in settings]
    if path:
        return [BetaPath(**{**at, "betas": tuple(betas)}) for at in settings]
    return [type(method)(**{**at, "beta": beta}) for at in settings for beta in betas]
