"""A small benchmark on the built-in checkpoint, shared by the tests of the benchmark."""

from typing import Any

from textiba.benchmark import BenchmarkConfig, leaderboard
from textiba.benchmark.folder import BenchmarkFolder
from textiba.benchmark.leaderboard import Score
from textiba.benchmark.tables import write_tables

MAPPING: dict[str, Any] = {
    "data": {"texts": {"source": "bundled", "limit": 5}},
    "methods": [
        {"name": "evidence", "label": "evidence two nodes", "settings": {"nodes": 2}},
        {"name": "random"},
        {"name": "occlusion", "limit": 3},
    ],
    "reference": "evidence two nodes",
    "subsets": {"count": 6, "limit": 3},
    "noise": {"shares": [0.1, 0.5], "draws": 2, "limit": 4},
    "leave_one_out": "occlusion",
    "sanity": {"texts": 2, "methods": ["evidence two nodes"]},
    "max_length": 24,
    "chunk": 2,
}
CONFIG = BenchmarkConfig.from_mapping(MAPPING, "test")


def changed(**values: Any) -> dict[str, Any]:
    return {**MAPPING, **values}


def written(folder: BenchmarkFolder) -> str:
    """The CSV of the leaderboard without its seconds, and the CSV of the sanity check."""
    write_tables(folder, leaderboard(folder))
    lines = (folder.path / "leaderboard.csv").read_text().splitlines()
    return "\n".join([*(line for line in lines if ",seconds," not in line), (folder.path / "sanity.csv").read_text()])


def score_of(found: list[Score], label: str, metric: str, on: str = "all") -> Score:
    [one] = [s for s in found if (s.label, s.metric, s.on) == (label, metric, on)]
    return one
