"""The benchmark: any methods, on the same texts, by every metric, with paired intervals and what they cost."""

from textiba.benchmark.config import BenchmarkConfig
from textiba.benchmark.leaderboard import Score, leaderboard
from textiba.benchmark.run import benchmark

__all__ = ["BenchmarkConfig", "Score", "benchmark", "leaderboard"]
