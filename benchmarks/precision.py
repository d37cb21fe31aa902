"""The speed and the exactness of bfloat16 and torch.compile on this machine: ratios within one run.

Run: .venv/bin/python -m benchmarks.precision   (two minutes on two idle cores; writes benchmarks/results/precision.md)
"""

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from benchmarks.machine import describe
from benchmarks.report import Table, write
from benchmarks.subjects import tokenized
from benchmarks.timing import in_turns, ratios
from textiba import Evidence, Model, PerSampleBottleneck, bundled_reviews, load, load_statistics
from textiba.cli import keep_freed_memory
from textiba.evaluation.metrics import rank_agreement
from textiba.methods import Method
from textiba.texts.batches import Batch

TEXTS = 8
ROUNDS = 3
METHODS: dict[str, Method] = {
    "evidence, layer 2": Evidence(),
    "per_sample, layer 2, 4 steps": PerSampleBottleneck(steps=4),
}
NOTE = (
    f"{TEXTS} bundled reviews in their batches; times in turns, medians of {ROUNDS} rounds. How exact: differences "
    "of p(positive) for a plain pass, Spearman's ρ of the token scores for methods. In bfloat16 the model's weights "
    "and activations have that type; logits, gates and scores are float32."
)


def variants(model: Model) -> dict[str, Model]:
    """The model unchanged, in bfloat16, and with every layer compiled."""
    compiled = model.copy()
    for layer in compiled.layers:
        layer.compile(dynamic=True)
    return {"float32": model, "bfloat16": model.in_precision(torch.bfloat16), "compiled": compiled}


def plain(model: Model, batches: list[Batch]) -> np.ndarray:
    """The probability of the second class for each text."""
    logits = [model.logits(batch) for batch in batches]
    return torch.cat(logits).softmax(dim=1)[:, 1].numpy()


def scores(model: Model, method: Method, batches: list[Batch], statistics: Any) -> list[np.ndarray]:
    """The token scores of each text."""
    found = []
    for batch in batches:
        forward = model.forward(batch)
        found += [
            a.scores[list(a.text.content)] for a in method.attribute(model, forward, model.predict(forward), statistics)
        ]
    return found


def main() -> None:
    """Measures, and prints and writes the table."""
    keep_freed_memory()
    warnings.simplefilter("ignore")
    machine = describe()
    model, statistics = load("fine-tuned"), load_statistics("fine-tuned")
    batches = list(model.batches(tokenized(model, bundled_reviews())[:TEXTS]))
    rows = []
    works: dict[str, Callable[[Model], Any]] = {"plain pass": lambda e: plain(e, batches)}
    for name, method in METHODS.items():
        works[name] = lambda e, m=method: scores(e, m, batches, statistics)
    for what, work in works.items():
        found: dict[str, Any] = {}
        there: dict[str, Callable[[int], object]] = {}
        for name, variant in variants(model).items():
            try:
                found[name] = work(variant)
                there[name] = lambda _, v=variant, w=work: w(v)
            except Exception as error:  # noqa: BLE001 - a failure is a result
                rows.append((what, name, f"fails: {type(error).__name__}", ""))
        times = in_turns(there, ROUNDS).of
        for name in [n for n in there if n != "float32"]:
            speed = float(np.median(ratios(times["float32"], times[name])))
            if what == "plain pass":
                apart = np.abs(found[name] - found["float32"])
                exact = f"Δp at most {apart.max():.4f}, {apart.mean():.4f} on average"
            else:
                rho = [rank_agreement(a, b) for a, b in zip(found[name], found["float32"], strict=True)]
                exact = f"ρ at least {min(rho):.3f}, {np.mean(rho):.3f} on average"
            rows.append((what, name, f"{speed:.2f} × faster", exact))
    table = Table("Against float32, not compiled", NOTE, ("what", "how", "speed", "how exact"), rows, {})
    heading, module = "bfloat16 and torch.compile", "benchmarks.precision"
    print(write("precision", machine, [table], heading=heading, module=module))


if __name__ == "__main__":
    main()
