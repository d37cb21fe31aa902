"""What share of the top-scored words lies within human rationales? And does it help to pool scores over phrases?"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from experiments.study import Study, collect, mean, shown, significant
from textiba import Attribution
from textiba.evaluation.metrics.plausibility import auprc, top_share, words_and_rationale
from textiba.show.plots import LEGEND, band_line, panel

WIDTHS = (0, 1, 2, 4, 8, 16)  # words to either side
POOLED = ("two_sided", "evidence", "lrp", "saliency")
OURS = ("two_sided", "evidence", "per_sample")
REFERENCE = "saliency"

Text = tuple[Any, Any]  # the words' scores, and whether each is marked


def answer(study: Study) -> Path:
    """Runs the sweeps, chooses widths on the validation part, and publishes the results on the other part."""
    chosen = widths(read(study.sweep("validation")))
    texts = read(study.sweep())
    shares = {name: np.array([top_share(*r) for r in found]) for name, found in texts.items()}
    precision = {name: np.array([auprc(*r) for r in found]) for name, found in texts.items()}
    found: dict[str, Any] = {
        "texts": len(shares[REFERENCE]), "marked share of words": mean(m.mean() for _, m in texts[REFERENCE]),
        "methods": {}, "pooled": {},
    }  # fmt: skip
    differs = significant({name: own - shares[REFERENCE] for name, own in shares.items() if name != REFERENCE})
    for name in sorted(shares, key=lambda n: -shares[n].mean()):
        found["methods"][name] = {
            "top share": mean(shares[name]),
            f"top share minus {REFERENCE}": mean(shares[name] - shares[REFERENCE]),
            "significant": differs.get(name, False),
            "auprc": mean(precision[name]),
        }
    best = {name: np.array([top_share(pooled(s, chosen[name]), m) for s, m in texts[name]]) for name in POOLED}
    for name in POOLED:
        by = {w: mean(top_share(pooled(s, w), m) for s, m in texts[name]) for w in WIDTHS}
        found["pooled"][name] = {
            "width chosen": chosen[name], "top share": mean(best[name]), "gain": mean(best[name] - shares[name]),
            f"minus {REFERENCE}": mean(best[name] - best[REFERENCE]),
            "auprc": mean(auprc(pooled(s, chosen[name]), m) for s, m in texts[name]), "by width": by,
        }  # fmt: skip
    tables = {"methods": table(found["methods"]), "pooled": pooled_table(found["pooled"])}
    return study.publish(found, tables, {"rationales": figure(found["pooled"], found["marked share of words"].mean)})


def read(run: Any) -> dict[str, list[Text]]:
    """The words of each method's texts that have a marked word within the model's length."""
    values = collect(run, lambda a: words_and_rationale(a) if marked(a) else None)
    return {method: [v for v in found if v is not None] for (_, method, _), found in values.items()}


def marked(a: Attribution) -> bool:
    """Whether a text has a marked word within the model's length."""
    return any(a.text.rationale)


def widths(texts: dict[str, list[Text]]) -> dict[str, int]:
    """The width with the highest mean AUPRC, for each method."""
    return {name: max(WIDTHS, key=lambda w: float(np.mean([auprc(pooled(s, w), m) for s, m in texts[name]])))
            for name in POOLED}  # fmt: skip


def pooled(scores: Float[np.ndarray, " words"], width: int) -> Float[np.ndarray, " words"]:
    """The mean score of the words up to `width` places away; at the ends of the text over fewer words."""
    ones = np.ones(2 * width + 1)
    return np.convolve(scores, ones, "full")[width:][: len(scores)] / np.convolve(
        np.ones(len(scores)), ones, "full")[width:][: len(scores)]  # fmt: skip


def table(rows: dict[str, Any]) -> dict[str, list[str]]:
    """The first table of the README; * marks differences with p < 0.05 after Holm's correction."""
    return {
        "method": [f"**{name}**" if name in OURS else name for name in rows],
        "top share (95 %)": [shown(r["top share"]) for r in rows.values()],
        f"minus {REFERENCE}, paired": [
            "" if name == REFERENCE else shown(r[f"top share minus {REFERENCE}"]) + "*" * r["significant"]
            for name, r in rows.items()
        ],
        "AUPRC": [shown(r["auprc"]) for r in rows.values()],
    }


def pooled_table(rows: dict[str, Any]) -> dict[str, list[str]]:
    """The second table of the README: scores pooled over the width that was chosen on the validation part."""
    return {
        "method, pooled": list(rows),
        "words to either side": [str(r["width chosen"]) for r in rows.values()],
        "top share (95 %)": [shown(r["top share"]) for r in rows.values()],
        "gain, paired": [shown(r["gain"]) for r in rows.values()],
        f"minus {REFERENCE} pooled, paired": [
            "" if name == REFERENCE else shown(r[f"minus {REFERENCE}"]) for name, r in rows.items()
        ],
        "AUPRC": [shown(r["auprc"]) for r in rows.values()],
    }


def figure(rows: dict[str, Any], chance: float) -> Any:
    """The top share against the width of pooling."""
    from matplotlib.figure import Figure

    made = Figure(figsize=(6, 3.7), facecolor="white", layout="constrained")
    axes = made.subplots()
    panel(axes, "Within the rationale", "words pooled to either side", "share of the top-scored words")
    places: Sequence[int] = range(len(WIDTHS))
    for i, (name, row) in enumerate(rows.items()):
        band_line(axes, list(places), list(row["by width"].values()), i, name.replace("_", " "))
    axes.axhline(chance, color="#111111", ls=":", lw=1, label="chance")
    axes.set_xticks(list(places), [str(w) for w in WIDTHS])
    axes.legend(**LEGEND)
    return made
