"""Quality against cost: each method of a leaderboard as a numbered point, against passes and against seconds."""

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

from textiba.benchmark.leaderboard import Score
from textiba.benchmark.tables import OPTIMISES, lead_metrics, marked, ranked
from textiba.errors import InputError
from textiba.show.plots import panel
from textiba.show.typeset import FONT, INK

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_OURS, _OTHERS = "#b45309", "#64748b"


def plot_leaderboard(scores: Sequence[Score], title: str = "", ours: Collection[str] = ()) -> "Figure":
    """A row of panels for each lead metric; the columns are passes and seconds for one text, on a log scale.

    Args:
        scores: scores of one data set and checkpoint, on one choice of texts.
        title: title of the figure.
        ours: labels of the methods that are drawn in another colour.

    Raises:
        InputError: no score is of a lead metric.
    """
    from matplotlib.figure import Figure

    metrics = lead_metrics(scores)
    if not metrics:
        raise InputError(
            "a figure of quality against cost needs areas, noise kept or plausibility metrics; there are none. Set "
            "removals or noise, or take a data set with rationales"
        )
    by = {(s.label, s.metric): s for s in scores}
    labels = [x for x in ranked(scores, metrics[0]) if all((x, metric) in by for metric in metrics)]
    costs = {
        "passes through the model, forward + backward": [
            by[x, "forward"].center + by[x, "backward"].center for x in labels
        ],
        "median seconds for a text": [by[x, "seconds"].center for x in labels],
    }
    figure = Figure(figsize=(11, 3.6 * len(metrics) + 0.5), layout="constrained")
    panels = figure.subplots(len(metrics), 2, squeeze=False, sharey="row", sharex="col")
    for row, metric in zip(panels, metrics, strict=True):
        for axes, (name, places) in zip(row, costs.items(), strict=True):
            panel(axes, "", name if metric == metrics[-1] else "", metric if axes is row[0] else "")
            axes.set_xscale("log")
            for number, (label, x) in enumerate(zip(labels, places, strict=True), 1):
                y = by[label, metric]
                color = _OURS if label in ours else _OTHERS
                axes.plot([x, x], [y.value.low, y.value.high], color=color, lw=1, alpha=0.6)
                axes.plot(x, y.center, "o", color=color, ms=13, mec="white")
                axes.text(x, y.center, str(number), size=7.5, color="white", ha="center", va="center_baseline",
                          family=FONT, weight="bold")  # fmt: skip
    lines = [f"{number}  {label}" for number, label in enumerate(marked(scores, labels), 1)]
    handles = [panels[0, 0].plot([], [], " ")[0] for _ in lines]
    legend = figure.legend(handles, lines, loc="outside right upper", frameon=False, handlelength=0, handletextpad=0,
                           prop={"family": FONT, "size": 8.5})  # fmt: skip
    for text, label in zip(legend.get_texts(), labels, strict=True):
        text.set_color(_OURS if label in ours else INK)
    for what in dict.fromkeys(s.optimises for s in scores if s.optimises):
        figure.supxlabel(f"{OPTIMISES} optimises the {what} for each text", x=0.99, ha="right", family=FONT, size=8.5)
    if title:
        figure.suptitle(title, x=0.01, ha="left", family=FONT, size=10, weight="bold", color=INK)
    return figure
