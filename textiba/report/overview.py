"""Turns profiles and curves, the results over all texts, into values for JSON."""

import math
from collections.abc import Mapping
from typing import Any

from textiba.attribution import Curve
from textiba.evaluation.degradation import lerf_morf_area
from textiba.evaluation.intervals import Interval, bootstrap
from textiba.evaluation.profile import LayerRow

ORDERS = ("morf", "lerf", "random")
_NAMES = {"per_sample": "Bits", "evidence": "Evidence", "evidence_mean": "Evidence, mean", "lrp": "LRP", "lime": "LIME"}
_DRAWS = 500  # number of bootstrap resamplings, for bands
_DIGITS = 4


def method_name(method: str) -> str:
    """The name of a method, for readers."""
    return _NAMES.get(method, method.replace("_", " ").capitalize())


def _round(value: float | None) -> float | None:
    if value is None or not math.isfinite(value):
        return None
    return float(f"{value:.{_DIGITS}g}")


def _interval(interval: Interval | None) -> list[float | None] | None:
    return None if interval is None else [_round(v) for v in (interval.mean, interval.low, interval.high)]


def profile_row(row: LayerRow) -> dict[str, Any]:
    """A row of the layer profile."""
    return {
        "checkpoint": row.checkpoint, "method": method_name(row.method), "layer": row.layer, "beta": row.beta,
        "texts": row.texts, "total": _interval(row.total), "usable": _interval(row.usable),
        "kept": _interval(row.kept),
    }  # fmt: skip


def curve_values(group: Mapping[str, Curve]) -> dict[str, Any]:
    """The degradation curves of one method and checkpoint: means with intervals, and the area between MoRF and LeRF."""
    curve = next(iter(group.values()))
    known = [order for order in ORDERS if order in group]
    return {
        "checkpoint": curve.checkpoint,
        "method": method_name(curve.method),
        "layer": curve.settings.get("layer"),
        "beta": curve.settings.get("beta"),
        "removal": curve.way,
        "by": curve.by,
        "texts": len(curve.probability),
        "steps": [_round(float(step)) for step in curve.steps],
        "orders": {o: [_interval(bootstrap(c, draws=_DRAWS)) for c in group[o].probability.T] for o in known},
        "area": _interval(bootstrap(lerf_morf_area(dict(group)))) if {"morf", "lerf"} <= group.keys() else None,
    }
