"""Whole runs into a folder: a sweep that can be killed and resumed, and the degradation of its results."""

import hashlib
import time
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path

from textiba.attribution import Attribution, Curve
from textiba.checkpoints import load, load_statistics, own_statistics
from textiba.config import SweepConfig
from textiba.data import Review
from textiba.degradation import Degradation, degrade
from textiba.encoder import Encoder
from textiba.store import Key, RunFolder, settings_key
from textiba.sweep import stream

Progress = Callable[[str, int, int], None]  # what is being done, done so far, in all


def sweep(config: SweepConfig, output: str | Path, progress: Progress = lambda *_: None) -> RunFolder:
    """Runs a sweep into a folder; what is already there is kept and not computed again.

    Args:
        config: what to run.
        output: the run's folder.
        progress: called after every result.

    Raises:
        InputError: the folder holds another run, or one on another model or other reviews.
        TextibaError: any error of `textiba.stream`. What was computed stays.
    """
    folder = RunFolder(output, config.model_dump())
    reviews = config.data.load()
    folder.manifest.hold("reviews", "data", reviews_hash(reviews))
    for name in config.checkpoints:
        encoder = load(name, config.max_length)
        folder.manifest.hold("checkpoints", name, encoder.fingerprint)
        statistics = load_statistics(config.statistics[name]) if name in config.statistics else own_statistics(name)
        methods = config.expand(encoder)
        for what, identity in {k: v for m in methods for k, v in m.rests_on(encoder).items()}.items():
            folder.manifest.hold("files", f"{name}: {what}", identity)
        groups = folder.groups()
        found = [groups.get((name, m.name, settings_key(m.model_dump())), set()) for m in methods]
        done = set.intersection(*found)
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
            seconds = folder.manifest.values["seconds"]
            seconds[name] = round(seconds.get(name, 0) + time.monotonic() - started, 2)
            folder.manifest.save()
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
    config = SweepConfig.from_mapping(folder.manifest.values["settings"], str(folder.path))
    curves: list[Curve] = []
    encoders: dict[str, Encoder] = {}
    for key, reviews in folder.groups().items():
        if key[0] not in encoders:
            encoders = {key[0]: load(key[0], config.max_length)}
            folder.manifest.hold("checkpoints", key[0], encoders[key[0]].fingerprint)
        report = partial(progress, f"{key[0]} {key[1]}")
        found = _counted(folder, key, len(reviews), report)
        curves += degrade(encoders[key[0]], found, settings).values()
    folder.save_curves(curves)
    return curves


def grouped(curves: list[Curve]) -> list[dict[str, Curve]]:
    """Curves put together by checkpoint, method and settings: each a dict by order, as `degrade` gives it."""
    groups: dict[Key, dict[str, Curve]] = {}
    for curve in curves:
        key = (curve.checkpoint, curve.method, settings_key(curve.settings))
        groups.setdefault(key, {})[curve.order] = curve
    return list(groups.values())


def reviews_hash(reviews: Iterable[Review]) -> str:
    """Tells one list of reviews from another, by texts, labels and rationales."""
    return hashlib.sha256(repr([(r.text, r.label, r.rationale) for r in reviews]).encode()).hexdigest()[:16]


def _counted(folder: RunFolder, key: Key, total: int, report: Callable[[int, int], None]) -> Iterator[Attribution]:
    for n, (_, attribution) in enumerate(folder.read(key), 1):
        yield attribution
        report(n, total)
