"""What was seen, as tables: Markdown to read, and JSON with every round."""

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
    """Something that was promised, and what was seen of it.

    Attributes:
        what: in words.
        side: on which side of the bound it has to lie.
        bound: the promise.
        seen: the ratio in each round.
    """

    what: str
    side: Literal["at least", "at most"]
    bound: float
    seen: Sequence[float]

    @property
    def met(self) -> bool:
        """Whether the median is on the right side."""
        return median(self.seen) >= self.bound if self.side == "at least" else median(self.seen) <= self.bound


@dataclass(frozen=True, slots=True)
class Table:
    """A heading, a few words on how to read it, and rows of text.

    Attributes:
        title: the heading.
        note: how to read it.
        columns: their names.
        rows: of as many cells.
        rounds: by row, then by column, what each round gave; for the JSON.
    """

    title: str
    note: str
    columns: tuple[str, ...]
    rows: Sequence[Sequence[str]]
    rounds: Mapping[str, Mapping[str, Sequence[float]]]


def number(value: float) -> str:
    """With three digits, or a dash where there is none."""
    if math.isnan(value):
        return "–"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def bars_table(bars: Sequence[Bar]) -> Table:
    """One row for each promise."""
    rows = [
        (bar.what, f"{bar.side} {number(bar.bound)}", number(median(bar.seen)), "yes" if bar.met else "**no**")
        for bar in bars
    ]
    rounds = {bar.what: {"seen": bar.seen} for bar in bars}
    return Table("Bars", "Medians over the rounds of this run.", ("what", "bar", "seen", "met?"), rows, rounds)


def write(
    name: str,
    machine: Mapping[str, str],
    tables: Sequence[Table],
    folder: Path = RESULTS,
    heading: str = "Speed and memory",
    module: str = "benchmarks",
) -> str:
    """Writes `name`.md and `name`.json, which say what module made them; returns the Markdown."""
    parts = [f"# {heading}\n", f"Written by `.venv/bin/python -m {module}`; not to be edited.\n"]
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
