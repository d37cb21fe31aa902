"""Which layers carry the most information? Bits, usable bits and faithfulness at every layer."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from experiments.study import COARSE, Study, collect, mean, shown
from textiba import Attribution, lerf_morf_area
from textiba.attribution import BitsDetails, EvidenceDetails
from textiba.evaluation.intervals import Interval
from textiba.information import NATS_PER_BIT
from textiba.show.plots import LEGEND, band_line, panel

CLASSES = {"negative": 0, "positive": 1}
METHODS = ("per_sample", "evidence")


def answer(study: Study) -> Path:
    """Runs the sweep and the degradation test at every layer, and publishes the results."""
    run = study.sweep()
    rows = {
        (method, json.loads(settings)["layer"]): values
        for (_, method, settings), values in collect(run, numbers).items()
    }
    curves = study.degrade(run, COARSE)
    areas = {(c["morf"].method, c["morf"].settings["layer"]): mean(lerf_morf_area(c)) for c in curves}
    layers = sorted({layer for _, layer in rows})
    found: dict[str, Any] = {"texts": len(next(iter(rows.values()))), "layers": {}}
    for layer in layers:
        bits, evidence = rows["per_sample", layer], rows["evidence", layer]
        found["layers"][layer] = {
            "bits": mean(r["total"] for r in bits),
            "bits by predicted class": by_class(bits, "total"),
            "kept probability": mean(r["kept"] for r in bits),
            "bits in the top tenth of words": mean(r["top tenth"] for r in bits),
            "usable bits": mean(r["usable"] for r in evidence),
            "usable bits by predicted class": by_class(evidence, "usable"),
            "area": {method: areas[method, layer] for method in METHODS},
        }  # fmt: skip
    found["most bits"] = max(layers, key=lambda n: found["layers"][n]["bits"].mean)
    found["most usable bits"] = max(layers, key=lambda n: found["layers"][n]["usable bits"].mean)
    found["largest area"] = {m: max(layers, key=lambda n: areas[m, n].mean) for m in METHODS}
    return study.publish(found, {"layers": table(found["layers"])}, {"layers": figure(found["layers"])})


def by_class(rows: list[dict[str, Any]], key: str) -> dict[str, Interval]:
    """The mean over the texts of each predicted class, for each class that was predicted."""
    values = {name: [r[key] for r in rows if r["predicted"] == c] for name, c in CLASSES.items()}
    return {name: mean(there) for name, there in values.items() if there}


def found_in(rows: list[dict[str, Any]]) -> list[str]:
    """The classes that were predicted."""
    return [name for name in CLASSES if name in rows[0]["bits by predicted class"]]


def numbers(a: Attribution) -> dict[str, Any]:
    """The numbers of one text at one layer."""
    if isinstance(a.details, EvidenceDetails):
        return {"predicted": a.predicted, "usable": (a.details.opened - a.details.closed) / NATS_PER_BIT}
    assert isinstance(a.details, BitsDetails)  # noqa: S101 - the config has no third method
    scores = np.sort([w.score for w in a.words()])[::-1]
    tenth = scores[: max(1, round(len(scores) / 10))].sum()
    return {
        "predicted": a.predicted, "total": a.total, "kept": a.details.probability,
        "top tenth": float(tenth / max(scores.sum(), 1e-9)),
    }  # fmt: skip


def table(layers: dict[int, dict[str, Any]]) -> dict[str, list[str]]:
    """The table of the README."""
    rows = list(layers.values())
    return {
        "layer": [str(layer) for layer in layers],
        "bits a text": [shown(r["bits"]) for r in rows],
        **{f"{name} predicted": [shown(r["bits by predicted class"][name]) for r in rows] for name in found_in(rows)},
        "in the top tenth of words": [shown(r["bits in the top tenth of words"], 2) for r in rows],
        "p(target) kept": [shown(r["kept probability"], 2) for r in rows],
        "usable bits": [shown(r["usable bits"], 2) for r in rows],
        "area, bits": [shown(r["area"]["per_sample"]) for r in rows],
        "area, evidence": [shown(r["area"]["evidence"]) for r in rows],
    }  # fmt: skip


def figure(layers: dict[int, dict[str, Any]]) -> Any:
    """Bits and usable bits by predicted class, and areas, over layers."""
    from matplotlib.figure import Figure

    made = Figure(figsize=(13, 3.6), facecolor="white", layout="constrained")
    panels = made.subplots(1, 3)
    titles = (
        ("Bits that pass, by predicted class", "bits a text"),
        ("Usable bits about the class", "log₂ p open − log₂ p closed"),
        ("Faithfulness of the order", "area, LeRF − MoRF"),
    )
    for axes, (title, unit) in zip(panels, titles, strict=True):
        panel(axes, title, "layer (0: embeddings)", unit)
    x = list(layers)
    for i, name in enumerate(found_in(list(layers.values()))):
        for axes, key in zip(panels, ("bits by predicted class", "usable bits by predicted class"), strict=False):
            band_line(axes, x, [layers[n][key][name] for n in x], i, name)
    for i, method in enumerate(METHODS):
        band_line(panels[2], x, [layers[n]["area"][method] for n in x], i, method.replace("_", " "))
    for axes in panels:
        axes.set_ylim(bottom=min(0.0, axes.get_ylim()[0]))
        axes.set_xticks(x)
        axes.legend(**LEGEND)
    return made
