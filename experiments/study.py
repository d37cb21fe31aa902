"""Code that the experiments share: runs that resume, saved curves, and results in one format."""

import json
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from textiba.attribution import Attribution, Curve
from textiba.errors import InputError
from textiba.evaluation.degradation import Degradation
from textiba.evaluation.intervals import Interval, bootstrap, holm, sign_flip_p
from textiba.runs.config import SweepConfig
from textiba.runs.sweep import Progress, degrade_run, grouped, sweep
from textiba.show.plots import save
from textiba.store import RunFolder, versions
from textiba.store.files import write_text

ROOT = Path(__file__).parent
HUB = {"stanfordnlp/imdb": "imdb", "eraser-benchmark/movie_rationales": "movie_rationales"}
COARSE = Degradation(steps=(0, 0.1, 0.2, 0.4, 0.7, 1), orders=("morf", "lerf"))  # half the passes of the default
_DIGITS = 4  # of the numbers in result.json
Table = Mapping[str, Sequence[str]]
Rows = Mapping[str, Any]


@dataclass(frozen=True)
class Small:
    """A small setting, for tests: an experiment takes seconds, and its numbers mean nothing.

    Attributes:
        texts: ids of bundled reviews.
        tokens: the length at which each text is cut.
        layers: the layers in place of "all" in a config.
        betas: the number of values of β in place of each list in a config.
    """

    texts: tuple[str, ...]
    tokens: int = 64
    layers: tuple[int, ...] = (2, 4)
    betas: int = 2


@dataclass
class Study:
    """One experiment: its folder, and the folder of its runs.

    Attributes:
        folder: the experiment's folder, with its configs and its published results.
        runs: the folder of all runs.
        data: a folder with `imdb/` and `movie_rationales/`; None takes the data from the hub.
        progress: called after each result.
        small: the small setting; None takes the real setting.
        output: the folder of the results; None takes `folder`.
    """

    folder: Path
    runs: Path = Path("runs")
    data: Path | None = None
    progress: Progress = lambda *_: None
    small: Small | None = None
    output: Path | None = None
    _sweeps: dict[str, tuple[SweepConfig, RunFolder]] = field(default_factory=dict)

    def config(self, name: str = "config") -> SweepConfig:
        """The settings in `<name>.yaml`."""
        config = SweepConfig.from_yaml(self.folder / f"{name}.yaml")
        if self.small is not None:
            return _smaller(config, self.small)
        if self.data is None or config.data.source not in HUB:
            return config
        source = str(self.data / HUB[config.data.source])
        return config.model_copy(update={"data": config.data.model_copy(update={"source": source})})

    def sweep(self, name: str = "config") -> RunFolder:
        """Runs a config, or resumes its run."""
        config = self.config(name)
        run = sweep(config, self.runs / f"{self.folder.name}-{name}", self.progress)
        self._sweeps[name] = config, run
        return run

    def degrade(self, run: RunFolder, settings: Degradation | None = None) -> list[dict[str, Curve]]:
        """The curves of a run, by checkpoint, method and settings; saved curves are read instead of made anew."""
        settings = settings or Degradation()
        if settings.removal in run.removals():
            curves = run.read_curves(settings.removal)
            if _same(curves, run, settings):
                return grouped(curves)
        return grouped(degrade_run(run, settings, self.progress))

    def publish(
        self, found: Rows, tables: Mapping[str, Table] | None = None, figures: Mapping[str, Any] | None = None
    ) -> Path:
        """Writes `result.json` and the figures, and writes each table into the README between the marks of its name.

        Args:
            found: numbers and intervals, in any nesting of mappings and lists.
            tables: columns of text, by the table's name.
            figures: matplotlib figures, by the file's name.
        """
        output = self.output or self.folder
        for name, figure in (figures or {}).items():
            save(figure, output / f"{name}.png")
        values = {
            "found": plain(found),
            "settings": {name: config.model_dump(mode="json") for name, (config, _) in self._sweeps.items()},
            "seconds of the sweeps": {name: run.manifest.values["seconds"] for name, (_, run) in self._sweeps.items()},
            "versions": versions(),
        }
        target = output / "result.json"
        write_text(target, json.dumps(values, indent=1, ensure_ascii=False) + "\n")
        readme = self.folder / "README.md"
        if tables and readme.is_file():
            write_text(output / "README.md", _with_tables(readme.read_text("utf-8"), tables))
        return target


def collect(run: RunFolder, of: Callable[[Attribution], Any]) -> dict[tuple[str, str, str], list[Any]]:
    """The value of `of` for every result, in the order of the texts, by checkpoint, method and settings."""
    found: dict[tuple[str, str, str], list[tuple[int, Any]]] = {}
    for key in run.groups():
        found[key] = [(index, of(a)) for index, a in run.read(key)]
    return {key: [value for _, value in sorted(pairs, key=lambda p: p[0])] for key, pairs in found.items()}


def in_order(curve: Curve) -> Float[np.ndarray, "texts steps"]:
    """A curve's probabilities in the order of the texts, for comparisons text by text."""
    return curve.probability[np.argsort(curve.texts)]


def mean(values: Iterable[float]) -> Interval:
    """The mean over texts, with its bootstrap interval (95 %)."""
    return bootstrap(np.asarray(list(values), dtype=np.float64))


def tested(differences: Mapping[str, Float[np.ndarray, " texts"]]) -> dict[str, Any]:
    """The mean of each paired difference, and its p-value with Holm's correction."""
    adjusted = holm([sign_flip_p(values) for values in differences.values()])
    return {
        name: {"difference": mean(values.tolist()), "p": p}
        for (name, values), p in zip(differences.items(), adjusted, strict=True)
    }


def significant(differences: Mapping[str, Float[np.ndarray, " texts"]], level: float = 0.05) -> dict[str, bool]:
    """Whether each of several paired mean differences is significant, after Holm's correction for their number."""
    adjusted = holm([sign_flip_p(values) for values in differences.values()])
    return {name: p < level for name, p in zip(differences, adjusted, strict=True)}


def shown(interval: Interval, digits: int = 3) -> str:
    """An interval as text: "0.754 [0.735, 0.772]"; one decimal from 10 on, none from 100 on."""
    values = [plain(value) for value in (interval.mean, interval.low, interval.high)]  # rounded as in result.json
    form = ",.0f" if abs(interval.mean) >= 100 else ".1f" if abs(interval.mean) >= 10 else f".{digits}f"
    middle, low, high = (format(value, form) for value in values)
    return f"{middle} [{low}, {high}]"


def plain(value: Any) -> Any:
    """Intervals and numpy's numbers as plain values for JSON, with four significant digits."""
    if isinstance(value, Interval):
        return {"mean": plain(value.mean), "low": plain(value.low), "high": plain(value.high)}
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple | np.ndarray):
        return [plain(v) for v in value]
    if isinstance(value, float | np.floating):
        return float(f"{value:.{_DIGITS}g}") if math.isfinite(value) else None
    return int(value) if isinstance(value, np.integer) else value


def _same(curves: Sequence[Curve], run: RunFolder, settings: Degradation) -> bool:
    groups = run.groups()
    whole = len(curves) == len(groups) * len(settings.orders) and all(
        curve.by == settings.by and curve.steps.tolist() == list(settings.steps) and curve.texts for curve in curves
    )
    return whole and all(len(curve.texts) == len(next(iter(groups.values()))) for curve in curves)


def _smaller(config: SweepConfig, small: Small) -> SweepConfig:
    methods = [
        m.model_copy(update={"layers": small.layers if m.layers else (), "betas": m.betas[: small.betas]})
        for m in config.methods
    ]
    data = type(config.data)(ids=small.texts)
    return config.model_copy(update={"data": data, "max_length": small.tokens, "methods": tuple(methods)})


def _with_tables(text: str, tables: Mapping[str, Table]) -> str:
    for name, columns in tables.items():
        start, end = f"<!-- table: {name} -->", "<!-- end -->"
        pattern = re.compile(re.escape(start) + r".*?" + re.escape(end), re.S)
        there = pattern.search(text)
        if there is None:
            raise InputError(f"the README needs a place for the table '{name}': put {start} and {end} there")
        text = f"{text[: there.start()]}{start}\n\n{_markdown(columns)}\n\n{end}{text[there.end() :]}"
    return text


def _markdown(columns: Table) -> str:
    lines = ["| " + " | ".join(columns) + " |", "|" + "---|" * len(columns)]
    lines += ["| " + " | ".join(row) + " |" for row in zip(*columns.values(), strict=True)]
    return "\n".join(lines)


def bars(axes: Any, values: dict[str, Any]) -> None:
    """Draws a bar with its interval for each value, the first on top."""
    places = np.arange(len(values))[::-1]
    middle = np.array([v.mean for v in values.values()])
    spread = [[v.mean - v.low for v in values.values()], [v.high - v.mean for v in values.values()]]
    axes.barh(places, middle, xerr=spread, color="#99c7c2", error_kw={"elinewidth": 1, "ecolor": "#475569"})
    axes.set_yticks(places, list(values))
    axes.grid(axis="x", color="#e5e7eb", lw=0.7)
    axes.grid(visible=False, axis="y")
