"""Runs methods over texts and yields attributions as a stream; expands sweeps over layers and β into methods."""

from collections.abc import Container, Iterator, Sequence, Sized
from itertools import islice
from operator import index
from typing import SupportsIndex, TypeVar

from tqdm.auto import tqdm

from textiba import methods
from textiba.attribution import Attribution, Attributions
from textiba.bottleneck.statistics import FeatureStatistics
from textiba.errors import SettingError
from textiba.methods.base import Method
from textiba.methods.per_sample import BetaPath, PerSampleBottleneck
from textiba.methods.results import resolve_targets
from textiba.model.torch_state import own_torch_state
from textiba.model.view import Model
from textiba.store.processes import ALONE, Processes, Shares
from textiba.texts.batches import TOKEN_BUDGET
from textiba.texts.inputs import texts_from
from textiba.texts.labels import resolve_labels
from textiba.texts.tokens import TokenizedText

T = TypeVar("T")
WINDOW = 1024  # number of texts that are in memory, and sorted by length, at a time


def stream(
    model: Model,
    methods: Sequence[Method],
    texts: object,
    statistics: FeatureStatistics | None = None,
    target: str | SupportsIndex = "predicted",
    seed: int = 0,
    budget: int = TOKEN_BUDGET,
) -> Iterator[tuple[int, Attribution]]:
    """Yields each attribution with its text's number, as soon as it is computed.

    The plain forward pass runs once per text, for all methods. Texts are read in windows of 1,024, so memory does not
    grow with the number of texts. Within a window the longest texts come first.

    Args:
        model: the model.
        methods: the methods to run; `sweep_grid` makes a list for a sweep over layers or β.
        texts: strings, `Text`s, records, a pandas Series or DataFrame, a `datasets.Dataset`, or a path; see
            `textiba.texts.inputs.texts_from`.
        statistics: feature statistics of the model, for methods that need them.
        target: "predicted", "gold" (the text's own label), or one outcome for all texts, by name or index.
        seed: seed of all random draws; each text derives its own seed, which does not depend on the batch.
        budget: number of tokens in a batch, padding included; a GPU is faster with more than the default.

    Raises:
        SettingError, StatisticsMismatchError: statistics are missing or belong to another model; raised before anything
            is computed.
        LayerError, TargetError: the model has no such layer or outcome.
        EmptyTextError: a text has no token that can be explained.
        NotFiniteError: the model or a method returned NaN or infinity.
    """
    for results in stream_batches(model, methods, texts, statistics, target, seed, budget):
        yield from results


def stream_batches(
    model: Model,
    methods: Sequence[Method],
    texts: object,
    statistics: FeatureStatistics | None = None,
    target: str | SupportsIndex = "predicted",
    seed: int = 0,
    budget: int = TOKEN_BUDGET,
    done: Container[int] = (),
    processes: Processes = ALONE,
) -> Iterator[list[tuple[int, Attribution]]]:
    """Yields the attributions of `stream` batch by batch: the results of all methods on the batch's texts.

    The texts alone decide which texts share a batch; `done` and `processes` do not. So a run that was stopped and
    continued, or that was shared among processes, gives the same numbers as an uninterrupted run of one process, up to
    rounding. The numbers are the same bit for bit if every process has the same number of threads.

    Args:
        model, methods, texts, statistics, target, seed, budget: see `stream`.
        done: numbers of the texts whose results are not needed; a batch of only such texts is skipped.
        processes: the processes that share the batches, split by the amount of work. Each process must call this
            function with the same other arguments.

    Raises:
        The same errors as `stream`.
    """
    _check_arguments(model, methods, statistics)
    _check_numbers(seed, budget)
    for method in methods:
        method.check(model, statistics)
    checked = texts_from(texts)
    if model.reading.classes:
        checked = resolve_labels(checked, model.labels)
    source, shares = iter(checked), Shares(processes)
    start = 0
    while window := list(islice(source, WINDOW)):
        # In a resumed run most windows are done, and their texts need not be tokenized.
        if not all(place in done for place in range(start, start + len(window))):
            tokenized = model.tokenize(window, start)
            model.check_places(tokenized, start)
            places = {id(text): start + i for i, text in enumerate(tokenized)}
            groups = list(model.buckets(tokenized, [len(text) for text in tokenized], budget))
            left = [g for g in groups if not all(places[id(text)] in done for text in g)]
            for place in shares.mine([work(group) for group in left]):
                found = _attribute(model, methods, left[place], statistics, target, seed)
                yield [(places[id(a.text)], a) for a in found if places[id(a.text)] not in done]
        start += len(window)


def _check_arguments(model: object, methods: Sequence[object], statistics: object) -> None:
    """Raises `SettingError` if an argument is a class or a name in place of the object that is needed."""
    if not isinstance(model, Model):
        raise SettingError(
            f"a textiba.Model is needed; got {type(model).__name__}. Make one: textiba.load(name or folder), or "
            "textiba.Model(module, tokenizer)"
        )
    for one in methods:
        if not isinstance(one, Method):
            name = one.__name__ if isinstance(one, type) else type(one).__name__
            fix = f"textiba.{name}()" if isinstance(one, type) else "textiba.method(name)"
            raise SettingError(f"a method with its settings is needed; got {name}. Make one: {fix}")
    if statistics is not None and not isinstance(statistics, FeatureStatistics):
        raise SettingError(
            f"feature statistics are needed; got {type(statistics).__name__}. Load them: textiba.load_statistics(name "
            "or file)"
        )


def _check_numbers(seed: object, budget: object) -> None:
    """Raises `SettingError` unless the seed is a whole number, and the budget a whole number from 1 on."""
    for name, value, least in (("seed", seed, None), ("budget", budget, 1)):
        if not isinstance(value, SupportsIndex) or (least is not None and index(value) < least):
            rule = "a whole number" if least is None else f"a whole number of tokens from {least} on"
            raise SettingError(f"{name} must be {rule}; got {value!r}")


def work(texts: Sequence[TokenizedText]) -> float:
    """Returns the approximate cost of a batch: a term for its padded tokens, and a term for pairs of tokens."""
    longest = max(len(text) for text in texts)
    return len(texts) * longest * (1 + longest / 2048)


@own_torch_state()
def _attribute(
    model: Model,
    methods: Sequence[Method],
    texts: Sequence[TokenizedText],
    statistics: FeatureStatistics | None,
    target: str | SupportsIndex,
    seed: int,
) -> list[Attribution]:
    forward = model.forward(model.collate(texts))
    targets = resolve_targets(model, forward, target)
    return [a for method in methods for a in method.attribute(model, forward, targets, statistics, seed)]


def explain(
    model: Model,
    method: Method | str,
    texts: object,
    statistics: FeatureStatistics | None = None,
    target: str | SupportsIndex = "predicted",
    seed: int = 0,
    budget: int = TOKEN_BUDGET,
    progress: bool = False,
) -> Attributions:
    """Explains texts with one method. See `stream` for the other arguments and errors.

    Args:
        model: the model.
        method: a method, or the name of a method, which then has its default settings.
        texts: see `stream`.
        statistics: see `stream`.
        target: see `stream`.
        seed: see `stream`.
        budget: see `stream`.
        progress: whether to show a progress bar with texts per second.

    Returns:
        One attribution per text, in the order of the texts. A notebook displays this list as highlighted texts, on one
        colour scale.
    """
    chosen = methods.method(method) if isinstance(method, str) else method
    checked = texts_from(texts)
    results = stream(model, [chosen], checked, statistics, target, seed, budget)
    if progress:
        results = tqdm(
            results, total=len(checked) if isinstance(checked, Sized) else None, unit="text", desc=chosen.name
        )
    found = dict(results)
    return Attributions(found[i] for i in range(len(found)))


def sweep_grid(
    method: Method, layers: Sequence[int] = (), betas: Sequence[float] = (), path: bool = False
) -> list[Method]:
    """Returns copies of a method at every layer and, if the method has a setting `beta`, at every β.

    Args:
        method: the method; its other settings stay.
        layers: values of `layer`; empty keeps the method's own.
        betas: values of β; empty keeps the method's own.
        path: whether the optimisation at each β is a warm start from the gates at the previous β in `betas`; see
            `BetaPath`. The list then has one method per layer, which returns the results of all β.

    >>> from textiba import PerSampleBottleneck, sweep_grid
    >>> len(sweep_grid(PerSampleBottleneck(), layers=range(6), betas=[1e-5, 1e-4]))
    12
    """
    settings = [method.model_dump() | {"layer": layer} for layer in layers] or [method.model_dump()]
    if not betas or "beta" not in type(method).model_fields:
        return [type(method)(**at) for at in settings]
    if path:
        if not isinstance(method, PerSampleBottleneck):
            raise SettingError(f"a path over β exists for per_sample alone; got {method.name}. Leave out path")
        return [BetaPath(**{**at, "betas": tuple(betas)}) for at in settings]
    return [type(method)(**{**at, "beta": beta}) for at in settings for beta in betas]
