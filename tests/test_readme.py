"""What the README says runs as it stands, and its numbers are those of the committed results."""

import csv
import json
import re
from pathlib import Path
from statistics import median

import pytest

from textiba.checkpoints.find import BUILTIN

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text("utf-8")


def test_the_ten_lines_run_as_they_stand(capsys: pytest.CaptureFixture[str]):
    [code] = re.findall(r"```python\n(.*?)```", README, re.S)
    exec(compile(code, "README.md", "exec"), {})  # noqa: S102 - our own README
    out = capsys.readouterr().out
    assert "loved" in out
    assert "nats for positive" in out


def test_every_number_in_the_table_of_areas_is_in_the_results():
    with (ROOT / "experiments/main/areas-delete.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) >= 3
    for row in rows:
        assert f"| {row['area']} {row['95 %']} |" in README


def test_the_readout_s_figures_are_in_the_results_of_the_study():
    result = json.loads((ROOT / "experiments/06_per_sample_vs_readout/result.json").read_text("utf-8"))["found"]
    own, cold = (result[name]["loss"]["mean"] for name in ("readout, tried out", "per-sample, ten cold steps"))
    area = result["readout"]["area"]
    told = " ".join(README.split())
    assert f"({own:.3f} against {cold:.3f} nats)" in told
    assert f"area {area['mean']:.3f} [{area['low']:.3f}, {area['high']:.3f}] on the reviews below" in told


@pytest.mark.parametrize(("model", "file"), [("built-in", "built-in"), ("BERT-base shape", "bert-base")])
def test_the_speeds_are_those_of_the_benchmark(model: str, file: str):
    tables = json.loads((ROOT / f"benchmarks/results/speed-{file}.json").read_text("utf-8"))["tables"]
    [rounds] = [table["rounds"] for table in tables if table["title"] == f"Methods compared: {model}"]
    cells = [f"{median(rounds[name]['published jiang2020']):.0f} ×" for name in ("per_sample", "evidence", "readout")]
    assert f"| {model} | {' | '.join(cells)} |" in README


@pytest.mark.parametrize("name", BUILTIN)
def test_the_table_of_checkpoints_is_what_their_cards_say(name: str):
    card = json.loads((ROOT / "textiba/checkpoints/builtin" / name / "card.json").read_text("utf-8"))
    [row] = [line for line in README.splitlines() if line.startswith(f"| `{name}` |")]
    assert row.endswith(f"| {card['test_accuracy']:.4f} |")
    assert f"on {card['test_texts']:,} test reviews cut at {card['recipe']['max_length']} tokens" in README
    if card["recipe"]["kind"] == "adapter":
        assert f"{card['train_texts']:,} IMDB reviews" in row


@pytest.mark.parametrize("path", re.findall(r"\]\(([^)#:]+)\)", README))
def test_every_linked_file_exists(path: str):
    assert (ROOT / path).exists()


def leaderboard_lines() -> list[str]:
    """The lines of the README's leaderboard, from the committed results: every method, on the texts all share."""
    with (ROOT / "experiments/benchmark/imdb/leaderboard.csv").open(encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["on"] == "common"]
    by = {(row["method"], row["metric"]): row for row in rows}
    methods = sorted({row["method"] for row in rows}, key=lambda m: -float(by[m, "delete area"]["mean"]))
    lines = []
    for m in methods:
        areas = [by[m, f"{removal} area"] for removal in ("delete", "mask")]
        cells = [f"{float(a['mean']):.3f} [{float(a['low']):.3f}, {float(a['high']):.3f}]" for a in areas]
        passes = sum(float(by[m, name]["mean"]) for name in ("forward", "backward"))
        lines.append(f"| {m} | {' | '.join(cells)} | {passes:.0f} | {float(by[m, 'seconds']['mean']):.2g} |")
    return lines


def test_the_leaderboard_is_what_the_benchmark_found():
    lines = leaderboard_lines()
    assert len(lines) >= 20
    assert "\n".join(lines).replace("| two-sided |", "| **two-sided** |") in README
