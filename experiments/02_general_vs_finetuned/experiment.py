"""Does fine-tuning concentrate information on sentiment words? The same texts on three checkpoints."""

import json
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from experiments.study import Study, collect, mean, shown
from textiba import Attribution
from textiba.attribution import BitsDetails, EvidenceDetails
from textiba.information import NATS_PER_BIT
from textiba.show.plots import LEGEND, panel

lexicon = import_module("experiments.02_general_vs_finetuned.lexicon")  # the folder's name is no identifier
EACH = 200  # sentiment words of either side
CHECKPOINTS = ("general-fresh", "general-probe", "fine-tuned")
NAMES = {"per_sample": "bits", "evidence": "evidence"}
COMPARED = ("share on sentiment words", "effective share of words")


def answer(study: Study) -> Path:
    """Runs the sweep on all checkpoints, measures the share on sentiment words, and publishes the results."""
    words = lexicon.sentiment_words(**_training(study))
    run = study.sweep()
    found: dict[str, Any] = {
        "sentiment words": {"positive": _some(words, 1), "negative": _some(words, -1), "number": len(words)}
    }
    texts: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for (checkpoint, method, text), values in collect(run, lambda a: numbers(a, words)).items():
        texts[checkpoint, f"{NAMES[method]}, layer {json.loads(text)['layer']}"] = values
    for checkpoint in CHECKPOINTS:
        mine = {what: values for (name, what), values in texts.items() if name == checkpoint}
        found[checkpoint] = {what: summary(values) for what, values in mine.items()}
        found[checkpoint]["accuracy"] = mean(float(v["right"]) for v in next(iter(mine.values())))
    found["fine-tuned minus general-probe"] = {
        what: {key: mean(a[key] - b[key] for a, b in zip(values, texts["general-probe", what], strict=True))
               for key in COMPARED}
        for (name, what), values in texts.items() if name == "fine-tuned"
    }  # fmt: skip
    found["texts"] = len(next(iter(texts.values())))
    tables = {"checkpoints": table(found), "difference": differences(found["fine-tuned minus general-probe"])}
    return study.publish(found, tables, {"general_vs_finetuned": figure(found)})


def numbers(a: Attribution, words: dict[str, int]) -> dict[str, Any]:
    """The numbers of one text."""
    scored = a.words()
    sizes = np.abs([w.score for w in scored])
    sides = np.array([words.get(w.text.lower(), 0) for w in scored])
    towards = sides * (1 if a.target == 1 else -1)
    shares = sizes / max(sizes.sum(), 1e-12)
    entropy = -(shares[shares > 0] * np.log(shares[shares > 0])).sum()
    on_sentiment = sizes[sides != 0].sum()
    out = {
        "right": a.predicted == a.text.source.label,
        "probability": a.probability,
        "total": a.total,
        "words": float((sides != 0).mean()),
        "share on sentiment words": float(shares[sides != 0].sum()),
        "effective share of words": float(np.exp(entropy) / len(scored)),
    }
    if isinstance(a.details, BitsDetails):
        out["kept"] = a.details.probability
    if isinstance(a.details, EvidenceDetails):
        out["usable"] = (a.details.opened - a.details.closed) / NATS_PER_BIT
        # +1 if every sentiment word speaks for the class of its side, −1 if every one speaks against it.
        signed = float((np.array([w.score for w in scored]) * towards).sum())
        out["sign agrees"] = signed / on_sentiment if on_sentiment else 0.0
    return out


def summary(values: list[dict[str, Any]]) -> dict[str, Any]:
    """The means over texts, with intervals."""
    keys = [k for k in values[0] if k != "right"]
    return {key: mean(v[key] for v in values) for key in keys}


def table(found: dict[str, Any]) -> dict[str, list[str]]:
    """The first table of the README."""
    rows = [(c, what, r) for c in CHECKPOINTS for what, r in found[c].items() if what != "accuracy"]
    return {
        "checkpoint": [c for c, _, _ in rows],
        "accuracy": [shown(found[c]["accuracy"], 2) for c, _, _ in rows],
        "what": [what for _, what, _ in rows],
        "sum": [shown(r["total"], 2) for _, _, r in rows],
        "usable bits": [shown(r["usable"], 2) if "usable" in r else "" for _, _, r in rows],
        "share on sentiment words": [shown(r["share on sentiment words"]) for _, _, r in rows],
        "their share of the words": [f"{r['words'].mean:.3f}" for _, _, r in rows],
        "effective share of words": [shown(r["effective share of words"]) for _, _, r in rows],
        "sign agrees": [shown(r["sign agrees"], 2) if "sign agrees" in r else "" for _, _, r in rows],
    }


def differences(found: dict[str, Any]) -> dict[str, list[str]]:
    """The second table of the README: paired differences."""
    return {"what": list(found), **{key: [shown(r[key]) for r in found.values()] for key in COMPARED}}


def figure(found: dict[str, Any]) -> Any:
    """The share on sentiment words: a bar with its interval for each checkpoint and measure."""
    from matplotlib.figure import Figure

    from textiba.show.plots import LINES

    whats = [what for what in found["fine-tuned"] if what != "accuracy"]
    made = Figure(figsize=(7.5, 3.6), facecolor="white", layout="constrained")
    axes = made.subplots()
    panel(axes, "Where the information is", "", "share on sentiment words")
    for i, checkpoint in enumerate(CHECKPOINTS):
        points = [found[checkpoint][what]["share on sentiment words"] for what in whats]
        spread = [[p.mean - p.low for p in points], [p.high - p.mean for p in points]]
        places = [n + (i - 1) * 0.27 for n in range(len(whats))]
        axes.bar(places, [p.mean for p in points], 0.25, yerr=spread, color=LINES[i][0], label=checkpoint, capsize=2)
    axes.axhline(
        found["fine-tuned"][whats[0]]["words"].mean, color="#111111", ls=":", lw=1, label="their share of the words"
    )
    axes.set_xticks(range(len(whats)), whats)
    axes.legend(**LEGEND)
    return made


def _training(study: Study) -> dict[str, Any]:
    """Labelled texts that no result is reported on, and the number of words to take from them."""
    from textiba import bundled_reviews
    from textiba.texts.sources import imdb_rows

    if study.small is not None:
        return {"texts": bundled_reviews(), "each": 20, "least_texts": 3}
    return {"texts": imdb_rows(study.config().data.source, "train"), "each": EACH}


def _some(words: dict[str, int], side: int) -> list[str]:
    return [word for word, s in words.items() if s == side][:20]
