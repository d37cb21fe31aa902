"""The benchmark: methods compared on the same texts by every metric, with paired tests and their cost."""

from textiba.benchmark.config import BenchmarkConfig
from textiba.benchmark.leaderboard import Comparison, Score, leaderboard
from textiba.benchmark.run import benchmark

__all__ = ["BenchmarkConfig", "Comparison", "Score", "benchmark", "leaderboard"]
