"""What the explorer shows, and the same as plain values for JSON."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from textiba.attribution import Attribution, BitsDetails, Curve, EvidenceDetails
from textiba.degradation import area
from textiba.errors import InputError
from textiba.highlight import meaning, segments
from textiba.profile import Interval, LayerRow, bootstrap
from textiba.scale import DARK_GROUND, RAMPS, Scale

_NAMES = {"per_sample": "Bits", "evidence": "Evidence"}
_ORDERS = ("morf", "lerf", "random")
_DRAWS = 500  # of the bootstrap, for bands
_DIGITS = 4


@dataclass(frozen=True, eq=False)
class Exploration:
    """The results that one page shows.

    Attributes:
        title: of the page.
        attributions: reviews × checkpoints × methods × layers × β, in any order and not necessarily all.
        profile: of `layer_profile`, over as many reviews as it was made from.
        curves: {checkpoint: {method: {order: Curve}}}.
        facts: for the footer: versions, seed, settings.
    """

    title: str
    attributions: Sequence[Attribution]
    profile: Sequence[LayerRow] = ()
    curves: Mapping[str, Mapping[str, Mapping[str, Curve]]] = field(default_factory=dict)
    facts: Mapping[str, str] = field(default_factory=dict)


def payload(exploration: Exploration) -> dict[str, Any]:
    """The exploration as plain values; numbers keep four significant digits, and NaN becomes None.

    Raises:
        InputError: no attributions, or two for the same review, checkpoint, method, layer and β.
    """
    attributions = exploration.attributions
    scale = Scale.of(attributions)
    checkpoints = _unique(a.checkpoint for a in attributions)
    measures = _unique(a.method for a in attributions)
    reviews = _unique(a.review.review.text for a in attributions)
    layouts: dict[tuple, int] = {}
    runs: dict[tuple, dict[str, Any]] = {}
    for a in attributions:
        place = (reviews[a.review.review.text], checkpoints[a.checkpoint], measures[a.method], a.layer, _beta(a))
        if place in runs:
            raise InputError(
                f"a page has one attribution for each review, checkpoint, method, layer and β; got two for "
                f"'{a.checkpoint}', '{a.method}', layer {a.layer}, β {_beta(a)}. Leave one out"
            )
        layout = tuple((s.text, -1 if s.word is None else s.word, int(s.marked)) for s in segments(a))
        runs[place] = _run(a, place, layouts.setdefault(layout, len(layouts)))
    first = {a.review.review.text: a for a in reversed(attributions)}
    return {
        "labels": list(attributions[0].labels),
        "ramps": {theme: {kind: list(stops) for kind, stops in ramp.items()} for theme, ramp in RAMPS.items()},
        "darkGround": DARK_GROUND,
        "checkpoints": list(checkpoints),
        "measures": [_measure(name, attributions, scale) for name in measures],
        "reviews": [_review(first[text]) for text in reviews],
        "layouts": [list(layout) for layout in layouts],
        "runs": list(runs.values()),
        "profile": [_row(row) for row in exploration.profile],
        "curves": [
            _curves(checkpoint, method, group)
            for checkpoint, methods in exploration.curves.items()
            for method, group in methods.items()
        ],
    }


def method_name(method: str) -> str:
    """A method's name for readers."""
    return _NAMES.get(method, method.replace("_", " ").capitalize())


def _unique(values: Any) -> dict[Any, int]:
    """Each value with its place, in the order in which they first come."""
    return {value: i for i, value in enumerate(dict.fromkeys(values))}


def _beta(a: Attribution) -> float | None:
    return a.settings.get("beta")


def _round(value: float | None) -> float | None:
    if value is None or not math.isfinite(value):
        return None
    return float(f"{value:.{_DIGITS}g}")


def _run(a: Attribution, place: tuple, layout: int) -> dict[str, Any]:
    review, checkpoint, measure, layer, beta = place
    run = {
        "review": review,
        "checkpoint": checkpoint,
        "measure": measure,
        "layer": layer,
        "beta": beta,
        "layout": layout,
        "target": a.target,
        "predicted": a.predicted,
        "probability": _round(a.probability),
        "total": _round(a.total),
        "scores": [_round(w.score) for w in a.words()],
    }
    if isinstance(a.details, BitsDetails):
        run |= {"kept": _round(a.details.probability), "converged": a.details.converged}
    if isinstance(a.details, EvidenceDetails):
        run |= {"closed": _round(a.details.closed), "opened": _round(a.details.opened)}
    return run


def _measure(method: str, attributions: Sequence[Attribution], scale: Scale) -> dict[str, Any]:
    mine = [a for a in attributions if a.method == method]
    span = scale.at(mine[0])
    return {
        "method": method,
        "name": method_name(method),
        "unit": span.unit,
        "signed": span.signed,
        "limit": _round(span.limit),
        "meaning": meaning(span.unit),
        "layers": sorted({a.layer for a in mine if a.layer is not None}),
        "betas": sorted({beta for a in mine if (beta := _beta(a)) is not None}),
    }


def _review(a: Attribution) -> dict[str, Any]:
    review = a.review.review
    words = review.text.split()
    opening = " ".join(words[:9]) + (" …" if len(words) > 9 else "")
    return {
        "id": review.id,
        "kind": review.kind,
        "gold": review.label,
        "opening": opening[:90],
        "cut": a.review.cut,
        "rationale": bool(review.rationale),
    }


def _interval(interval: Interval | None) -> list[float | None] | None:
    return None if interval is None else [_round(v) for v in (interval.mean, interval.low, interval.high)]


def _row(row: LayerRow) -> dict[str, Any]:
    return {
        "checkpoint": row.checkpoint,
        "method": method_name(row.method),
        "layer": row.layer,
        "beta": row.beta,
        "reviews": row.reviews,
        "total": _interval(row.total),
        "usable": _interval(row.usable),
        "kept": _interval(row.kept),
    }


def _curves(checkpoint: str, method: str, group: Mapping[str, Curve]) -> dict[str, Any]:
    curve = next(iter(group.values()))
    known = [order for order in _ORDERS if order in group]
    return {
        "checkpoint": checkpoint,
        "method": method_name(method),
        "removal": curve.removal,
        "by": curve.by,
        "reviews": len(curve.probability),
        "steps": [_round(float(step)) for step in curve.steps],
        "orders": {o: [_interval(bootstrap(c, draws=_DRAWS)) for c in group[o].probability.T] for o in known},
        "area": _interval(bootstrap(area(dict(group)))) if {"morf", "lerf"} <= group.keys() else None,
    }
