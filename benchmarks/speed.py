"""What the split run, batching and the allocator's settings are worth: ratios within one run, never times alone.

Run: .venv/bin/python benchmarks/speed.py   (five minutes on two cores; prints a Markdown table)
"""

import resource
import subprocess
import sys
import time
from collections.abc import Callable

from textiba import Encoder, Evidence, PerSample, Readout, explain, load, load_statistics
from textiba.cli import keep_freed_memory
from textiba.data import bundled
from textiba.sweep import stream

REVIEWS = 12


def seconds(work: Callable[[], object], repeats: int = 3) -> float:
    """The shortest of a few runs."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times)


def whole_model(encoder: Encoder) -> Encoder:
    """The same model, run from its first layer at every step, as a hook would: what the split run saves."""

    class Whole(Encoder):
        def run_from(self, batch, layer, state, through=None):
            self.run_to(batch, layer)
            return super().run_from(batch, layer, state, through)

    return Whole(encoder.model, encoder.tokenizer, encoder.name, encoder.max_length, encoder.fingerprint)


def split_run(layer: int) -> float:
    """How many times faster a bottleneck is when only what lies above it runs."""
    encoder, statistics = load("fine-tuned"), load_statistics("fine-tuned")
    whole, method, reviews = whole_model(encoder), PerSample(layer=layer, steps=4), bundled()[:REVIEWS]
    split = seconds(lambda: explain(encoder, method, reviews, statistics))
    return seconds(lambda: explain(whole, method, reviews, statistics)) / split


def batching() -> float:
    """How many times faster reviews are together than one at a time."""
    encoder, statistics, reviews = load("fine-tuned"), load_statistics("fine-tuned"), bundled()[:REVIEWS]
    together = seconds(lambda: explain(encoder, Evidence(), reviews, statistics))
    return seconds(lambda: [explain(encoder, Evidence(), [r], statistics) for r in reviews]) / together


def small_batches() -> float:
    """How many times faster batches that stay in the processor's cache are than large ones."""
    encoder, statistics, reviews = load("fine-tuned"), load_statistics("fine-tuned"), bundled()[:REVIEWS]
    method = PerSample(steps=4)
    small = seconds(lambda: explain(encoder, method, reviews, statistics))
    return seconds(lambda: explain(encoder, method, reviews, statistics, budget=4096)) / small


def one_pass_for_all_layers() -> float:
    """How many times faster a sweep over layers is in one stream than layer by layer."""
    encoder, statistics, reviews = load("fine-tuned"), load_statistics("fine-tuned"), bundled()[:REVIEWS]
    methods = [Evidence(layer=layer, nodes=2) for layer in range(encoder.n_layers)]
    together = seconds(lambda: list(stream(encoder, methods, reviews, statistics)))
    return seconds(lambda: [explain(encoder, m, reviews, statistics) for m in methods]) / together


def readout_cost() -> float:
    """What a readout's attribution costs, in plain forward passes over the same batches."""
    encoder = load("fine-tuned")
    batches = list(encoder.batches(encoder.encode(bundled()[:REVIEWS])))

    def attribute() -> None:
        for batch in batches:
            forward = encoder.forward(batch)
            Readout().attribute(encoder, forward, encoder.predict(forward))

    plain = seconds(lambda: [encoder.logits(batch) for batch in batches])
    return seconds(attribute) / plain


def explain_once() -> float:
    """Seconds of one explanation in this process, after a first one has warmed it."""
    encoder, statistics, reviews = load("fine-tuned"), load_statistics("fine-tuned"), bundled()[:REVIEWS]
    return seconds(lambda: explain(encoder, PerSample(steps=4), reviews, statistics))


def peak_megabytes(count: int) -> float:
    """Peak memory of a process that streams evidence over `count` reviews."""
    encoder, statistics = load("fine-tuned"), load_statistics("fine-tuned")
    reviews = (bundled()[i % 100] for i in range(count))
    for _ in stream(encoder, [Evidence(layer=5, nodes=1)], reviews, statistics, budget=1024):
        pass
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def child(expression: str) -> float:
    """The value of an expression in a process of its own."""
    answer = subprocess.run([sys.executable, __file__, expression], capture_output=True, text=True, check=True)  # noqa: S603
    return float(answer.stdout.splitlines()[-1])


def main() -> None:
    """Prints the table, or in a child process the value that was asked for."""
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
    print(f"| reviews in batches, against one at a time | {batching():.2f} × faster |")
    print(f"| batches of 512 tokens, against 4,096 | {small_batches():.2f} × faster |")
    print(f"| six layers in one stream, against layer by layer | {one_pass_for_all_layers():.2f} × faster |")
    print(f"| attribution by the readout, against a plain forward pass | {readout_cost():.2f} × its cost |")
    print(f"| the allocator keeping freed memory, against glibc's defaults | {allocator:.2f} × faster |")
    print(f"| peak memory for 400 reviews, against 100 | {child('memory:400') / child('memory:100'):.2f} × |")


if __name__ == "__main__":
    main()
