"""Runs all measurements, prints the tables, and writes them to benchmarks/results/, one file for each model.

Run: .venv/bin/python -m benchmarks            (about 35 minutes on two idle cores)
     .venv/bin/python -m benchmarks --quick    (tiny sizes, to try the code; the numbers mean nothing)
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.betas import path_over_betas
from benchmarks.compare import compare
from benchmarks.degrading import degradation
from benchmarks.layers import by_layer
from benchmarks.machine import describe
from benchmarks.memory import flat_memory, peak_megabytes, stream_short_texts
from benchmarks.plan import FILES, FULL, QUICK, Plan
from benchmarks.report import Bar, Table, bars_table, write
from benchmarks.subjects import subject
from benchmarks.sweeps import all_layers
from textiba.cli import keep_freed_memory


def main() -> None:
    """Reads the arguments and measures; a child process only streams texts and prints its peak memory."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="tiny sizes, to try the code")
    parser.add_argument("--output", default=None, help="the beginning of the files' names (default: speed, or quick)")
    parser.add_argument("--only", choices=tuple(FULL), help="measure only this model")
    parser.add_argument("--child", type=int, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    keep_freed_memory()
    if asked.child:
        stream_short_texts(asked.child)
        print(peak_megabytes())
        return
    plans = QUICK if asked.quick else FULL
    for name, plan in plans.items():
        if asked.only in (None, name):
            machine = describe()
            begin = asked.output or ("quick" if asked.quick else "speed")
            print(write(f"{begin}-{FILES[name]}", machine, measure(name, plan)))


def measure(name: str, plan: Plan) -> list[Table]:
    """All tables of a model; the table of bars is the first."""
    tables: list[Table] = []
    bars: list[Bar] = []
    start = time.perf_counter()

    def say(what: str) -> None:
        print(f"{time.perf_counter() - start:6.0f} s  {name}: {what}", file=sys.stderr, flush=True)

    with tempfile.TemporaryDirectory() as folder:
        one = subject(name, Path(folder))
        for measured in (compare, by_layer):
            say(measured.__name__)
            table, found = measured(one, plan)
            tables.append(table)
            bars += found
        say("all layers in one stream")
        bars += all_layers(one, plan)
        if plan.degraded:
            say("degradation")
            bars += degradation(one, plan)
        if plan.streamed:
            say("memory of a process")
            bars.append(flat_memory(*plan.streamed))
        if plan.degraded:
            say("a path over β")
            table, found = path_over_betas(one, plan)
            tables.append(table)
            bars += found
    say("done")
    return [bars_table(bars), *tables]


if __name__ == "__main__":
    main()
