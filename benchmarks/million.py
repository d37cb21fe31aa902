"""The cost of a million texts: hours by method from results/speed-built-in.json, and storage from a small run.

Run: .venv/bin/python -m benchmarks.million     (after `python -m benchmarks`; half a minute)
"""

import json
import tempfile
import warnings
from statistics import median

from benchmarks.report import RESULTS, number
from textiba.errors import TruncationWarning
from textiba.runs.config import DataChoice, MethodChoice, SweepConfig
from textiba.runs.sweep import sweep

MILLION = 1_000_000
SHOWN = ("readout", "evidence", "lrp", "two_sided", "per_sample", "joint", "integrated_gradients", "lime")
STORED = ("readout", "evidence", "per_sample")


def bytes_of_a_result(name: str) -> float:
    """Bytes that a run writes for one result, text included; on the bundled reviews, cut at 128 tokens."""
    config = SweepConfig(methods=(MethodChoice(name=name),), max_length=128, data=DataChoice())
    with tempfile.TemporaryDirectory() as place, warnings.catch_warnings():
        warnings.simplefilter("ignore", TruncationWarning)
        folder = sweep(config, place)
        return sum(shard.stat().st_size for shard in folder.shards()) / sum(map(len, folder.groups().values()))


def main() -> None:
    """Writes and prints the two tables."""
    seen = json.loads((RESULTS / "speed-built-in.json").read_text("utf-8"))
    [rounds] = [t["rounds"] for t in seen["tables"] if t["title"] == "Methods compared: built-in"]
    lines = [
        "# A million texts", "",
        "Written by `.venv/bin/python -m benchmarks.million`; do not edit. Texts of 128 tokens on the built-in "
        f"model, on {seen['machine']['cores']} cores ({seen['machine']['processor']}); bottlenecks at "
        "one layer, at two thirds of the depth.", "",
        "| method | seconds for a text | hours for a million | such machines to finish in a day |", "|---|---|---|---|",
    ]  # fmt: skip
    for name in (n for n in SHOWN if n in rounds):
        seconds = median(rounds[name]["seconds a text"])
        hours = seconds * MILLION / 3600
        lines.append(f"| {name} | {number(seconds)} | {number(hours)} | {number(hours / 24)} |")
    lines += ["", "| method | kB for a result | GB for a million |", "|---|---|---|"]
    for name in STORED:
        size = bytes_of_a_result(name)
        lines.append(f"| {name} | {number(size / 1e3)} | {number(size * MILLION / 1e9)} |")
    text = "\n".join([*lines, ""])
    (RESULTS / "million.md").write_text(text, "utf-8")
    print(text)


if __name__ == "__main__":
    main()
