"""The rate of per-sample and evidence against that of a matrix product, by layer, on batches of mixed lengths."""

from collections.abc import Callable, Sequence
from functools import partial
from statistics import median

from benchmarks.contenders import PLAIN, attribute
from benchmarks.floor import operations, plain_operations, product
from benchmarks.plan import BERT_BASE, BUILT_IN, Plan
from benchmarks.report import Bar, Table, number
from benchmarks.subjects import Subject, mixed_batches
from benchmarks.timing import Work, in_turns, ratios
from textiba import Evidence, Method, PerSampleBottleneck
from textiba.texts.batches import Batch

LEAST = {BUILT_IN: 0.65, BERT_BASE: 0.75}
SHARE, PASSES = "share of the rate", "in plain passes"


def by_layer(subject: Subject, plan: Plan) -> tuple[Table, list[Bar]]:
    """The table, and bar b for the lower half of the layers."""
    model = subject.model
    groups = mixed_batches(model, plan.batches, plan.rounds)
    lengths = [[len(text) for batch in group for text in batch.texts] for group in groups]
    methods = {
        f"{method.name}, layer {method.layer}": method
        for layer in range(model.n_layers)
        for method in (Evidence(layer=layer, nodes=plan.steps), PerSampleBottleneck(layer=layer, steps=plan.steps))
    }
    floors = {name: [operations(model, method, group) for group in lengths] for name, method in methods.items()}
    floors[PLAIN] = [sum(plain_operations(model, tokens) for tokens in group) for group in lengths]
    own, own_operations, shape = _own_product(subject, plan)
    works: dict[str, Work] = {name: partial(_attribute, subject, method, groups) for name, method in methods.items()}
    works[PLAIN] = lambda turn: [model.logits(batch) for batch in groups[turn]]
    works[shape] = lambda _: own()
    for work in (works[PLAIN], works[shape]):
        work(0)
    matrix, floating = product(plan.side, plan.side, plan.side)
    times = in_turns(works, plan.rounds, matrix)
    rate = [floating / t for t in times.beat]
    rounds = {
        name: {
            "seconds": times.of[name],
            PASSES: ratios(times.of[name], times.of[PLAIN]),
            SHARE: [f / t / r for f, t, r in zip(floor, times.of[name], rate, strict=True)],
        }
        for name, floor in floors.items()
    }
    rows = [(name, number(median(row[PASSES])), number(median(row[SHARE]))) for name, row in rounds.items()]
    every = [tokens for group in lengths for tokens in group]
    own_rate = median(own_operations / t for t in times.of[shape])
    note = (
        f"{len(every)} bundled reviews of {min(every)} to {max(every)} tokens, in some of the batches that all bundled "
        f"reviews form by default; {plan.steps} nodes and {plan.steps} steps. Padding counts as time, not as "
        f"work. The rate is {number(median(rate) / 1e9)} GFLOP/s, of a {plan.side}-wide square product; one of the "
        f"model's own shape, {shape}, reaches {number(own_rate / 1e9)}."
    )
    bars = [
        Bar(f"{subject.name}: {name}, share of the rate", "at least", LEAST[subject.name], rounds[name][SHARE])
        for name, method in methods.items()
        if method.layer in subject.lower_half
    ]
    return Table(f"By layer: {subject.name}", note, ("method", PASSES, SHARE), rows, rounds), bars


def _attribute(subject: Subject, method: Method, groups: Sequence[Sequence[Batch]], turn: int) -> object:
    return attribute(subject, method, groups[turn])


def _own_product(subject: Subject, plan: Plan) -> tuple[Callable[[], object], float, str]:
    """The product of a batch's tokens with the first feed-forward matrix of a layer."""
    config = subject.model.module.config
    sides = (plan.tokens * plan.together, config.hidden_size, config.intermediate_size)
    return *product(*sides), " × ".join(map(str, sides))
