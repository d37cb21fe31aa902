"""Can one pass of a readout replace ten steps for each text? Loss, area and cost on the same texts."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import textiba
from experiments.study import Study, collect, in_order, mean, shown
from textiba import Attribution, Degradation, load
from textiba.attribution import BitsDetails, content_scores
from textiba.evaluation.metrics import rank_agreement
from textiba.evaluation.metrics.faithfulness import area
from textiba.show.plots import plot_curves

SETTINGS = Degradation(orders=("morf", "lerf"))
COLD, TRIED, WARM, READOUT = (
    "per-sample, ten cold steps",
    "readout, tried out",
    "four steps from the readout",
    "readout",
)


def answer(study: Study) -> Path:
    """Runs per-sample gates from a cold and from a warm start, and the readout, and publishes the results."""
    run = study.sweep()
    groups = {label(g["morf"].method, g["morf"].settings): g for g in study.degrade(run, SETTINGS)}
    areas = {n: area(in_order(g["morf"]), in_order(g["lerf"]), g["morf"].steps) for n, g in groups.items()}
    found: dict[str, Any] = {}
    collected = {label(method, json.loads(text)): (method, json.loads(text), values)
                 for (_, method, text), values in collect(run, numbers).items()}  # fmt: skip
    cold = collected[COLD][2]
    layers = load(study.config().checkpoints[0]).n_layers
    for name in (COLD, READOUT, TRIED, WARM):
        method, settings, values = collected[name]
        passes = [textiba.method(method, **settings).passes(layers, v["tokens"]) for v in values]
        found[name] = {
            "bits": mean(v["total"] for v in values),
            "area": mean(areas[name]),
            "share of the cold area": float(areas[name].mean() / areas[COLD].mean()),
            "rank agreement with cold": mean(
                rank_agreement(v["scores"], c["scores"]) for v, c in zip(values, cold, strict=True)
            ),
            "passes": sum(p.forward + p.backward for p in passes) / len(passes),
        }  # fmt: skip
        if method == "per_sample":
            found[name] |= {
                "loss": mean(v["loss"] for v in values),
                "kept probability": mean(v["kept"] for v in values),
            }
    found["texts"] = len(cold)
    return study.publish(found, {"readout": table(found)}, {"per_sample_vs_readout": plot_curves(groups, columns=4)})


def label(method: str, settings: Mapping[str, Any]) -> str:
    """The name of the row with these settings of a method."""
    if method == "readout":
        return READOUT
    return COLD if settings["readout"] is None else WARM if settings["steps"] else TRIED


def numbers(a: Attribution) -> dict[str, Any]:
    """The numbers of one text."""
    known = {"loss": a.details.loss, "kept": a.details.probability} if isinstance(a.details, BitsDetails) else {}
    return {"total": a.total, "scores": content_scores(a), "tokens": len(a.text.content)} | known


def table(found: dict[str, Any]) -> dict[str, list[str]]:
    """The table of the README; the readout's loss is that of its gates under noise, without a step."""
    rows = {name: found[name] | ({k: found[TRIED][k] for k in ("loss", "kept probability")} if name == READOUT else {})
            for name in (COLD, READOUT, WARM)}  # fmt: skip
    return {
        "": list(rows),
        "loss, nats": [shown(r["loss"]) for r in rows.values()],
        "bits a text": [shown(r["bits"]) for r in rows.values()],
        "p(target) kept": [f"{r['kept probability'].mean:.3f}" for r in rows.values()],
        "area by deletion": [shown(r["area"]) for r in rows.values()],
        "ρ with cold": [shown(r["rank agreement with cold"], 2) for r in rows.values()],
        "passes": [f"{r['passes']:.1f}" for r in rows.values()],
    }
