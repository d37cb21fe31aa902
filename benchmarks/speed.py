"""The gain of the split run, of batching and of the allocator's settings: ratios within one run, never times alone.

Run: .venv/bin/python benchmarks/speed.py   (five minutes on two cores; prints a Markdown table)
"""

import resource
import subprocess
import sys
import time
from collections.abc import Callable

from textiba import Evidence, Model, PerSampleBottleneck, ReadoutBottleneck, explain, load, load_statistics
from textiba.cli import keep_freed_memory
from textiba.runs.stream import stream
from textiba.texts.sources import bundled_reviews

TEXTS = 12


def seconds(work: Callable[[], object], repeats: int = 3) -> float:
    """The seconds of the shortest of a few runs."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times)


def whole_model(model: Model) -> Model:
    """The same model, which runs from its first layer at each step, as with a hook; the split run saves this."""

    class Whole(Model):
        def run_from(self, batch, layer, state, through=None):
            self.run_to(batch, layer)
            return super().run_from(batch, layer, state, through)

    return Whole(model.module, model.tokenizer, model.name, model.max_length, model.fingerprint)


def split_run(layer: int) -> float:
    """How many times faster a bottleneck is if only the layers above it run."""
    model, statistics = load("fine-tuned"), load_statistics("fine-tuned")
    whole, method, texts = whole_model(model), PerSampleBottleneck(layer=layer, steps=4), bundled_reviews()[:TEXTS]
    split = seconds(lambda: explain(model, method, texts, statistics))
    return seconds(lambda: explain(whole, method, texts, statistics)) / split


def batching() -> float:
    """How many times faster texts are in batches than one at a time."""
    model, statistics, texts = load("fine-tuned"), load_statistics("fine-tuned"), bundled_reviews()[:TEXTS]
    together = seconds(lambda: explain(model, Evidence(), texts, statistics))
    return seconds(lambda: [explain(model, Evidence(), [r], statistics) for r in texts]) / together


def small_batches() -> float:
    """How many times faster batches that fit into the processor's cache are than large batches."""
    model, statistics, texts = load("fine-tuned"), load_statistics("fine-tuned"), bundled_reviews()[:TEXTS]
    method = PerSampleBottleneck(steps=4)
    small = seconds(lambda: explain(model, method, texts, statistics))
    return seconds(lambda: explain(model, method, texts, statistics, budget=4096)) / small


def one_pass_for_all_layers() -> float:
    """How many times faster a sweep over layers is in one stream than layer by layer."""
    model, statistics, texts = load("fine-tuned"), load_statistics("fine-tuned"), bundled_reviews()[:TEXTS]
    methods = [Evidence(layer=layer, nodes=2) for layer in range(model.n_layers)]
    together = seconds(lambda: list(stream(model, methods, texts, statistics)))
    return seconds(lambda: [explain(model, m, texts, statistics) for m in methods]) / together


def readout_cost() -> float:
    """The cost of a readout's attribution, in plain forward passes over the same batches."""
    model = load("fine-tuned")
    batches = list(model.batches(model.tokenize(bundled_reviews()[:TEXTS])))

    def attribute() -> None:
        for batch in batches:
            forward = model.forward(batch)
            ReadoutBottleneck().attribute(model, forward, model.predict(forward))

    plain = seconds(lambda: [model.logits(batch) for batch in batches])
    return seconds(attribute) / plain


def explain_once() -> float:
    """Seconds of one explanation in this process; the shortest of a few runs."""
    model, statistics, texts = load("fine-tuned"), load_statistics("fine-tuned"), bundled_reviews()[:TEXTS]
    return seconds(lambda: explain(model, PerSampleBottleneck(steps=4), texts, statistics))


def peak_megabytes(count: int) -> float:
    """Peak memory of a process that streams evidence over `count` texts."""
    model, statistics = load("fine-tuned"), load_statistics("fine-tuned")
    texts = (bundled_reviews()[i % 100] for i in range(count))
    for _ in stream(model, [Evidence(layer=5, nodes=1)], texts, statistics, budget=1024):
        pass
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def child(expression: str) -> float:
    """The value of an expression, computed in a child process."""
    answer = subprocess.run([sys.executable, __file__, expression], capture_output=True, text=True, check=True)  # noqa: S603
    return float(answer.stdout.splitlines()[-1])


def main() -> None:
    """Prints the table, or in a child process the value of the expression."""
    if len(sys.argv) > 1:
        what, _, argument = sys.argv[1].partition(":")
        if argument == "tuned":
            keep_freed_memory()
        print(explain_once() if what == "explain" else peak_megabytes(int(argument)))
        return
    allocator = child("explain:plain") / child("explain:tuned")
    keep_freed_memory()
    print("| what | ratio |\n|---|---|")
    print(f"| split run at layer 1, against the whole model at every step | {split_run(1):.2f} × faster |")
    print(f"| split run at layer 4, likewise | {split_run(4):.2f} × faster |")
    print(f"| texts in batches, against one at a time | {batching():.2f} × faster |")
    print(f"| batches of 512 tokens, against 4,096 | {small_batches():.2f} × faster |")
    print(f"| six layers in one stream, against layer by layer | {one_pass_for_all_layers():.2f} × faster |")
    print(f"| attribution by the readout, against a plain forward pass | {readout_cost():.2f} × its cost |")
    print(f"| the allocator keeping freed memory, against glibc's defaults | {allocator:.2f} × faster |")
    print(f"| peak memory for 400 texts, against 100 | {child('memory:400') / child('memory:100'):.2f} × |")


if __name__ == "__main__":
    main()
