"""The leaderboard as Markdown and CSV, for the terminal, the folder and the report."""

from collections.abc import Sequence
from pathlib import Path

from textiba.benchmark.folder import BenchmarkFolder, Place
from textiba.benchmark.leaderboard import COST, Agreement, Comparison, Score, agreements, lower_is_better
from textiba.benchmark.score import NOISE_KEPT
from textiba.evaluation.intervals import Interval, Quartiles
from textiba.show.summary import markdown_table, write_csv
from textiba.store import write_text

Columns = dict[str, list[str]]
SIGNIFICANT = 0.05  # level of the adjusted p-values
OPTIMISES, DIFFERS = "†", "*"  # after a method that optimises a metric; after a difference that is significant


def write_tables(folder: BenchmarkFolder, scores: Sequence[Score]) -> list[Path]:
    """Writes leaderboard.md and leaderboard.csv into the folder, and sanity.csv if there was a sanity check."""
    checked = agreements(folder)
    page = folder.path / "leaderboard.md"
    write_text(page, markdown(folder, scores, checked))
    paths = [page, folder.path / "leaderboard.csv"]
    write_csv(score_columns(scores), paths[1])
    if checked:
        paths.append(folder.path / "sanity.csv")
        write_csv(agreement_columns(checked), paths[2])
    return paths


def by_table(scores: Sequence[Score]) -> dict[str, list[Score]]:
    """The scores of each table, by the table's title; the scores on the texts that all methods share come first."""
    tables: dict[str, list[Score]] = {}
    for s in sorted(scores, key=lambda s: s.on != "common"):
        common = ["common"] if s.on == "common" else []
        tables.setdefault(" · ".join([s.data, s.checkpoint, *common]), []).append(s)
    return tables


def lead_metrics(scores: Sequence[Score]) -> list[str]:
    """The metrics of the first table: the areas and "noise kept", or else the first two plausibility metrics."""
    names = dict.fromkeys(s.metric for s in scores)
    leading = [name for name in names if name.endswith(" area")] + [name for name in names if name == NOISE_KEPT]
    return leading or [name for name in names if name.startswith("rationale ")][:2]


def ranked(scores: Sequence[Score], metric: str) -> list[str]:
    """Labels in the order of a metric, the best first; methods without the metric come last."""
    sign = 1 if lower_is_better(metric) else -1
    best = {s.label: sign * s.center for s in scores if s.metric == metric}
    labels = list(dict.fromkeys(s.label for s in scores))
    return sorted(labels, key=lambda label: best.get(label, float("inf")))


def marked(scores: Sequence[Score], labels: Sequence[str]) -> list[str]:
    """The labels, with a † after each method that optimises a metric of the removal curves for each text."""
    optimising = {s.label for s in scores if s.optimises}
    return [f"{label} {OPTIMISES}" if label in optimising else label for label in labels]


def footnotes(scores: Sequence[Score]) -> list[str]:
    """One sentence for each of the marks † and * in the tables of these scores; empty if there are no marks."""
    compare = f" Compare {NOISE_KEPT}, which no method optimises by default." if _has_noise(scores) else ""
    notes = [
        f"{OPTIMISES} {label} optimises the {what} for each text, so its rank by this metric, and by the other metrics "
        f"of the same curves, is no independent evidence.{compare}"
        for label, what in {s.label: s.optimises for s in scores if s.optimises}.items()
    ]
    if any(_significant(s.comparison) for s in scores):
        notes.append(
            f"{DIFFERS} The difference from the reference is significant: p < {SIGNIFICANT:g} by the paired sign-flip "
            "permutation test, with Holm's correction for the number of methods in the column."
        )
    return notes


def lead_table(scores: Sequence[Score]) -> Columns:
    """The first table of one data set and checkpoint: the lead metrics, Δ to the reference, and the cost."""
    by = {(s.label, s.metric): s for s in scores}
    metrics = lead_metrics(scores)
    labels = ranked(scores, metrics[0] if metrics else COST[0])
    columns: Columns = {"method": marked(scores, labels)}
    if metrics:
        columns["texts"] = [str(by[x, metrics[0]].texts) if (x, metrics[0]) in by else "0" for x in labels]
    for metric in metrics:
        found = [by.get((label, metric)) for label in labels]
        columns[metric] = ["" if s is None else _interval(s.value) for s in found]
        columns[f"Δ {metric}"] = ["" if s is None else _advantage(s.comparison) for s in found]
    columns["passes forward + backward"] = [
        f"{by[label, 'forward'].center:.1f} + {by[label, 'backward'].center:.1f}" for label in labels
    ]
    columns["median s / text"] = [f"{by[label, 'seconds'].center:.2g}" for label in labels]
    return columns


def other_table(scores: Sequence[Score]) -> Columns:
    """The means of all metrics that the first table leaves out; empty if there are none."""
    lead = lead_metrics(scores)
    metrics = [m for m in dict.fromkeys(s.metric for s in scores) if m not in (*lead, *COST)]
    if not metrics or not lead:
        return {}
    by = {(s.label, s.metric): s for s in scores}
    labels = ranked(scores, lead[0])
    means = {_directed(m): [f"{by[x, m].center:.3f}" if (x, m) in by else "" for x in labels] for m in metrics}
    return {"method": marked(scores, labels), **means}


def sanity_table(checked: Sequence[Agreement]) -> Columns:
    """The mean rank correlation with the original scores, in a column for each randomised part, from the top down."""
    by = {(a.label, a.part): a for a in checked}
    labels = list(dict.fromkeys(a.label for a in checked))
    parts = list(dict.fromkeys(a.part for a in checked))
    return {"method": labels, **{p: [f"{by[label, p].value.mean:+.2f}" for label in labels] for p in parts}}


def score_columns(scores: Sequence[Score]) -> Columns:
    """The CSV file: one line for each score.

    `value` is the mean, and `low` and `high` are the ends of its 95 % bootstrap interval. Where `statistic` is
    "median", the three are the median and the quartiles. `advantage` is positive if the method is better than the
    reference, even if lower values of the metric are better; see `Comparison`.
    """
    compared = [s.comparison for s in scores]
    return {
        "data": [s.data for s in scores],
        "checkpoint": [s.checkpoint for s in scores],
        "method": [s.label for s in scores],
        "optimises": [s.optimises for s in scores],
        "on": [s.on for s in scores],
        "metric": [s.metric for s in scores],
        "better": ["lower" if lower_is_better(s.metric) else "higher" for s in scores],
        "texts": [str(s.texts) for s in scores],
        "statistic": ["median" if isinstance(s.value, Quartiles) else "mean" for s in scores],
        "value": [f"{s.center:.5f}" for s in scores],
        "low": [f"{s.value.low:.5f}" for s in scores],
        "high": [f"{s.value.high:.5f}" for s in scores],
        "pairs": ["" if c is None else str(c.pairs) for c in compared],
        "advantage": ["" if c is None else f"{c.advantage.mean:.5f}" for c in compared],
        "advantage low": ["" if c is None else f"{c.advantage.low:.5f}" for c in compared],
        "advantage high": ["" if c is None else f"{c.advantage.high:.5f}" for c in compared],
        "p": ["" if c is None else f"{c.p:.4g}" for c in compared],
        "p Holm": ["" if c is None else f"{c.adjusted:.4g}" for c in compared],
    }


def agreement_columns(checked: Sequence[Agreement]) -> Columns:
    """The CSV file of the sanity check: one line for each method and each randomised part of the model."""
    return {
        **{name: [str(getattr(a, name)) for a in checked] for name in ("data", "checkpoint", "label", "depth", "part")},
        "texts": [str(a.texts) for a in checked],
        **{name: [f"{getattr(a.value, name):.5f}" for a in checked] for name in ("mean", "low", "high")},
    }


def markdown(folder: BenchmarkFolder, scores: Sequence[Score], checked: Sequence[Agreement]) -> str:
    """All tables of a benchmark as one page."""
    blocks = ["# Leaderboard", legend(folder.config.reference), *footnotes(scores)]
    for title, some in by_table(scores).items():
        blocks += [f"## {title}", markdown_table(lead_table(some))]
        if others := other_table(some):
            blocks.append(markdown_table(others))
        if some[0].on == "all":
            blocks.append(_cut(folder, Place(some[0].data, some[0].checkpoint, some[0].label)))
    for data, checkpoint in dict.fromkeys((a.data, a.checkpoint) for a in checked):
        some = [a for a in checked if (a.data, a.checkpoint) == (data, checkpoint)]
        blocks += [f"## Randomised from the top down · {data} · {checkpoint}",
                   f"Mean rank correlation with the scores of the trained model, {some[0].texts} texts.",
                   markdown_table(sanity_table(some))]  # fmt: skip
    return "\n\n".join(blocks) + "\n"


def legend(reference: str) -> str:
    """How to read the tables."""
    return (
        f"Means over texts with 95 % bootstrap intervals. Δ compares a method with `{reference}`, paired by text, and "
        "is positive if the method is better. Passes are through the whole model, the plain pass included; seconds are "
        "medians. Tables named common are over the texts that all methods ran on: expensive methods ran on fewer "
        "texts, and only there do all rows rest on the same texts. In the second tables ↓ marks the metrics whose "
        "lower values are better; of all others higher values are better. Noise kept is p(target) with all tokens "
        "outside the top k replaced by noise at a hidden layer. Sensitivity-n and leave-one-out are about "
        "log p(target). Noise kept, sensitivity-n and leave-one-out rest on the texts that have them."
    )


def _has_noise(scores: Sequence[Score]) -> bool:
    return any(s.metric == NOISE_KEPT for s in scores)


def _cut(folder: BenchmarkFolder, place: Place) -> str:
    cuts = [row["cut"] > 0 for row in folder.read(place)]
    return f"{sum(cuts)} of {len(cuts)} texts were longer than the model's limit here, and were cut."


def _directed(metric: str) -> str:
    return f"{metric} ↓" if lower_is_better(metric) else metric


def _interval(value: Interval | Quartiles) -> str:
    center = value.median if isinstance(value, Quartiles) else value.mean
    return f"{center:.3f} [{value.low:.3f}, {value.high:.3f}]"


def _significant(comparison: Comparison | None) -> bool:
    return comparison is not None and comparison.adjusted < SIGNIFICANT


def _advantage(comparison: Comparison | None) -> str:
    if comparison is None:
        return ""
    found = comparison.advantage
    mark = DIFFERS if _significant(comparison) else ""
    return f"{found.mean:+.3f} [{found.low:+.3f}, {found.high:+.3f}]{mark}"
