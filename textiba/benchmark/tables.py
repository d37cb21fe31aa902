"""The leaderboard as Markdown and CSV; the same numbers for the terminal, the folder and the README."""

from collections.abc import Sequence
from pathlib import Path

from textiba.benchmark.folder import BenchmarkFolder, Place
from textiba.benchmark.leaderboard import COST, Agreement, Score, agreements
from textiba.evaluation.intervals import Interval
from textiba.show.summary import markdown_table, write_csv
from textiba.store import write_text

Columns = dict[str, list[str]]


def write_tables(folder: BenchmarkFolder, scores: Sequence[Score]) -> list[Path]:
    """Writes leaderboard.md, leaderboard.csv and, where it was checked, sanity.csv into the folder."""
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
    """The scores of each data set and checkpoint by a title, first those on the texts that all methods share."""
    tables: dict[str, list[Score]] = {}
    for s in sorted(scores, key=lambda s: s.on != "common"):
        common = ["common"] if s.on == "common" else []
        tables.setdefault(" · ".join([s.data, s.checkpoint, *common]), []).append(s)
    return tables


def lead_metrics(scores: Sequence[Score]) -> list[str]:
    """What the first table shows: the areas, or the first two plausibility metrics where no curves were made."""
    names = dict.fromkeys(s.metric for s in scores)
    areas = [name for name in names if name.endswith(" area")]
    return areas or [name for name in names if name.startswith("rationale ")][:2]


def ranked(scores: Sequence[Score], metric: str) -> list[str]:
    """Labels, the best in `metric` first; those without it last."""
    best = {s.label: s.value.mean for s in scores if s.metric == metric}
    labels = list(dict.fromkeys(s.label for s in scores))
    return sorted(labels, key=lambda label: -best.get(label, float("-inf")))


def lead_table(scores: Sequence[Score]) -> Columns:
    """The first table of one data set and checkpoint: the lead metrics, the paired differences, and the cost."""
    by = {(s.label, s.metric): s for s in scores}
    metrics = lead_metrics(scores)
    labels = ranked(scores, metrics[0]) if metrics else ranked(scores, COST[0])
    columns: Columns = {"method": labels}
    if metrics:
        columns["texts"] = [str(by[x, metrics[0]].texts) if (x, metrics[0]) in by else "0" for x in labels]
    for metric in metrics:
        found = [by.get((label, metric)) for label in labels]
        columns[metric] = ["" if s is None else _interval(s.value) for s in found]
        columns[f"Δ {metric}"] = ["" if s is None else _difference(s.difference) for s in found]
    columns["passes forward + backward"] = [
        f"{by[label, 'forward'].value.mean:.1f} + {by[label, 'backward'].value.mean:.1f}" for label in labels
    ]
    columns["s / text"] = [f"{by[label, 'seconds'].value.mean:.2g}" for label in labels]
    return columns


def other_table(scores: Sequence[Score]) -> Columns:
    """Every metric that the first table leaves out, as means; empty where there is none."""
    lead = lead_metrics(scores)
    metrics = [m for m in dict.fromkeys(s.metric for s in scores) if m not in (*lead, *COST)]
    if not metrics or not lead:
        return {}
    by = {(s.label, s.metric): s for s in scores}
    labels = ranked(scores, lead[0])
    means = {m: [f"{by[x, m].value.mean:.3f}" if (x, m) in by else "" for x in labels] for m in metrics}
    return {"method": labels, **means}


def sanity_table(checked: Sequence[Agreement]) -> Columns:
    """Rank correlation with the original's scores, a column for each part that was randomised, from the top down."""
    by = {(a.label, a.part): a for a in checked}
    labels = list(dict.fromkeys(a.label for a in checked))
    parts = list(dict.fromkeys(a.part for a in checked))
    return {"method": labels, **{p: [f"{by[label, p].value.mean:+.2f}" for label in labels] for p in parts}}


def score_columns(scores: Sequence[Score]) -> Columns:
    """One line a score, for the CSV file."""
    return {
        "data": [s.data for s in scores],
        "checkpoint": [s.checkpoint for s in scores],
        "method": [s.label for s in scores],
        "on": [s.on for s in scores],
        "metric": [s.metric for s in scores],
        "texts": [str(s.texts) for s in scores],
        "pairs": [str(s.pairs) for s in scores],
        **{name: [f"{getattr(s.value, name):.5f}" for s in scores] for name in ("mean", "low", "high")},
        **{
            f"difference {name}": ["" if s.difference is None else f"{getattr(s.difference, name):.5f}" for s in scores]
            for name in ("mean", "low", "high")
        },
    }


def agreement_columns(checked: Sequence[Agreement]) -> Columns:
    """One line for each method and part, for the CSV file."""
    return {
        **{name: [str(getattr(a, name)) for a in checked] for name in ("data", "checkpoint", "label", "depth", "part")},
        "texts": [str(a.texts) for a in checked],
        **{name: [f"{getattr(a.value, name):.5f}" for a in checked] for name in ("mean", "low", "high")},
    }


def markdown(folder: BenchmarkFolder, scores: Sequence[Score], checked: Sequence[Agreement]) -> str:
    """All tables of a benchmark as one page."""
    blocks = ["# Leaderboard", _legend(folder.config.reference)]
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


def _legend(reference: str) -> str:
    return (
        f"Means with 95 % bootstrap intervals over texts. Δ is `{reference}` minus the method, paired by text: an "
        "interval above 0 means that the reference is better. Passes are through the whole model, the plain one "
        "included; seconds are medians. Tables named common are over the texts that all methods ran on, where "
        "expensive ones ran on fewer; only there do all rows rest on the same texts. In the second tables MoRF, "
        "sufficiency and log-odds are better when lower, all else when higher; sensitivity-n and leave-one-out are "
        "about log p(target) and rest on the texts that have subsets and leave-one-out scores."
    )


def _cut(folder: BenchmarkFolder, place: Place) -> str:
    cuts = [row["cut"] > 0 for row in folder.read(place)]
    return f"{sum(cuts)} of {len(cuts)} texts were longer than the model reads here, and were cut."


def _interval(value: Interval) -> str:
    return f"{value.mean:.3f} [{value.low:.3f}, {value.high:.3f}]"


def _difference(value: Interval | None) -> str:
    return "" if value is None else f"{value.mean:+.3f} [{value.low:+.3f}, {value.high:+.3f}]"
