"""Every method against the published bottleneck, other libraries' integrated gradients, a plain pass and the floor."""

import gc
from collections.abc import Sequence
from functools import partial
from statistics import median

from benchmarks.contenders import (
    BY_FEATURE,
    CAPTUM,
    EVIDENCE,
    INTERPRETO,
    PER_SAMPLE,
    PLAIN,
    PUBLISHED,
    READOUT,
    STEPS,
    Contender,
    contenders,
)
from benchmarks.floor import product
from benchmarks.memory import above
from benchmarks.plan import Plan
from benchmarks.report import Bar, Table, number
from benchmarks.subjects import Subject, tokenized_texts_of
from benchmarks.timing import in_turns, ratios
from textiba.texts.tokens import TokenizedText

AGAINST = (PUBLISHED, CAPTUM, INTERPRETO)
BARS = {EVIDENCE: 80.0, PER_SAMPLE: 25.0, READOUT: 200.0, BY_FEATURE: 5.0}
SHARE, PASSES = "share of the rate", "in plain passes"


def compare(subject: Subject, plan: Plan) -> tuple[Table, list[Bar]]:
    """Seconds for a text and peak memory of every method, on texts of one length, measured in turns; and bar a."""
    texts = tokenized_texts_of(subject.model, plan.tokens, plan.together)
    field, left_out = contenders(subject, plan)
    [short] = tokenized_texts_of(subject.model, 8, 1)
    for contender in field.values():  # a warm-up: the first call imports and caches
        contender.brief([short])
    megabytes = {name: _peak(contender, texts) for name, contender in field.items()}
    matrix, floating = product(plan.side, plan.side, plan.side)
    works = {name: partial(_turn, contender, texts) for name, contender in field.items()}
    times = in_turns(works, plan.rounds, matrix)
    rate = [floating / t for t in times.beat]
    each = {name: [t / contender.at_once for t in times.of[name]] for name, contender in field.items()}
    rounds = {}
    for name, contender in field.items():
        rounds[name] = {"seconds a text": each[name], PASSES: ratios(each[name], each[PLAIN])}
        rounds[name] |= {other: ratios(each[other], each[name]) for other in AGAINST if other in each}
        if contender.operations is not None:
            rounds[name][SHARE] = [contender.operations / t / r for t, r in zip(each[name], rate, strict=True)]
    seen = (*AGAINST, PASSES, SHARE)
    rows = [
        (name, str(field[name].at_once), *(_cell(row.get(column)) for column in seen),
         number(megabytes[name] / megabytes[PLAIN]))
        for name, row in rounds.items()
    ]  # fmt: skip
    columns = ("method", "texts at once", *(f"× faster than {other}" for other in AGAINST), PASSES, SHARE,
               "peak memory against a plain pass's")  # fmt: skip
    title = f"Methods compared: {subject.name}"
    table = Table(title, _note(subject, plan, median(rate), left_out, INTERPRETO in field), columns, rows, rounds)
    return table, _bars(subject, each)


def _turn(contender: Contender, texts: Sequence[TokenizedText], turn: int) -> object:
    """A contender with few texts gets others in the next round; all texts have one length, and so one cost."""
    return contender.explain([texts[(turn + i) % len(texts)] for i in range(contender.at_once)])


def _peak(contender: Contender, texts: Sequence[TokenizedText]) -> float:
    gc.collect()
    return above(lambda: contender.brief(texts[: contender.at_once]))


def _bars(subject: Subject, each: dict[str, list[float]]) -> list[Bar]:
    where = f"layer {subject.two_thirds} of {subject.model.n_layers}"
    return [
        Bar(
            f"{subject.name}, {where}: {name}, texts per second against {PUBLISHED}",
            "at least",
            bound,
            ratios(each[PUBLISHED], each[name]),
        )
        for name, bound in BARS.items()
    ]


def _cell(seen: Sequence[float] | None) -> str:
    return "–" if seen is None else number(median(seen))


def _note(subject: Subject, plan: Plan, rate: float, left_out: list[str], interpreto: bool) -> str:
    lines = [
        f"Texts of {plan.tokens} tokens; bottlenecks at layer {subject.two_thirds} of {subject.model.n_layers}, "
        f"unless named otherwise, other methods with their defaults. {CAPTUM} and {INTERPRETO} integrate gradients "
        f"from the embeddings in {STEPS} steps, one text at a time. The share of the rate is the operations of a "
        f"method's passes (see floor.py) over its time, as a share of a {plan.side}-wide square product's: "
        f"{rate / 1e9:,.0f} GFLOP/s here. Peak memory is the memory beyond the loaded models.",
    ]
    if not interpreto:
        lines.append("interpreto is not installed here, so its column is empty: see benchmarks/README.md.")
    if left_out:
        lines.append(f"Left out as too costly: {', '.join(left_out)}.")
    return "\n\n".join(lines)
