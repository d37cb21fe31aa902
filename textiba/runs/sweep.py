"""Whole runs into a folder: a sweep that can be killed and resumed, and the degradation of its results."""

import hashlib
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence, Sized
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from pathlib import Path

from textiba.attribution import Attribution, Curve
from textiba.bottleneck.statistics import load_statistics, own_statistics
from textiba.checkpoints.load import load
from textiba.errors import RepairWarning
from textiba.evaluation.degradation import Degradation, degrade
from textiba.model.view import Model
from textiba.runs.config import SweepConfig
from textiba.runs.stream import WINDOW, stream_batches
from textiba.store import Key, Numbers, RunFolder, claimed, settings_key
from textiba.store.check import set_aside_damaged
from textiba.store.processes import Processes, best_device, current
from textiba.texts.sources import Text

Progress = Callable[[str, int, int], None]  # what is being done, done so far, in all


def sweep(
    config: SweepConfig, output: str | Path, progress: Progress = lambda *_: None, processes: Processes | None = None
) -> RunFolder:
    """Runs a sweep into a folder; what is already there is kept and not computed again.

    Launched as several processes (`accelerate launch`, `torchrun`), they share the texts out by work, and each writes
    shards of its own. Started on four and stopped, it may go on on one, and ends with the same numbers.

    Args:
        config: what to run.
        output: the run's folder.
        progress: called after every result of this process, and with what was there before.
        processes: None finds out how this process was launched.

    Raises:
        InputError: the folder holds another run, or one on another model or other texts.
        BusyFolderError: another run writes to the folder.
        StorageError: the disk is full. What was computed stays.
        TextibaError: any error of `textiba.stream`. What was computed stays.

    Warns:
        RepairWarning: a shard was damaged; it was set aside, and its texts are computed again.
    """
    processes = processes or current()
    with claimed(Path(output), processes):
        folder = RunFolder(output, config.model_dump(), processes)
        if processes.main:
            _put_in_order(folder)
            processes.wait()  # the others come in
        texts = config.data.open()
        folder.manifest.hold("texts", "data", texts_hash(_known(texts)))
        groups = folder.groups()
        processes.wait()  # all have seen the same results before anyone adds to them
        for name in config.checkpoints:
            _sweep_one(_Job(config, folder, processes), name, texts, groups, progress)
        processes.wait()
    return folder


@dataclass(frozen=True)
class _Job:
    config: SweepConfig
    folder: RunFolder
    processes: Processes


def _sweep_one(job: _Job, name: str, texts: Iterable[Text], groups: dict[Key, Numbers], progress: Progress) -> None:
    """All methods on one checkpoint."""
    config, folder = job.config, job.folder
    model = load(name, config.max_length).to(best_device(job.processes))
    folder.manifest.hold("checkpoints", name, model.fingerprint)
    statistics = load_statistics(config.statistics[name]) if name in config.statistics else own_statistics(name)
    methods = config.expand(model)
    for what, identity in {k: v for m in methods for k, v in m.files(model).items()}.items():
        folder.manifest.hold("files", f"{name}: {what}", identity)
    variants = [variant for method in methods for variant in method.variants()]
    done = _InAll([groups.get((name, m.name, settings_key(m.model_dump(mode="json"))), Numbers()) for m in variants])
    total = len(texts) * len(variants) if isinstance(texts, Sized) else 0
    count, started = len(done) * len(variants), time.monotonic()
    progress(name, count, total)
    try:
        for results in stream_batches(
            model, methods, texts, statistics, config.target, config.seed, done=done, processes=job.processes
        ):
            folder.append(results)
            count += len(results)
            progress(name, count, total)
    finally:
        folder.flush()
        seconds = folder.manifest.values["seconds"]
        seconds[name] = round(seconds.get(name, 0) + time.monotonic() - started, 2)
        folder.manifest.save()


class _InAll:
    """The numbers that are in every one of several sets."""

    def __init__(self, sets: Sequence[Numbers]):
        self._sets = sets

    def __contains__(self, number: int) -> bool:
        return all(number in numbers for numbers in self._sets)

    def __len__(self) -> int:
        return min(len(numbers) for numbers in self._sets)  # results come for all methods together


def _put_in_order(folder: RunFolder) -> None:
    for aside in set_aside_damaged(folder.shards()):
        warnings.warn(
            f"a shard was damaged; it is {aside} now, and its texts are computed again", RepairWarning, stacklevel=3
        )


def _known(texts: Iterable[Text]) -> Iterable[Text]:
    """What tells one source from another: all of it, or of one without an end in sight its beginning."""
    return texts if isinstance(texts, Sized) else islice(texts, WINDOW)


def degrade_run(
    folder: RunFolder, settings: Degradation | None = None, progress: Progress = lambda *_: None
) -> list[Curve]:
    """Degradation curves of every method on every checkpoint of a run; they are saved in its folder.

    Args:
        folder: a run that `sweep` made.
        settings: how tokens are removed.
        progress: called after every text.
    """
    config = SweepConfig.from_mapping(folder.manifest.values["settings"], str(folder.path))
    curves: list[Curve] = []
    models: dict[str, Model] = {}
    for key, texts in folder.groups().items():
        if key[0] not in models:
            models = {key[0]: load(key[0], config.max_length)}
            folder.manifest.hold("checkpoints", key[0], models[key[0]].fingerprint)
        report = partial(progress, f"{key[0]} {key[1]}")
        numbers: list[int] = []  # which text each row of the curves is of
        found = _counted(folder, key, len(texts), report, numbers)
        group = degrade(models[key[0]], found, settings)
        curves += [replace(curve, texts=tuple(numbers)) for curve in group.values()]
    folder.save_curves(curves)
    return curves


def grouped(curves: list[Curve]) -> list[dict[str, Curve]]:
    """Curves put together by checkpoint, method and settings: each a dict by order, as `degrade` gives it."""
    groups: dict[Key, dict[str, Curve]] = {}
    for curve in curves:
        key = (curve.checkpoint, curve.method, settings_key(curve.settings))
        groups.setdefault(key, {})[curve.order] = curve
    return list(groups.values())


def texts_hash(texts: Iterable[Text]) -> str:
    """Tells one list of texts from another, by texts, labels and rationales."""
    digest, comma = hashlib.sha256(b"["), ""
    for r in texts:
        digest.update(f"{comma}{(r.text, r.label, r.rationale)!r}".encode())
        comma = ", "
    digest.update(b"]")
    return digest.hexdigest()[:16]


def _counted(
    folder: RunFolder, key: Key, total: int, report: Callable[[int, int], None], numbers: list[int]
) -> Iterator[Attribution]:
    for n, (number, attribution) in enumerate(folder.read(key), 1):
        numbers.append(number)
        yield attribution
        report(n, total)
