"""Whole runs into a folder: a sweep that can be killed and resumed, and the degradation of its results."""

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from textiba.attribution import Attribution, Curve
from textiba.checkpoints import BUILTIN, STATISTICS, load, load_statistics
from textiba.config import SweepConfig
from textiba.degradation import Degradation, degrade
from textiba.encoder import Encoder
from textiba.statistics import FeatureStatistics
from textiba.store import RunFolder
from textiba.sweep import stream

Progress = Callable[[str, int, int], None]  # what is being done, done so far, in all


def sweep(config: SweepConfig, output: str | Path, progress: Progress = lambda *_: None) -> RunFolder:
    """Runs a sweep into a folder; what is already there is kept and not computed again.

    Args:
        config: what to run.
        output: the run's folder.
        progress: called after every result.

    Raises:
        InputError: the folder holds another run; any error of `textiba.stream`. What was computed stays.
    """
    folder = RunFolder(output, config.model_dump())
    reviews = config.data.load()
    for name in config.checkpoints:
        encoder = load(name, config.max_length)
        statistics = _statistics(name, config)
        methods = config.expand(encoder)
        folder.manifest["checkpoints"][name] = encoder.fingerprint
        done = folder.complete(name, len(methods))
        places = [i for i in range(len(reviews)) if i not in done]
        count, total, started = len(done) * len(methods), len(reviews) * len(methods), time.monotonic()
        progress(name, count, total)
        pending = stream(encoder, methods, (reviews[i] for i in places), statistics, config.target, config.seed)
        try:
            for place, attribution in pending:
                folder.append(places[place], attribution)
                count += 1
                progress(name, count, total)
        finally:
            folder.flush()
            seconds = folder.manifest["seconds"]
            seconds[name] = round(seconds.get(name, 0) + time.monotonic() - started, 2)
            folder.save_manifest()
    return folder


def degrade_run(
    folder: RunFolder, settings: Degradation | None = None, progress: Progress = lambda *_: None
) -> list[Curve]:
    """Degradation curves of every method on every checkpoint of a run; they are saved in its folder.

    Args:
        folder: a run that `sweep` made.
        settings: how tokens are removed.
        progress: called after every review.
    """
    config = SweepConfig.from_mapping(folder.manifest["settings"], str(folder.path))
    groups: dict[tuple[str, str, str], int] = {}
    for _, a in folder.read():
        groups[_key(a)] = groups.get(_key(a), 0) + 1
    curves: list[Curve] = []
    encoders: dict[str, Encoder] = {}
    for key, total in groups.items():
        if key[0] not in encoders:
            encoders = {key[0]: load(key[0], config.max_length)}
        found = _counted(folder, key, lambda n, k=key, t=total: progress(f"{k[0]} {k[1]}", n, t))
        curves += degrade(encoders[key[0]], found, settings).values()
    folder.save_curves(curves)
    return curves


def grouped(curves: list[Curve]) -> list[dict[str, Curve]]:
    """Curves put together by checkpoint, method and settings: each a dict by order, as `degrade` gives it."""
    groups: dict[tuple[str, str, str], dict[str, Curve]] = {}
    for curve in curves:
        key = (curve.checkpoint, curve.method, json.dumps(dict(curve.settings), sort_keys=True))
        groups.setdefault(key, {})[curve.order] = curve
    return list(groups.values())


def _counted(folder: RunFolder, key: tuple[str, str, str], count: Callable[[int], None]) -> Iterator[Attribution]:
    matching = (a for _, a in folder.read() if _key(a) == key)
    for n, attribution in enumerate(matching, 1):
        yield attribution
        count(n)


def _key(a: Attribution) -> tuple[str, str, str]:
    return a.checkpoint, a.method, json.dumps(dict(a.settings), sort_keys=True)


def _statistics(name: str, config: SweepConfig) -> FeatureStatistics | None:
    if name in config.statistics:
        return load_statistics(config.statistics[name])
    if name in BUILTIN or (Path(name) / STATISTICS).is_file():
        return load_statistics(name)
    return None
