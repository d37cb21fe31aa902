"""Ctrl-C and SIGTERM, sent to real processes: what was computed is kept, one line says so, and the command resumes."""

import json
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import toys
from commands import Answer, World, command, make_world, start

import textiba.runs.sweep
from textiba.cli.stop import Stopped, keeping, signals
from textiba.runs.sweep import grouped
from textiba.store import RunFolder, check
from textiba.store.check import incomplete

TEXTS = 96
LONG = [{"name": "per_sample", "settings": {"steps": 60}}, {"name": "random"}]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    made = make_world(tmp_path_factory.mktemp("world"))
    rows = [{"text": text, "label": i % 2} for i, text in enumerate(toys.texts(TEXTS, seed=9, longest=30))]
    made.texts.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return made


def stopped(process: "subprocess.Popen[str]", ready: Callable[[], bool], number: int) -> Answer:
    """Sends the signal when the command is amid its work; what it said."""
    until = time.monotonic() + 180
    while not ready() and process.poll() is None and time.monotonic() < until:
        time.sleep(0.02)
    assert process.poll() is None, process.communicate()
    process.send_signal(number)
    out, err = process.communicate(timeout=120)
    return Answer(process.returncode, out, err)


def said(answer: Answer, number: int, *words: str) -> None:
    """The command ended by the signal, with one line."""
    assert answer.code == 128 + number, answer
    assert "Traceback" not in answer.err
    [line] = [line for line in answer.err.splitlines() if line.startswith("stopped: ")]
    for word in words:
        assert word in line


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_sweep_keeps_its_results_and_says_how_to_go_on(number: int, world: World, tmp_path: Path):
    config, run = world.sweep(data={"source": str(world.texts)}, methods=LONG), tmp_path / "a run"
    process = start("sweep", config, "-o", run)
    answer = stopped(process, lambda: any(run.rglob("part-*.parquet")), number)
    found = check(run)
    assert 0 < found.done < found.expected == 2 * TEXTS  # type: ignore[operator]
    said(answer, number, f"holds {found.done} of {2 * TEXTS} results", "go on with: textiba sweep", f"-o '{run}'")
    assert found.sound
    assert found.state == f"{found.done} of {2 * TEXTS} results"
    assert found.leftovers == ()
    listed = command("runs", "list", tmp_path)
    assert f"{found.done} of {2 * TEXTS}" in " ".join(listed.out.split())
    assert f"holds {found.done} of {2 * TEXTS} results" in (incomplete(run) or "")
    if number == signal.SIGTERM:
        assert command("sweep", config, "-o", run).code == 0
        assert check(run).state == "whole"
        assert check(run).rows == 2 * TEXTS
        assert incomplete(run) is None


def test_a_degradation_keeps_the_curves_of_every_method_that_was_done(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    methods = [{"name": "random"}, {"name": "saliency"}, {"name": "occlusion"}]
    run = tmp_path / "run"
    assert command("sweep", world.sweep(data={"source": str(world.texts)}, methods=methods), "-o", run).code == 0
    unfinished = run / "unfinished-curves-delete.parquet"
    answer = stopped(start("degrade", run), unfinished.is_file, signal.SIGINT)
    said(answer, signal.SIGINT, "are kept in", f"go on with: textiba degrade {run}")
    assert not (run / "curves-delete.parquet").exists(), "curves of some methods must not be taken for those of all"
    kept = grouped(RunFolder(run).read_curves(unfinished=True))
    computed: list[str] = []
    degrade = textiba.runs.sweep.degrade

    def counted(model: object, found: object, settings: object) -> object:
        curves = degrade(model, found, settings)  # type: ignore[arg-type]
        computed.append(next(iter(curves.values())).method)
        return curves

    monkeypatch.setattr(textiba.runs.sweep, "degrade", counted)
    assert command("degrade", run).code == 0
    assert len(kept) + len(computed) == len(methods)
    assert not {group["morf"].method for group in kept} & set(computed)
    whole = grouped(RunFolder(run).read_curves())
    assert len(whole) == len(methods)
    for before, after in zip(kept, whole, strict=False):
        np.testing.assert_array_equal(before["lerf"].probability, after["lerf"].probability)
    assert not unfinished.exists()
    assert command("degrade", run).code == 0
    assert len(computed) == len(methods) - len(kept), "a second degradation with the same settings computes nothing"
    assert command("degrade", run, "--steps", "0,1").code == 0
    assert len(computed) == 2 * len(methods) - len(kept), "other steps are another degradation"


def test_results_that_were_written_before_the_signal_are_kept_aside(world: World, tmp_path: Path):
    target, part = tmp_path / "out.json", tmp_path / "out.part.json"
    target.write_text("old")
    process = start(
        "explain", "--file", world.texts, "-c", world.model, "-m", "per_sample", "--set", "steps=60", "--json", target
    )

    def ready() -> bool:
        return any(file.stat().st_size > 1_000 for file in tmp_path.glob("out.json.*.tmp"))

    said(stopped(process, ready, signal.SIGINT), signal.SIGINT, f"of {TEXTS} texts are in {part}")
    assert target.read_text() == "old"
    results = json.loads(part.read_text("utf-8"))
    assert 0 < len(results) < TEXTS
    assert [path.name for path in sorted(tmp_path.iterdir())] == ["out.json", "out.part.json"]


def test_what_keeps_nothing_says_so(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(
        "textiba.bottleneck.statistics.estimate_statistics", lambda *_: signal.raise_signal(signal.SIGTERM)
    )
    answer = command("estimate", "-c", world.model, "--data", world.texts, "-o", tmp_path / "s.safetensors")
    said(answer, signal.SIGTERM, "nothing was written", "begin again with: textiba estimate -c")
    assert list(tmp_path.iterdir()) == []


def test_a_second_signal_does_not_disturb_the_flush_and_handlers_come_back():
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(Stopped) as caught:
        _stopped_thrice()
    assert (str(caught.value), caught.value.number) == ("all of it", signal.SIGTERM)
    assert signal.getsignal(signal.SIGTERM) is before


def _stopped_thrice() -> None:
    with signals(), keeping(lambda: "all of it"):
        try:
            signal.raise_signal(signal.SIGTERM)
        finally:
            signal.raise_signal(signal.SIGTERM)
            signal.raise_signal(signal.SIGINT)
