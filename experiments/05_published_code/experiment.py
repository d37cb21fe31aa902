"""What does it change to correct the statistics of the published BERT code, and what is left to gain after that?"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from experiments.study import COARSE, Study, collect, in_order, mean, shown
from textiba import Attribution, load
from textiba.attribution import BitsDetails, content_scores
from textiba.evaluation.metrics import rank_agreement
from textiba.evaluation.metrics.faithfulness import area
from textiba.show.plots import LEGEND, band_line, panel

STEPS = ("published", "statistics corrected", "ours at the same layer", "ours at layer 2")
RANDOM = "random"


def answer(study: Study) -> Path:
    """Runs the steps from the published code to ours, and publishes the results."""
    run = study.sweep()
    groups = study.degrade(run, COARSE)
    curves = {step(g["morf"].method, g["morf"].settings): g for g in groups}
    areas = {name: area(in_order(g["morf"]), in_order(g["lerf"]), g["morf"].steps) for name, g in curves.items()}
    values = {step(method, json.loads(text)): rows for (_, method, text), rows in collect(run, numbers).items()}
    moved = movement(study, values["published"])
    found: dict[str, Any] = {"texts": len(moved)}
    for name in (*STEPS, RANDOM):
        scores = [v["scores"] for v in values[name]]
        found[name] = {
            "area": mean(areas[name]),
            "gain on the published code": mean(areas[name] - areas["published"]),
            "bits": mean(v["total"] for v in values[name]),
            "rank agreement with how far the layer moves each token": mean(map(rank_agreement, scores, moved)),
            "rank agreement with the published code": mean(
                rank_agreement(s, v["scores"]) for s, v in zip(scores, values["published"], strict=True)
            ),
        }
        if name != RANDOM:
            found[name]["kept probability"] = mean(v["kept"] for v in values[name])
    return study.publish(found, {"ladder": table(found)}, {"published_code": figure(curves)})


def step(method: str, settings: Mapping[str, Any]) -> str:
    """The name of the step with these settings of a method."""
    if method == "per_sample":
        index = 1 if settings["gates"] == "feature" else 2 if settings["layer"] == 4 else 3
        return STEPS[index]
    return STEPS[0] if method == "jiang2020" else RANDOM


def numbers(a: Attribution) -> dict[str, Any]:
    """The numbers of one text."""
    kept = a.details.probability if isinstance(a.details, BitsDetails) else None
    return {"total": a.total, "kept": kept, "scores": content_scores(a), "text": a.text}


def movement(study: Study, values: list[dict[str, Any]]) -> list[Any]:
    """‖h_l − h_{l−1}‖² of each content token, at the layer l of the published code."""
    config = study.config()
    model = load(config.checkpoints[0], config.max_length)
    layer = config.methods[0].settings["layer"]
    out = []
    for value in values:
        hidden = model.forward(model.collate([value["text"]])).hidden_states
        far = (hidden[layer] - hidden[layer - 1]).square().sum(dim=2)[0].numpy()
        out.append(far[np.asarray(value["text"].content)])
    return out


def table(found: dict[str, Any]) -> dict[str, list[str]]:
    """The table of the README."""
    rows = {name: found[name] for name in (*STEPS, RANDOM)}
    moved, published = (
        "rank agreement with how far the layer moves each token",
        "rank agreement with the published code",
    )
    return {
        "step": list(rows),
        "area (95 %)": [shown(r["area"]) for r in rows.values()],
        "gain, paired": [
            "" if n == STEPS[0] else shown(r["gain on the published code"]) for n, r in rows.items()
        ],
        "bits a text": ["" if n == RANDOM else shown(r["bits"]) for n, r in rows.items()],
        "p(target) kept": [shown(r["kept probability"], 2) if n != RANDOM else "" for n, r in rows.items()],
        "ρ with how far the layer moves a token": [shown(r[moved], 2) for r in rows.values()],
        "ρ with the published scores": ["" if n == STEPS[0] else shown(r[published], 2) for n, r in rows.items()],
    }  # fmt: skip


def figure(curves: dict[str, Any]) -> Any:
    """p(target) as tokens are removed, most and least relevant first, for each step."""
    from matplotlib.figure import Figure

    made = Figure(figsize=(10.5, 3.8), facecolor="white", layout="constrained")
    titles = {"morf": "Most relevant first: lower is better", "lerf": "Least relevant first: higher is better"}
    panels = made.subplots(1, 2, sharey=True)
    for axes, (order, title) in zip(panels, titles.items(), strict=True):
        panel(axes, title, "share of tokens deleted", "p(target)")
        for i, name in enumerate((*STEPS, RANDOM)):
            curve = curves[name][order]
            band_line(axes, curve.steps.tolist(), [mean(column) for column in curve.probability.T], i, name)
        axes.set_ylim(0, 1.02)
    made.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=3, **LEGEND)
    return made
