"""Reads the folders of runs into the contents of a page."""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from textiba.attribution import Attribution, Curve
from textiba.benchmark import leaderboard
from textiba.benchmark.folder import BenchmarkFolder
from textiba.benchmark.tables import by_table, lead_table
from textiba.errors import CorruptFileError, InputError
from textiba.evaluation.profile import LayerRow, layer_profile
from textiba.report.exploration import Board, Exploration, Made, Removed
from textiba.runs.sweep import grouped
from textiba.store import Key, RunFolder, settings_key
from textiba.store.check import incomplete, runs
from textiba.texts.tokens import TokenizedText

TEXTS = 200  # number of texts of each run that a page shows by default
_SAME = 5e-3  # largest difference of a whole text's probability between two passes of a model
_FACTS = {
    "seed": "seed", "target": "explained class", "outcome": "question", "max_length": "tokens of a text, at most",
    "windows": "windows of longer texts",
}  # fmt: skip


def explore(paths: Sequence[str | Path], title: str | None = None, limit: int = TEXTS) -> Exploration:
    """Returns the results of one or several runs, for one page.

    Runs may share texts and results: the same result is shown once. A benchmark adds its leaderboard. A run whose
    results cannot be read is left out. `Exploration.advice` names every run that has a damaged file or is incomplete.

    Args:
        paths: folders that `sweep` (and `degrade_run`) or `benchmark` made, or folders of such folders.
        title: title of the page; the folders' names when None.
        limit: number of texts of each run that are shown. Profiles and curves are over all texts.

    Raises:
        InputError: a folder holds no run; no run has results of a sweep; or one name stands for two models, or for one
            model that was asked two questions.
        CorruptFileError: there are no results to show, because a file is damaged.
    """
    found = _Found()
    sweeps, benches = _sort(paths, found)
    sweeps = [folder for folder in sweeps if found.tried(partial(_read, folder, found, limit), f"{folder.path} is")]
    if not found.results:
        if found.damage:
            raise found.damage[0]
        names = ", ".join(str(path) for path in paths)
        raise InputError(f"a page shows the results of a sweep, and there is none in {names}; run: textiba sweep")
    for folder in sweeps:
        found.tried(partial(_read_curves, folder, found), f"the curves of {folder.path} are")
    boards: dict[str, Board] = {}
    benches = [bench for bench in benches if found.tried(partial(_read_board, bench, boards), f"{bench.path} is")]
    parts = {folder.path: incomplete(folder.path) for folder in (*sweeps, *benches)}
    found.advice += [part for part in parts.values() if part]
    made = [_made(f.path.name, f.manifest.values, parts[f.path]) for f in (*sweeps, *benches)]
    largest = max(sweeps, key=lambda sweep: found.counts[sweep.path])
    advice = tuple(found.advice) if found.removed else (*found.advice, _how_to_degrade(largest))
    title = title or " · ".join(dict.fromkeys(Path(path).resolve().name for path in paths))
    return Exploration(
        title, tuple(found.results.values()), _best_rows(found.rows), tuple(found.curves.values()),
        tuple(found.removed), boards, made, advice,
    )  # fmt: skip


@dataclass
class _Found:
    """The results read so far."""

    results: dict[tuple, Attribution] = field(default_factory=dict)
    texts: dict[TokenizedText, TokenizedText] = field(default_factory=dict)
    rows: list[list[LayerRow]] = field(default_factory=list)
    curves: dict[tuple, dict[str, Curve]] = field(default_factory=dict)
    removed: list[Removed] = field(default_factory=list)
    seen: set[tuple] = field(default_factory=set)
    models: dict[str, tuple[str, str, Path]] = field(default_factory=dict)
    numbered: dict[tuple[Path, Key], dict[int, Attribution]] = field(default_factory=dict)
    counts: Counter[Path] = field(default_factory=Counter)  # number of results in each run
    advice: list[str] = field(default_factory=list)
    damage: list[CorruptFileError] = field(default_factory=list)

    def tried(self, read: Callable[[], None], what: str) -> bool:
        """Calls `read`, and returns whether no file is damaged; if one is, the advice says `what` is left out."""
        try:
            read()
        except CorruptFileError as error:
            self.damage.append(error)
            self.advice.append(f"{what} left out: {error}")
            return False
        return True

    def add(self, a: Attribution) -> Attribution:
        """Adds a result. Returns the result, or an equal earlier one. Equal texts become one object."""
        a = replace(a, text=self.texts.setdefault(a.text, a.text))
        key = (id(a.text), a.checkpoint, a.method, settings_key(a.settings), a.target)
        return self.results.setdefault(key, a)

    def name_model(self, name: str, fingerprint: str, question: str, path: Path) -> None:
        """Records which model a name stands for, and which question the model is asked.

        Raises:
            InputError: in an earlier run the name stood for another model, or the model was asked another question.
        """
        known, asked, where = self.models.setdefault(name, (fingerprint, question, path))
        if known != fingerprint:
            raise InputError(
                f"on one page a checkpoint's name stands for one model; '{name}' is {known} in {where} and "
                f"{fingerprint} in {path}. Make two pages"
            )
        if asked != question:
            raise InputError(
                f"on one page a checkpoint is asked one question; '{name}' is asked {asked} in {where} and {question} "
                f"in {path}. Make two pages"
            )


def _read_board(bench: BenchmarkFolder, boards: dict[str, Board]) -> None:
    boards |= {title: lead_table(scores) for title, scores in by_table(leaderboard(bench)).items()}


def _sort(paths: Iterable[str | Path], found: _Found) -> tuple[list[RunFolder], list[BenchmarkFolder]]:
    """The sweeps and the benchmarks at each path or directly below it."""
    sweeps: list[RunFolder] = []
    benches: list[BenchmarkFolder] = []
    for path in map(Path, paths):
        before = len(sweeps) + len(benches)
        for run in runs(path) if path.is_dir() else ():
            try:
                if (run / "rows").is_dir():
                    benches.append(BenchmarkFolder(run))
                elif any((run / "attributions").glob("part-*.parquet")):
                    sweeps.append(RunFolder(run))
            except CorruptFileError as error:
                found.damage.append(error)
                found.advice.append(f"{run} is left out: {error}")
        if len(sweeps) + len(benches) == before and not found.damage:
            raise InputError(f"{path}: no results of a sweep or a benchmark here; make them with textiba sweep CONFIG")
    return sweeps, benches


def _read(folder: RunFolder, found: _Found, limit: int) -> None:
    outcome = folder.manifest.values["settings"].get("outcome")
    question = "its own question" if outcome is None else settings_key(outcome)
    for name, fingerprint in folder.manifest.values["checkpoints"].items():
        found.name_model(name, fingerprint, question, folder.path)

    def kept() -> Iterator[Attribution]:
        for number, attribution in folder.read():
            key = (attribution.checkpoint, attribution.method, settings_key(attribution.settings))
            found.counts[folder.path] += 1
            if number < limit:
                shown.append((number, key, attribution))
            yield attribution

    shown: list[tuple[int, Key, Attribution]] = []
    found.rows.append(layer_profile(kept()))
    for number, key, attribution in sorted(shown, key=lambda item: item[0]):
        found.numbered.setdefault((folder.path, key), {})[number] = found.add(attribution)


def _best_rows(by_run: Sequence[Sequence[LayerRow]]) -> list[LayerRow]:
    """Takes each line of the profile from one run: the run with the most layers, and among equals with the most texts.

    Points of one line would not be comparable if they came from different texts.
    """
    lines: dict[tuple, dict[int, list[LayerRow]]] = {}
    for run, rows in enumerate(by_run):
        for row in rows:
            others = {name: value for name, value in row.settings.items() if name != "layer"}
            line = lines.setdefault((row.checkpoint, row.method, settings_key(others)), {})
            line.setdefault(run, []).append(row)
    return [row for line in lines.values() for row in max(line.values(), key=lambda rows: (len(rows), rows[0].texts))]


def _read_curves(folder: RunFolder, found: _Found) -> None:
    for way in folder.removals():
        for group in grouped(folder.read_curves(way)):
            curve = next(iter(group.values()))
            key = (curve.checkpoint, curve.method, settings_key(curve.settings))
            rows = _rows_of(folder, key, curve, found)
            if rows is None:
                continue
            known = found.curves.get((*key, way))
            if known is None or len(next(iter(known.values())).probability) < len(curve.probability):
                found.curves[*key, way] = group
            if curve.part == "both":  # the page removes words of both texts of a pair
                _add_removals(rows, group, found)


def _rows_of(folder: RunFolder, key: Key, curve: Curve, found: _Found) -> list[tuple[int, Attribution]] | None:
    """The rows of a curve for the texts that the page shows, each with its attribution; None for an outdated curve.

    A curve is outdated if its probability of a whole text differs from the probability in the attribution, because the
    results have changed since the curve was made. The advice then says how to make the curves again.
    """
    known = found.numbered.get((folder.path, key), {})
    rows = [(row, known[number]) for row, number in enumerate(curve.texts) if number in known]
    if all(abs(curve.probability[row, 0] - a.probability) <= _SAME for row, a in rows):
        return rows
    only = "" if curve.part == "both" else f" --part {curve.part}"
    again = f"textiba degrade {folder.path} --removal {curve.removal}{only}"
    note = f"The curves in {folder.path} do not belong to the results in that folder; make them again with: {again}"
    if note not in found.advice:
        found.advice.append(note)
    return None


def _add_removals(rows: Sequence[tuple[int, Attribution]], group: dict[str, Curve], found: _Found) -> None:
    curve = next(iter(group.values()))
    for row, attribution in rows:
        place = (id(attribution), curve.removal)
        if place not in found.seen:
            found.seen.add(place)
            by_order = {order: np.asarray(c.probability[row]) for order, c in group.items()}
            found.removed.append(Removed(attribution, curve.removal, curve.by, curve.steps, curve.seed, by_order))


def _how_to_degrade(folder: RunFolder) -> str:
    return f"No words were removed in this run yet; remove them with: textiba degrade {folder.path}"


def _made(name: str, values: dict[str, Any], part: str | None) -> Made:
    settings = values["settings"]
    facts = {shown: str(settings[name]) for name, shown in _FACTS.items() if settings.get(name) is not None}
    facts |= {f"fingerprint of {model}": value for model, value in values["checkpoints"].items()}
    facts |= {f"seconds on {model}": f"{value:g}" for model, value in values.get("seconds", {}).items()}
    facts |= dict(values["versions"])
    facts = {"not whole": part, **facts} if part else facts
    plain = json.loads(json.dumps(values))
    return Made(name, facts, yaml.safe_dump(plain, sort_keys=False, allow_unicode=True, width=100))
