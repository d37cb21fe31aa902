"""The peak memory of a long text in windows against a text of one window, method by method.

Run: .venv/bin/python -m benchmarks.windows      (about five minutes)
"""

import subprocess
import sys
from pathlib import Path

from benchmarks.machine import describe
from benchmarks.memory import peak_megabytes
from benchmarks.report import Bar, Table, bars_table, write
from textiba import Windows, bundled_reviews, explain, load, load_statistics, method
from textiba.cli import keep_freed_memory

SIZE = 512  # tokens of a window
LENGTHS = (512, 4000)
METHODS = ("random", "saliency", "lrp", "evidence", "per_sample")
MOST = 1.2
NOTE = f"Each figure is the peak of a process of its own. Windows have {SIZE} tokens and share 64."


def explain_one(name: str, tokens: int) -> None:
    """Explains one text of about `tokens` tokens; the child process runs this."""
    model, statistics = load("fine-tuned", SIZE, windows=Windows(stride=64)), load_statistics("fine-tuned")
    words = " ".join(review.text for review in bundled_reviews()).split()
    [whole] = model.tokenize([" ".join(words[: 2 * tokens])])
    last = whole.offsets[tokens - 2][1]
    explain(model, method(name), [whole.source.text[:last]], statistics)


def peak(name: str, tokens: int) -> float:
    """The peak memory in megabytes of a process that explains one text."""
    command = [sys.executable, "-W", "ignore", "-m", "benchmarks.windows", name, str(tokens)]
    answer = subprocess.run(command, capture_output=True, text=True, check=True, cwd=Path(__file__).parents[1])  # noqa: S603
    return float(answer.stdout.splitlines()[-1])


def main() -> None:
    """Measures, and prints and writes the table; with arguments, explains one text and prints the peak."""
    keep_freed_memory()
    if len(sys.argv) > 1:
        explain_one(sys.argv[1], int(sys.argv[2]))
        print(peak_megabytes())
        return
    rows, bars = [], []
    for name in METHODS:
        short, long = (peak(name, tokens) for tokens in LENGTHS)
        rows.append((name, f"{short:.0f}", f"{long:.0f}", f"{long / short:.2f}"))
        bars.append(
            Bar(f"{name}: peak memory with {LENGTHS[1]:,} tokens against {LENGTHS[0]}", "at most", MOST, [long / short])
        )
    columns = ("method", f"{LENGTHS[0]} tokens, MB", f"{LENGTHS[1]} tokens, MB", "ratio")
    tables = [bars_table(bars), Table("Peak memory", NOTE, columns, rows, {})]
    print(write("windows", describe(), tables, heading="Long texts in windows", module="benchmarks.windows"))


if __name__ == "__main__":
    main()
