"""The cost of all layers in one stream, against the plain pass and each layer's own passes, measured apart."""

from functools import partial
from typing import Any

from benchmarks.plan import Plan
from benchmarks.report import Bar
from benchmarks.subjects import Subject, texts_of
from benchmarks.timing import in_turns
from textiba import Evidence, Method, PerSampleBottleneck, stream, sweep_grid
from textiba.methods.results import resolve_targets

MOST = 1.1


def all_layers(subject: Subject, plan: Plan) -> list[Bar]:
    """Bar c, for evidence and for per-sample gates."""
    few = {"evidence": Evidence(nodes=1), "per_sample": PerSampleBottleneck(steps=1)}
    return [_all_layers(subject, plan, name, method) for name, method in few.items()]


def _all_layers(subject: Subject, plan: Plan, name: str, method: Method) -> Bar:
    model, statistics = subject.model, subject.statistics
    texts = texts_of(model, plan.tokens, plan.swept)
    batches = list(model.batches(model.tokenize(texts)))
    forwards = [model.forward(batch) for batch in batches]
    methods = sweep_grid(method, layers=range(model.n_layers))

    def together(_turn: int) -> object:
        return list(stream(model, methods, texts, statistics))

    def plain(_turn: int) -> object:
        return list(stream(model, [], texts, statistics))

    def own(one: Method, _turn: int) -> object:
        return [
            one.attribute(model, forward, resolve_targets(model, forward, "predicted"), statistics)
            for forward in forwards
        ]

    together(0)
    works: dict[str, Any] = {"together": together, "plain": plain}
    works |= {f"layer {layer}": partial(own, one) for layer, one in enumerate(methods)}
    times = in_turns(works, plan.rounds).of
    apart = [sum(times[name][turn] for name in works if name != "together") for turn in range(plan.rounds)]
    ratios = [t / a for t, a in zip(times["together"], apart, strict=True)]
    return Bar(f"{subject.name}: {name} at all layers in one stream against the sum of its parts", "at most", MOST,
               ratios)  # fmt: skip
