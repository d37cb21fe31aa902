"""What the experiments share: runs that resume, curves that are kept, and results that are written the same way."""

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
from textiba.evaluation.degradation import Degradation
from textiba.evaluation.intervals import Interval, bootstrap
from textiba.runs.config import SweepConfig
from textiba.runs.sweep import Progress, degrade_run, grouped, sweep
from textiba.show.plots import save
from textiba.store import RunFolder, versions
from textiba.store.files import write_text

ROOT = Path(__file__).parent
HUB = {"stanfordnlp/imdb": "imdb", "eraser-benchmark/movie_rationales": "movie_rationales"}
COARSE = Degradation(steps=(0, 0.1, 0.2, 0.4, 0.7, 1), orders=("morf", "lerf"))  # half the passes of the default
_DIGITS = 4
Table = Mapping[str, Sequence[str]]
Rows = Mapping[str, Any]


@dataclass(frozen=True)
class Small:
    """A setting in which an experiment takes seconds and its figures mean nothing: does it run?

    Attributes:
        texts: ids of bundled ones.
        tokens: of each.
        layers: where a config says "all".
        betas: of each list in a config.
    """

    texts: tuple[str, ...]
    tokens: int = 64
    layers: tuple[int, ...] = (2, 4)
    betas: int = 2


@dataclass
class Study:
    """One experiment's folder, and where its runs are.

    Attributes:
        folder: with its configs, and what is published.
        runs: a folder for all runs.
        data: a folder that holds `imdb/` and `movie_rationales/`; None takes them from the hub.
        progress: called after every result.
        small: None for the real setting.
        output: where results go; the folder itself where None.
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
        """Runs a config, or goes on with what is there of it."""
        config = self.config(name)
        run = sweep(config, self.runs / f"{self.folder.name}-{name}", self.progress)
        self._sweeps[name] = config, run
        return run

    def degrade(self, run: RunFolder, settings: Degradation | None = None) -> list[dict[str, Curve]]:
        """The curves of a run, by checkpoint, method and settings; those that are there already are taken."""
        settings = settings or Degradation()
        if settings.removal in run.removals():
            curves = run.read_curves(settings.removal)
            if _same(curves, run, settings):
                return grouped(curves)
        return grouped(degrade_run(run, settings, self.progress))

    def publish(
        self, found: Rows, tables: Mapping[str, Table] | None = None, figures: Mapping[str, Any] | None = None
    ) -> Path:
        """Writes `result.json`, the figures, and the tables into the README, each between the marks of its name.

        Args:
            found: numbers, and intervals, in any nesting of mappings and lists.
            tables: columns of text.
            figures: of matplotlib.
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
    """What is wanted of every result, in the order of the texts, by checkpoint, method and settings."""
    found: dict[tuple[str, str, str], list[tuple[int, Any]]] = {}
    for key in run.groups():
        found[key] = [(index, of(a)) for index, a in run.read(key)]
    return {key: [value for _, value in sorted(pairs, key=lambda p: p[0])] for key, pairs in found.items()}


def in_order(curve: Curve) -> Float[np.ndarray, "texts steps"]:
    """A curve's probabilities in the order of the texts, so that curves can be compared text by text."""
    return curve.probability[np.argsort(curve.texts)]


def mean(values: Iterable[float]) -> Interval:
    """The mean over texts, with its bootstrap interval (95 %)."""
    return bootstrap(np.asarray(list(values), dtype=np.float64))


def shown(interval: Interval, digits: int = 3) -> str:
    """An interval as text: "0.754 [0.735, 0.772]"; of larger numbers with fewer decimals, from 100 on without."""
    values = [plain(value) for value in (interval.mean, interval.low, interval.high)]  # as in the result
    form = ",.0f" if abs(interval.mean) >= 100 else ".1f" if abs(interval.mean) >= 10 else f".{digits}f"
    middle, low, high = (format(value, form) for value in values)
    return f"{middle} [{low}, {high}]"


def plain(value: Any) -> Any:
    """Intervals and numpy's numbers as JSON has them, with four significant digits."""
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
            raise ValueError(f"the README has no place for the table '{name}': put {start} and {end} where it goes")
        text = f"{text[: there.start()]}{start}\n\n{_markdown(columns)}\n\n{end}{text[there.end() :]}"
    return text


def _markdown(columns: Table) -> str:
    lines = ["| " + " | ".join(columns) + " |", "|" + "---|" * len(columns)]
    lines += ["| " + " | ".join(row) + " |" for row in zip(*columns.values(), strict=True)]
    return "\n".join(lines)
