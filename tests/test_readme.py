"""The README's code runs as it stands, and its numbers are those of the committed results."""

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


def rows_of(folder: str, on: str) -> dict[tuple[str, str], dict[str, str]]:
    """The committed results of a benchmark, by method and metric."""
    with (ROOT / "experiments/benchmark" / folder / "leaderboard.csv").open(encoding="utf-8") as file:
        return {(row["method"], row["metric"]): row for row in csv.DictReader(file) if row["on"] == on}


def common_rows() -> dict[tuple[str, str], dict[str, str]]:
    """The committed results on the texts that all methods explained, by method and metric."""
    return rows_of("imdb", "common")


def leaderboard_lines() -> list[str]:
    """The lines of the README's leaderboard, from the committed results."""
    by, costs = common_rows(), rows_of("costs", "all")
    methods = sorted({method for method, _ in by}, key=lambda m: -float(by[m, "delete area"]["value"]))
    lines = []
    for m in methods:
        areas = [by[m, f"{removal} area"] for removal in ("delete", "mask")]
        cells = [f"{float(a['value']):.3f} [{float(a['low']):.3f}, {float(a['high']):.3f}]" for a in areas]
        passes = sum(float(costs[m, name]["value"]) for name in ("forward", "backward"))
        lines.append(f"| {m} | {' | '.join(cells)} | {passes:.0f} | {float(costs[m, 'seconds']['value']):.2g} |")
    return lines


def test_the_leaderboard_is_what_the_benchmark_found():
    lines = leaderboard_lines()
    assert len(lines) >= 20
    assert "\n".join(lines).replace("| two-sided |", "| **two-sided** |") in README


BEFORE = {
    "sensitivity-n": {"occlusion": "occlusion", "lrp": "LRP", "evidence mean": "the mean evidence"},
    "leave-one-out agreement": {"lrp": "LRP", "evidence mean": "the mean evidence"},
}


@pytest.mark.parametrize(
    ("page", "metric"),
    [
        ("README.md", "sensitivity-n"),
        ("experiments/benchmark/README.md", "sensitivity-n"),
        ("experiments/benchmark/README.md", "leave-one-out agreement"),
    ],
)
def test_the_methods_before_two_sided_are_named(page: str, metric: str):
    """By the metrics that `two_sided` does not optimise."""
    text = " ".join((ROOT / page).read_text("utf-8").split())
    means = {m: float(row["value"]) for (m, of), row in common_rows().items() if of == metric}
    assert {m for m, mean in means.items() if mean > means["two-sided"]} == BEFORE[metric].keys()
    for method, said in BEFORE[metric].items():
        assert f"{said} ({means[method]:.3f})" in text
    assert f"({means['two-sided']:.3f})" in text


@pytest.mark.parametrize(
    "page",
    [
        "README.md",
        "docs/how-to/compare-methods.md",
        "docs/maths.md",
        "experiments/benchmark/README.md",
        "experiments/04_degradation_top_k/README.md",
    ],
)
def test_a_page_says_that_two_sided_optimises_the_area(page: str):
    text = " ".join((ROOT / page).read_text("utf-8").split())
    assert re.search(r"`two_sided` optimises\b[^.]{0,60}\barea\b", text)


def test_old_names_in_the_leaderboard_are_explained():
    """The committed run has old names. A new run has today's, and then the README needs no explanation."""
    old = {"smooth_grad", "gradient_x_input"} & {method for method, _ in common_rows()}
    assert ("is now `smooth_grad_x_input`" in README) == bool(old)
    assert ("is now `input_x_gradient`" in README) == bool(old)


@pytest.mark.parametrize(
    ("part", "heading"), [("esnli", "Words of both sentences"), ("hypothesis", "Words of the hypothesis")]
)
def test_the_shares_on_marked_pairs_are_in_the_results(part: str, heading: str):
    folder = ROOT / "experiments" / "nli"
    with (folder / part / "leaderboard.csv").open(encoding="utf-8") as file:
        rows = {row["method"]: row for row in csv.DictReader(file) if row["metric"] == "rationale top_share"}
    [told] = [p for p in (folder / "README.md").read_text("utf-8").split("\n\n") if p.startswith(f"**{heading}")]
    named = re.findall(r"`([a-z_ -]+)`\s\((0\.\d{3})\)", told)
    assert len(named) > 5
    assert [(name, f"{float(rows[name]['value']):.3f}") for name, _ in named] == named
    assert f"{rows['evidence']['texts']} pairs" in " ".join(told.split()).replace("300 pairs of", "300 pairs of")


def test_the_shares_by_size_are_in_the_result():
    folder = ROOT / "experiments" / "nli"
    found = json.loads((folder / "result.json").read_text("utf-8"))
    told = " ".join((folder / "README.md").read_text("utf-8").split())
    for name, said in (("evidence", "evidence rises from"), ("lrp", "LRP from")):
        assert f"{said} {found[name]['signed']:.3f} to {found[name]['by size']:.3f}" in told
    assert f"distance to saliency ({found['saliency']['by size']:.3f})" in told


def test_the_figures_of_pairs_are_those_of_the_cards():
    pages = {
        name: " ".join((ROOT / "experiments" / name / "README.md").read_text("utf-8").split())
        for name in ("nli", "similarity")
    }
    cards = {name: json.loads((ROOT / "experiments" / name / "model/card.json").read_text("utf-8")) for name in pages}
    words = json.loads((ROOT / "experiments/similarity/result.json").read_text("utf-8"))
    sts, nli = cards["similarity"], cards["nli"]
    told = pages["similarity"]
    assert f"on {sts['train_texts']:,} pairs, has a Pearson correlation of {sts['test_pearson']:.3f}" in told
    assert f"a Spearman correlation of {sts['test_spearman']:.3f} on the {sts['test_texts']:,} test pairs" in told
    assert f"reaches a Pearson correlation of {words['stsb pearson']:.3f}" in told
    assert f"an accuracy of {nli['test_accuracy']:.3f}" in told
    assert f"the words of both sentences has {words['snli accuracy']:.3f}" in told
    assert f"on {nli['train_texts']:,} pairs" in pages["nli"]
    assert f"{nli['test_texts']:,} test pairs of SNLI is {nli['test_accuracy']:.4f}" in pages["nli"]
    assert f"a bag of words has {words['snli accuracy']:.4f}" in pages["nli"]
