"""The demo, which `make demo` runs: bits, evidence and degradation on the built-in checkpoints and reviews."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from textiba.attribution import Attribution, Curve
from textiba.evaluation.degradation import Degradation
from textiba.evaluation.profile import LayerRow, layer_profile
from textiba.report import explore, write_page
from textiba.runs.config import DataChoice, MethodChoice, SweepConfig
from textiba.runs.sweep import Progress, degrade_run, grouped, sweep
from textiba.show.plots import plot_betas, plot_curves, plot_highlight, plot_layer_map, plot_profile, save
from textiba.show.scale import Scale
from textiba.show.summary import area_table
from textiba.store import RunFolder

# Two reviews on which the checkpoints disagree, a review that praises a grim plot, and a plain review. The figures
# show the first review.
TEXTS = ("b11", "a32", "b10", "a22")
CHECKPOINTS = ("fine-tuned", "general-probe")
BETAS = (1e-6, 1e-5, 1e-3)
COMPARED = ("per_sample", "evidence", "random")

_LAYERS = SweepConfig(
    checkpoints=CHECKPOINTS,
    data=DataChoice(ids=TEXTS),
    methods=(MethodChoice(name="per_sample", layers="all"), MethodChoice(name="evidence", layers="all")),
)
_BETAS = SweepConfig(
    checkpoints=("fine-tuned",),
    data=DataChoice(ids=TEXTS),
    methods=(MethodChoice(name="per_sample", betas=BETAS),),
)
_FRESH = SweepConfig(
    checkpoints=("general-fresh",),
    data=DataChoice(ids=TEXTS),
    methods=(MethodChoice(name="per_sample"), MethodChoice(name="evidence")),
)
_REMOVAL = SweepConfig(
    checkpoints=CHECKPOINTS,
    data=DataChoice(limit=8),
    methods=tuple(MethodChoice(name=name) for name in COMPARED),
)
_STEPS = Degradation(steps=(0, 0.05, 0.1, 0.2, 0.35, 0.5, 0.75, 1))
# Fewer steps, since these methods run at every layer.
_SCRUBBED = Degradation(steps=(0, 0.1, 0.2, 0.4, 0.7, 1), orders=("morf", "lerf"))


@dataclass(frozen=True, slots=True)
class Summary:
    """The results of the demo.

    Attributes:
        page: the file of the interactive page.
        figures: the files of the figures.
        areas: the table of areas between LeRF and MoRF, as columns of text.
    """

    page: Path
    figures: tuple[Path, ...]
    areas: dict[str, list[str]]


def run_demo(output: str | Path, progress: Progress = lambda *_: None) -> Summary:
    """Runs the sweeps and the degradation, draws the figures and writes the page, in under three minutes on two cores.

    A demo that was stopped resumes.

    Args:
        output: a folder for runs, figures and the page.
        progress: called after every batch.

    Returns:
        The page, the figures and the table of areas.
    """
    output = Path(output)
    named = {"layers": _LAYERS, "betas": _BETAS, "fresh": _FRESH, "removal": _REMOVAL}
    folders = {name: sweep(config, output / "runs" / name, progress) for name, config in named.items()}
    groups = grouped(degrade_run(folders["removal"], _STEPS, progress))
    degrade_run(folders["layers"], _SCRUBBED, progress)  # the page removes words at every layer
    attributions = [a for name in ("layers", "betas", "fresh") for a in _read(folders[name])]
    rows = layer_profile(_read(folders["layers"]))
    figures = draw(attributions, rows, groups, output / "figures")
    page = write_page(explore([folder.path for folder in folders.values()], "What BERT used"), output / "page.html")
    return Summary(page, figures, area_table(groups))


def draw(
    attributions: Sequence[Attribution], rows: Sequence[LayerRow], groups: Sequence[dict[str, Curve]], folder: Path
) -> tuple[Path, ...]:
    """Draws the figures: the first review by checkpoint, layer and β, the layer profile, and the degradation curves."""
    first = [a for a in attributions if a.text.source.id == TEXTS[0]]
    default = _default_layer(first)
    evidence = [a for a in first if a.method == "evidence" and a.layer == default]
    bits = [a for a in first if a.method == "per_sample" and a.checkpoint == "fine-tuned"]
    chosen_beta = next(a.settings["beta"] for a in bits if a.layer != default)
    by_layer = [a for a in bits if a.settings["beta"] == chosen_beta]
    by_beta = sorted((a for a in bits if a.layer == default), key=lambda a: a.settings["beta"])
    folder.mkdir(parents=True, exist_ok=True)
    pictures = {
        "general-beside-fine-tuned": plot_highlight(evidence, Scale.of(evidence)),
        "layers": plot_layer_map(by_layer, Scale.of(by_layer)),
        "betas": plot_betas(by_beta, Scale.of(by_beta)),
        "profile": plot_profile(rows),
        "degradation": plot_curves(_by_label(groups)),
    }
    return tuple(save(figure, folder / f"{name}.png") for name, figure in pictures.items())


def _by_label(groups: Sequence[dict[str, Curve]]) -> dict[str, dict[str, Curve]]:
    return {f"{group['morf'].checkpoint} · {group['morf'].method}": group for group in groups}


def _default_layer(attributions: Sequence[Attribution]) -> int | None:
    """The layer at which β was swept: the default layer of `per_sample`."""
    return next(a.layer for a in attributions if a.method == "per_sample" and a.settings["beta"] == BETAS[0])


def _read(folder: RunFolder) -> list[Attribution]:
    return [a for _, a in sorted(folder.read(), key=lambda pair: pair[0])]
