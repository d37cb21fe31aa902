"""The compared code: each method of the registry, the published bottleneck, and other libraries."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch

import textiba
from benchmarks.floor import operations, plain_operations
from benchmarks.others import Explain, captum_explainer, interpreto_explainer
from benchmarks.plan import Plan
from benchmarks.published import explain_published
from benchmarks.report import number
from benchmarks.subjects import Subject
from textiba import Attribution, Evidence, Method, PerSampleBottleneck, ReadoutBottleneck
from textiba.methods import METHODS, OURS
from textiba.methods.optimised import Optimised
from textiba.methods.results import resolve_targets
from textiba.texts.batches import Batch
from textiba.texts.tokens import TokenizedText

STEPS = 10  # of all integrated gradients, and nodes of the evidence that is compared with them
PUBLISHED, CAPTUM, INTERPRETO, PLAIN = "published jiang2020", "Captum", "interpreto", "plain forward pass"
BY_FEATURE = f"per_sample, a gate a feature, {STEPS} steps, {STEPS} samples"
EVIDENCE, PER_SAMPLE, READOUT = Evidence.name, PerSampleBottleneck.name, ReadoutBottleneck.name
HELD_TO_BARS = (EVIDENCE, PER_SAMPLE, READOUT, BY_FEATURE)
TWO_THIRDS_UP = (*OURS, "schulz2020", "jiang2020")


@dataclass(frozen=True, slots=True)
class Contender:
    """Code that explains texts.

    Attributes:
        explain: the timed function.
        at_once: the number of texts that it gets together.
        brief: the same function with fewer steps and the same peak memory.
        operations: the floor's operations for one text; None for other libraries, which run other passes.
    """

    explain: Explain
    at_once: int
    brief: Explain
    operations: float | None = None


def contenders(subject: Subject, plan: Plan) -> tuple[dict[str, Contender], list[str]]:
    """All contenders by name; and descriptions of the methods that are too costly here."""
    model = subject.model

    def plain(texts: Sequence[TokenizedText]) -> object:
        return [model.logits(batch) for batch in model.batches(texts)]

    field = {PLAIN: Contender(plain, plan.together, plain, plain_operations(model, plan.tokens))}
    field[PUBLISHED] = Contender(_published(subject, STEPS), 1, _published(subject, 1))
    others = {CAPTUM: captum_explainer(subject, STEPS), INTERPRETO: interpreto_explainer(subject, STEPS)}
    field |= {name: Contender(explain, 1, explain) for name, explain in others.items() if explain is not None}
    left_out = []
    for name, method in _methods(subject).items():
        passes = method.passes(model.n_layers, plan.tokens - 2)
        cost = passes.forward + passes.backward
        if cost > plan.most_passes and name not in HELD_TO_BARS:
            left_out.append(f"{name} ({number(cost)} passes a text)")
            continue
        at_once = 1 if cost > plan.costly and name not in HELD_TO_BARS else plan.together
        least = operations(model, method, [plan.tokens])
        explain, brief = _explainer(subject, method), _explainer(subject, _brief(method))
        field[name] = Contender(explain, at_once, brief, least)
    return field, left_out


def attribute(subject: Subject, method: Method, batches: Iterable[Batch]) -> list[Attribution]:
    """`textiba.explain` without tokenization, which is not timed for the other libraries either."""
    found: list[Attribution] = []
    for batch in batches:
        forward = subject.model.forward(batch)
        targets = resolve_targets(subject.model, forward, "predicted")
        found += method.attribute(subject.model, forward, targets, subject.statistics)
    return found


def _brief(method: Method) -> Method:
    """The method with one step, if it has a number of steps."""
    return method.model_copy(update={"steps": 1}) if isinstance(method, Optimised) else method


def _explainer(subject: Subject, method: Method) -> Explain:
    return lambda texts: attribute(subject, method, subject.model.batches(texts))


def _published(subject: Subject, steps: int) -> Explain:
    def explain(texts: Sequence[TokenizedText]) -> object:
        return [explain_published(subject.whole, torch.tensor([r.ids]), subject.two_thirds, steps) for r in texts]

    return explain


def _methods(subject: Subject) -> dict[str, Method]:
    """The methods of the registry, bottlenecks at two thirds of the depth; and those compared at equal steps."""
    layer = subject.two_thirds
    found: dict[str, Method] = {}
    for name, kind in METHODS.items():
        settings = {"layer": layer} if name in TWO_THIRDS_UP and "layer" in kind.model_fields else {}
        found[name] = textiba.method(
            name, **settings, **({"weights": subject.readout} if kind is ReadoutBottleneck else {})
        )
    found[BY_FEATURE] = PerSampleBottleneck(layer=layer, gates="feature", steps=STEPS, samples=STEPS)
    found[f"integrated_gradients, {STEPS} steps"] = textiba.method("integrated_gradients", steps=STEPS)
    for at in (0, layer):
        found[f"evidence, {STEPS} nodes, layer {at}"] = Evidence(layer=at, nodes=STEPS)
    return found
