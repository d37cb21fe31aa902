"""The measurements as tables: Markdown, and JSON with every round."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Literal

RESULTS = Path(__file__).parent / "results"


@dataclass(frozen=True, slots=True)
class Bar:
    """A bar: a bound on a ratio, and the measured ratios.

    Attributes:
        what: the name of the ratio.
        side: the side of the bound on which the ratio has to lie.
        bound: the bound.
        seen: the measured ratio in each round.
    """

    what: str
    side: Literal["at least", "at most"]
    bound: float
    seen: Sequence[float]

    @property
    def met(self) -> bool:
        """Whether the median lies on the right side of the bound."""
        return median(self.seen) >= self.bound if self.side == "at least" else median(self.seen) <= self.bound


@dataclass(frozen=True, slots=True)
class Table:
    """A table.

    Attributes:
        title: the heading.
        note: how to read the table.
        columns: the names of the columns.
        rows: the cells of each row.
        rounds: the measurements of every round, by row and column, for the JSON file.
    """

    title: str
    note: str
    columns: tuple[str, ...]
    rows: Sequence[Sequence[str]]
    rounds: Mapping[str, Mapping[str, Sequence[float]]]


def number(value: float) -> str:
    """A number with three digits; a dash for NaN."""
    if math.isnan(value):
        return "–"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def bars_table(bars: Sequence[Bar]) -> Table:
    """A table with a row for each bar."""
    rows = [
        (bar.what, f"{bar.side} {number(bar.bound)}", number(median(bar.seen)), "yes" if bar.met else "**no**")
        for bar in bars
    ]
    rounds = {bar.what: {"seen": bar.seen} for bar in bars}
    return Table("Bars", "Medians over the rounds of this run.", ("what", "bar", "measured", "met?"), rows, rounds)


def write(
    name: str,
    machine: Mapping[str, str],
    tables: Sequence[Table],
    folder: Path = RESULTS,
    heading: str = "Speed and memory",
    module: str = "benchmarks",
) -> str:
    """Writes `name`.md and `name`.json, which name the module that made them; returns the Markdown."""
    parts = [f"# {heading}\n", f"Written by `.venv/bin/python -m {module}`; do not edit.\n"]
    parts.append(_markdown(("machine", ""), list(machine.items())))
    parts += [f"## {table.title}\n\n{table.note}\n\n{_markdown(table.columns, table.rows)}" for table in tables]
    text = "\n".join(parts)
    folder.mkdir(exist_ok=True)
    (folder / f"{name}.md").write_text(text, "utf-8")
    content = {"machine": dict(machine), "tables": [asdict(table) for table in tables]}
    (folder / f"{name}.json").write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", "utf-8")
    return text


def _markdown(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [columns, ["---"] * len(columns), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
