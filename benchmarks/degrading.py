"""The degradation test, against one pass of the plain model for each variant of each text."""

from typing import Any

import torch

from benchmarks.plan import Plan
from benchmarks.report import Bar
from benchmarks.subjects import Subject, tokenized
from benchmarks.timing import in_turns, ratios
from textiba import Attribution, Degradation, Random, bundled_reviews, degrade
from textiba.evaluation.degradation import removal_order

LEAST = 5.0
SETTINGS = Degradation(orders=("morf", "lerf"))


def degradation(subject: Subject, plan: Plan) -> list[Bar]:
    """Bar d, and the same in bfloat16. The literal test runs on a few texts, and its time is scaled by their tokens."""
    texts = bundled_reviews()[: plan.degraded]
    model = subject.model
    found: list[Attribution] = []
    for batch in model.batches(tokenized(model, texts)):
        forward = model.forward(batch)
        found += Random().attribute(model, forward, model.predict(forward))
    chosen = found[:: len(found) // plan.literal][: plan.literal]
    scale = sum(len(a.text) for a in found) / sum(len(a.text) for a in chosen)
    literal(subject, chosen[:1])
    short = model.in_precision(torch.bfloat16)
    works = {
        "": lambda _: degrade(model, found, SETTINGS),
        ", in bfloat16": lambda _: degrade(short, found, SETTINGS),
        "literal": lambda _: literal(subject, chosen),
    }
    times = in_turns(works, plan.rounds).of
    each = [scale * t for t in times["literal"]]
    what = (
        f"{subject.name}: degradation of {len(texts)} texts, {len(SETTINGS.orders)} orders, {len(SETTINGS.steps)} "
        f"levels, against a pass a variant (run for {len(chosen)} of them, and scaled by tokens)"
    )
    return [Bar(what + how, "at least", LEAST, ratios(each, took)) for how, took in times.items() if how != "literal"]


@torch.no_grad()
def literal(subject: Subject, attributions: list[Attribution]) -> list[float]:
    """Probabilities of the target, one variant at a time."""
    model: Any = subject.whole
    probabilities = []
    for attribution in attributions:
        for order in SETTINGS.orders:
            falling = removal_order(attribution, order, SETTINGS.seed)
            for count in SETTINGS.counts(len(falling), order):
                variant = subject.model.without(attribution.text, falling[:count], SETTINGS.removal)
                logits = model(torch.tensor([variant.ids])).logits
                probabilities.append(float(logits.softmax(dim=1)[0, attribution.target]))
    return probabilities
