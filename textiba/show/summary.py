"""Tables of results, as columns of text, for the terminal, the page and files."""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from textiba.attribution import Curve
from textiba.evaluation.degradation import lerf_morf_area
from textiba.evaluation.intervals import bootstrap
from textiba.evaluation.profile import LayerRow
from textiba.store import Health
from textiba.store.output import write_file


def curve_labels(groups: Sequence[dict[str, Curve]]) -> list[str]:
    """A name for each group of curves: checkpoint, method, layer, β, and the settings in which the groups differ."""
    firsts = [next(iter(group.values())) for group in groups]
    labels = []
    for curve in firsts:
        varied = _varied(curve.settings, [c.settings for c in firsts if c.method == curve.method])
        names = [k for k in dict.fromkeys(("layer", "beta", *varied)) if k in curve.settings]
        labels.append(" · ".join([curve.checkpoint, curve.method, *(f"{k} {curve.settings[k]}" for k in names)]))
    return labels


def _varied(settings: Mapping[str, Any], alike: Sequence[Mapping[str, Any]]) -> list[str]:
    """The names of the settings in which the runs of one method differ."""
    return [k for k, v in settings.items() if any(other.get(k) != v for other in alike)]


def _others(row: LayerRow, rows: Sequence[LayerRow]) -> str:
    """The settings, except layer and β, in which the rows of one method differ."""
    varied = _varied(row.settings, [r.settings for r in rows if r.method == row.method])
    return " · ".join(f"{k} {row.settings[k]}" for k in varied if k not in ("layer", "beta"))


def area_table(groups: Sequence[dict[str, Curve]]) -> dict[str, list[str]]:
    """The area (LeRF − MoRF of the target's probability) of each group, with its 95 % bootstrap interval over texts."""
    columns: dict[str, list[str]] = {"what": curve_labels(groups), "area": [], "95 %": [], "texts": []}
    for group in groups:
        interval = bootstrap(lerf_morf_area(group))
        columns["area"].append(f"{interval.mean:.3f}")
        columns["95 %"].append(f"[{interval.low:.3f}, {interval.high:.3f}]")
        columns["texts"].append(str(len(group["morf"].probability)))
    return columns


def profile_table(rows: Sequence[LayerRow]) -> dict[str, list[str]]:
    """A layer profile as a table; totals have their 95 % bootstrap interval over texts."""
    return {
        "checkpoint": [r.checkpoint for r in rows],
        "method": [r.method for r in rows],
        "layer": [str(r.layer) for r in rows],
        "β": ["" if r.beta is None else f"{r.beta:g}" for r in rows],
        "settings": [_others(r, rows) for r in rows],
        "total": [f"{r.total.mean:.4g} [{r.total.low:.4g}, {r.total.high:.4g}]" for r in rows],
        "per token": [f"{r.per_token.mean:.3g}" for r in rows],
        "usable bits": ["" if r.usable is None else f"{r.usable.mean:.3f}" for r in rows],
        "kept p": ["" if r.kept is None else f"{r.kept.mean:.3f}" for r in rows],
        "loss": ["" if r.loss is None else f"{r.loss.mean:.3f} [{r.loss.low:.3f}, {r.loss.high:.3f}]" for r in rows],
    }


def health_table(found: Sequence[Health]) -> dict[str, list[str]]:
    """A table of runs and their states."""
    return {
        "run": [str(health.path) for health in found],
        "made by": [f"textiba {health.command}".strip() for health in found],
        "rows": [str(health.rows) for health in found],
        "tables": [str(health.files) for health in found],
        "MB": [f"{health.size / 1e6:.1f}" for health in found],
        "state": [health.state for health in found],
    }


def markdown_table(columns: Mapping[str, Sequence[object]]) -> str:
    """A table of Markdown; cells are written unchanged."""
    from tabulate import tabulate

    return tabulate(columns, headers="keys", tablefmt="github", disable_numparse=True)


def write_csv(columns: Mapping[str, Sequence[str]], path: Path) -> None:
    """Writes a table as CSV, with the columns' names in the first line; the file is written completely or not at all.

    Raises:
        InputError: the path is a folder.
        StorageError: the file cannot be written.
    """

    def write(place: Path) -> None:
        with place.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(columns)
            writer.writerows(zip(*columns.values(), strict=True))

    write_file(path, write)
