"""Remove the top k tokens: with which method's order does the prediction fall first, on two checkpoints?

`two_sided` optimises the area that the methods are ranked by; the table and the figure mark it with †.
"""

from pathlib import Path
from typing import Any

import numpy as np

from experiments.study import Study, in_order, mean, shown, significant
from textiba import Curve, Degradation
from textiba.evaluation.metrics.faithfulness import area
from textiba.show.plots import LEGEND, band_line, panel

CHECKPOINTS = ("fine-tuned", "general-probe")
COUNTS = (0, 1, 2, 3, 5, 10, 20, 40, 78)
SHOWN = (1, 3, 5, 10, 20)
OURS = ("two_sided", "evidence", "per_sample", "readout")
DRAWN = ("two_sided", "per_sample", "lrp", "integrated_gradients", "saliency", "random")
REFERENCE = "two_sided"
OPTIMISES = "†"  # after a method that optimises the area for each text


def answer(study: Study) -> Path:
    """Runs both sweeps and their degradation tests by number of tokens, and publishes the results."""
    found: dict[str, Any] = {}
    for checkpoint in CHECKPOINTS:
        run = study.sweep(checkpoint)
        groups = study.degrade(run, Degradation(by="count", steps=COUNTS, orders=("morf", "lerf")))
        found[checkpoint] = methods({group["morf"].method: group for group in groups})
    tables = {checkpoint: table(found[checkpoint]) for checkpoint in CHECKPOINTS}
    return study.publish(found, tables, {"top_k": figure(found)})


def methods(groups: dict[str, dict[str, Curve]]) -> dict[str, Any]:
    """For each method its area, the reference's area minus it text by text, and the fall of the prediction."""
    curves = {name: (in_order(g["morf"]), in_order(g["lerf"])) for name, g in groups.items()}
    steps = np.asarray(COUNTS, dtype=np.float64)
    areas = {name: area(morf, lerf, steps) for name, (morf, lerf) in curves.items()}
    differs = significant({name: areas[REFERENCE] - own for name, own in areas.items() if name != REFERENCE})
    out = {}
    for name in sorted(areas, key=lambda n: -float(areas[n].mean())):
        order = np.argsort(groups[name]["morf"].texts)
        correct = groups[name]["morf"].correct[order]
        out[name] = {
            "area": mean(areas[name]),
            "reference minus this": mean(areas[REFERENCE] - areas[name]),
            "significant": differs.get(name, False),
            "probability": {k: mean(curves[name][0][:, i]) for i, k in enumerate(COUNTS)},
            "accuracy": {k: mean(correct[:, i]) for i, k in enumerate(COUNTS)},
            "texts": len(correct),
        }
    return out


def table(rows: dict[str, Any]) -> dict[str, list[str]]:
    """The table of the README, for one checkpoint; * marks differences with p < 0.05 after Holm's correction."""
    return {
        "method": [_marked(f"**{name}**" if name in OURS else name, name) for name in rows],
        "area (95 %)": [shown(r["area"]) for r in rows.values()],
        f"{REFERENCE} minus it, paired": [
            "" if name == REFERENCE else shown(r["reference minus this"]) + "*" * r["significant"]
            for name, r in rows.items()
        ],
        **{f"p, top {k} gone": [f"{r['probability'][k].mean:.2f}" for r in rows.values()] for k in SHOWN},
        "accuracy, top 5 gone": [f"{r['accuracy'][5].mean:.2f}" for r in rows.values()],
    }


def label(name: str) -> str:
    """The name of a method in the legend of the figure."""
    text = _marked(name.replace("_", " "), name)
    return f"{text} (optimises the area for each text)" if name == REFERENCE else text


def _marked(text: str, name: str) -> str:
    return f"{text} {OPTIMISES}" if name == REFERENCE else text


def figure(found: dict[str, Any]) -> Any:
    """p(target) as the top k tokens are removed, a panel for each checkpoint."""
    from matplotlib.figure import Figure

    made = Figure(figsize=(10.5, 3.8), facecolor="white", layout="constrained")
    panels = made.subplots(1, 2, sharey=True)
    for axes, checkpoint in zip(panels, CHECKPOINTS, strict=True):
        panel(axes, checkpoint, "tokens removed, most relevant first", "p(target)")
        for i, name in enumerate(n for n in DRAWN if n in found[checkpoint]):
            points = found[checkpoint][name]["probability"]
            band_line(axes, list(points), list(points.values()), i, label(name))
        axes.set_xlim(0, 40)
        axes.set_ylim(0, 1.02)
    made.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=len(DRAWN) // 2, **LEGEND)
    return made
