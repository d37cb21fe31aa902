"""The benchmark's clock: a warm-up before each method, and its batch's seconds for each text."""

from pathlib import Path
from typing import Any

import pytest
import toys
from benches import CONFIG

from textiba.benchmark import benchmark, score
from textiba.benchmark import run as module
from textiba.methods import Random


def test_each_method_runs_once_before_its_clock_starts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    calls: list[tuple[str, list[str]]] = []
    attribute = module.attribute

    def recorded(model: Any, method: Any, texts: Any, **others: Any) -> Any:
        calls.append((method.name, [text.id for text in texts]))
        return attribute(model, method, texts, **others)

    monkeypatch.setattr(module, "attribute", recorded)
    folder = benchmark(CONFIG, tmp_path, only=["random", "occlusion"])
    ids = [text.id for text in CONFIG.data["texts"].load()]
    chunks = {"random": [ids[:2], ids[2:4], ids[4:]], "occlusion": [ids[:2], ids[2:3]]}
    for name, expected in chunks.items():
        assert [texts for called, texts in calls if called == name] == [ids[:1], *expected], name
    assert len(list(folder.read(module.Place("texts", "fine-tuned", "random")))) == 5, "the warm-up leaves no row"


def test_the_first_call_s_imports_are_no_part_of_a_method_s_seconds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """With a clock that says what a call costs: 100 s for the first, 1 s for each after it."""
    now, costs = [0.0], iter([100.0] + [1.0] * 100)
    batches = score.stream_batches

    def slow_at_first(*arguments: Any) -> Any:
        now[0] += next(costs)
        yield from batches(*arguments)

    monkeypatch.setattr(score, "stream_batches", slow_at_first)
    monkeypatch.setattr(score.time, "perf_counter", lambda: now[0])
    folder = benchmark(CONFIG, tmp_path, only=["random"])
    rows = list(folder.read(module.Place("texts", "fine-tuned", "random")))
    assert [row["seconds"] for row in rows] == [0.5, 0.5, 0.5, 0.5, 1.0], "a second for each chunk, shared by its texts"


def test_seconds_are_shared_by_the_texts_of_a_batch(monkeypatch: pytest.MonkeyPatch):
    ticks = iter(range(1000))
    monkeypatch.setattr(score.time, "perf_counter", lambda: float(next(ticks)))
    timed = score.attribute(toys.model(), Random(), toys.texts(4, seed=1), None, "predicted", 0)
    assert [seconds for _, seconds in timed] == [0.25] * 4
