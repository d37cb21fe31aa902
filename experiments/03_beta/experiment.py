"""What does β change? Bits, the prediction under the bottleneck, and the faithfulness of the order, from 1e-6 on."""

import json
from pathlib import Path
from typing import Any

from experiments.study import COARSE, Study, collect, mean, shown
from textiba import Attribution, lerf_morf_area
from textiba.attribution import BitsDetails
from textiba.show.plots import LEGEND, band_line, panel

ON = ("sum", "mean")


def answer(study: Study) -> Path:
    """Runs the sweep over β and its degradation test, and publishes the results."""
    run = study.sweep()
    curves = study.degrade(run, COARSE)
    areas = {(c["morf"].settings["beta_on"], c["morf"].settings["beta"]): mean(lerf_morf_area(c)) for c in curves}
    found: dict[str, dict[str, Any]] = {on: {} for on in ON}
    texts = 0
    for (_, _, text), values in collect(run, numbers).items():
        settings = json.loads(text)
        texts = len(values)
        found[settings["beta_on"]][f"{settings['beta']:g}"] = {
            "bits": mean(v["bits"] for v in values),
            "kept probability": mean(v["kept"] for v in values),
            "prediction kept": mean(float(v["kept"] > 0.5) for v in values),
            "whole accuracy": mean(float(v["right"]) for v in values),
            "accuracy under the bottleneck": mean(float(v["right"] == (v["kept"] > 0.5)) for v in values),
            "loss": mean(v["loss"] for v in values),
            "converged": mean(float(v["converged"]) for v in values),
            "area": areas[settings["beta_on"], settings["beta"]],
        }
    tables = {"beta": table(found)}
    return study.publish({"texts": texts, **found}, tables, {"beta": figure(found)})


def numbers(a: Attribution) -> dict[str, Any]:
    """The numbers of one text at one β."""
    assert isinstance(a.details, BitsDetails)  # noqa: S101 - the config has bits only
    d = a.details
    return {
        "bits": a.total, "kept": d.probability, "loss": d.loss, "converged": d.converged,
        "right": a.predicted == a.text.source.label,
    }  # fmt: skip


def table(found: dict[str, dict[str, Any]]) -> dict[str, list[str]]:
    """The table of the README."""
    rows = [(on, beta, r) for on in ON for beta, r in found[on].items()]
    return {
        "β on the": [on for on, _, _ in rows],
        "β": [beta for _, beta, _ in rows],
        "bits a text": [shown(r["bits"]) for _, _, r in rows],
        "p(target) kept": [shown(r["kept probability"], 2) for _, _, r in rows],
        "prediction kept": [shown(r["prediction kept"], 2) for _, _, r in rows],
        "accuracy": [shown(r["accuracy under the bottleneck"], 2) for _, _, r in rows],
        "loss settled": [f"{r['converged'].mean:.2f}" for _, _, r in rows],
        "area": [shown(r["area"]) for _, _, r in rows],
    }


def figure(found: dict[str, dict[str, Any]]) -> Any:
    """Bits, kept prediction and area against β on the sum; and area against bits, for β on the sum and on the mean."""
    from matplotlib.figure import Figure

    made = Figure(figsize=(13, 3.6), facecolor="white", layout="constrained")
    panels = made.subplots(1, 3)
    betas = [float(beta) for beta in found["sum"]]
    rows = list(found["sum"].values())
    panel(panels[0], "Bits that pass", "β on the sum", "bits a text")
    band_line(panels[0], betas, [r["bits"] for r in rows], 0, "bits")
    panel(panels[1], "What is kept", "β on the sum", "share, probability or area")
    wanted = {"accuracy under the bottleneck": "accuracy", "kept probability": "p(target)", "area": "area, LeRF − MoRF"}
    for i, (key, label) in enumerate(wanted.items()):
        band_line(panels[1], betas, [r[key] for r in rows], i, label)
    panels[1].set_ylim(0, 1.02)
    panel(panels[2], "The order, by what passes", "bits a text", "area, LeRF − MoRF")
    for i, on in enumerate(ON):
        points = sorted((r["bits"].mean, r["area"]) for r in found[on].values())
        band_line(panels[2], [bits for bits, _ in points], [p for _, p in points], i, f"β on the {on}")
    for axes in panels:
        axes.set_xscale("log")
        axes.legend(**LEGEND)
    return made
