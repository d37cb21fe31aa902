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
from textiba.bottleneck.statistics import FeatureStatistics, load_statistics, own_statistics
from textiba.checkpoints.load import load
from textiba.errors import CorruptFileError, InputError, RepairWarning
from textiba.evaluation.degradation import Degradation, degrade
from textiba.methods import Method
from textiba.model.questions import outcome_of
from textiba.model.view import Model
from textiba.runs.config import SweepConfig
from textiba.runs.preflight import check_sweep
from textiba.runs.stream import WINDOW, stream_batches
from textiba.store import Key, Numbers, RunFolder, claimed, settings_key
from textiba.store.check import set_aside_damaged
from textiba.store.manifest import no_empty_run
from textiba.store.processes import Processes, best_device, current
from textiba.texts.sources import Text

Progress = Callable[[str, int, int], None]  # the task, how much is done, how much there is (0 if unknown)


def sweep(
    config: SweepConfig, output: str | Path, progress: Progress = lambda *_: None, processes: Processes | None = None
) -> RunFolder:
    """Runs a sweep into a folder; results that are already in the folder are kept and not computed again.

    Several processes (`accelerate launch`, `torchrun`) split the texts by work, and each process writes its own shards.
    A run that was started on four processes and stopped can be resumed on one process. The numbers are the same up to
    rounding; they are the same bit for bit if every process has the same number of threads.

    Args:
        config: the run.
        output: the run's folder.
        progress: called after every batch of this process; results from an earlier start of the run count as done.
        processes: the processes that share the run; None takes the processes of the launcher.

    Raises:
        TextibaError: any error of `check_sweep`, before anything is loaded.
        InputError: the folder holds another run, or a run on another model or on other texts.
        BusyFolderError: another run writes to the folder.
        StorageError: the folder cannot be written. Results so far stay.
        TextibaError: any error of `textiba.stream`. Results so far stay; if there are none, the folder is removed.

    Warns:
        RepairWarning: a shard was damaged; it was set aside, and its results are computed again.
        VersionWarning: the run was begun with other versions of packages.
    """
    processes = processes or current()
    check_sweep(config)
    with no_empty_run(Path(output)), claimed(Path(output), processes):
        folder = RunFolder(output, config.model_dump(), processes)
        if processes.main:
            _put_in_order(folder)
            processes.wait()  # the other processes go on
        texts = config.data.open()
        folder.manifest.hold("texts", "data", texts_hash(_known(texts)))
        groups = folder.groups()
        processes.wait()  # every process has read the same results before any process adds new ones
        for name in config.checkpoints[1:]:  # the first checkpoint is loaded next
            _prepare(config, folder, name, processes)
        for name in config.checkpoints:
            _sweep_one(_Job(config, folder, processes), name, texts, groups, progress)
        processes.wait()
        if not isinstance(texts, Sized):
            _count(folder)
    return folder


@dataclass(frozen=True)
class _Job:
    config: SweepConfig
    folder: RunFolder
    processes: Processes


def _loaded(name: str, config: SweepConfig) -> Model:
    return load(name, config.max_length, outcome=outcome_of(config.outcome), windows=config.windows)


def _prepare(
    config: SweepConfig, folder: RunFolder, name: str, processes: Processes
) -> tuple[Model, list[Method], FeatureStatistics | None]:
    """Loads a checkpoint, and checks the methods, the statistics and the target for it."""
    model = _loaded(name, config).to(best_device(processes))
    folder.manifest.hold("checkpoints", name, model.fingerprint)
    statistics = load_statistics(config.statistics[name]) if name in config.statistics else own_statistics(name)
    methods = config.expand(model)
    if config.target not in ("predicted", "gold"):
        model.find_label(config.target)
    for method in methods:
        method.check(model, statistics)
    for what, identity in {k: v for m in methods for k, v in m.files(model).items()}.items():
        folder.manifest.hold("files", f"{name}: {what}", identity)
    return model, methods, statistics


def _sweep_one(job: _Job, name: str, texts: Iterable[Text], groups: dict[Key, Numbers], progress: Progress) -> None:
    """Runs all methods on one checkpoint."""
    config, folder = job.config, job.folder
    model, methods, statistics = _prepare(config, folder, name, job.processes)
    variants = [variant for method in methods for variant in method.variants()]
    done = _InAll([groups.get((name, m.name, settings_key(m.model_dump(mode="json"))), Numbers()) for m in variants])
    total = len(texts) * len(variants) if isinstance(texts, Sized) else 0
    folder.manifest.expect(name, total or None)
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
    """The text numbers that several sets have in common."""

    def __init__(self, sets: Sequence[Numbers]):
        self._sets = sets

    def __contains__(self, number: int) -> bool:
        return all(number in numbers for numbers in self._sets)

    def __len__(self) -> int:
        return min(len(numbers) for numbers in self._sets)  # the results of all methods for a text are written together


def _count(folder: RunFolder) -> None:
    """After the end of a stream of texts, records how many results the run has."""
    counts: dict[str, int] = {}
    for (checkpoint, _, _), numbers in folder.groups().items():
        counts[checkpoint] = counts.get(checkpoint, 0) + len(numbers)
    for checkpoint, count in counts.items():
        folder.manifest.expect(checkpoint, count)


def _put_in_order(folder: RunFolder) -> None:
    for aside in set_aside_damaged(folder.shards()):
        warnings.warn(
            f"a shard was damaged; it is now {aside}, and its results are computed again", RepairWarning, stacklevel=3
        )


def _known(texts: Iterable[Text]) -> Iterable[Text]:
    """The texts whose hash identifies a source: all texts, or the first 1,024 of a stream."""
    return texts if isinstance(texts, Sized) else islice(texts, WINDOW)


def degrade_run(
    folder: RunFolder, settings: Degradation | None = None, progress: Progress = lambda *_: None
) -> list[Curve]:
    """Degradation curves of every method on every checkpoint of a run; they are saved in its folder.

    Curves in the folder with the same settings and texts are kept and not computed again. If the function is stopped,
    the folder keeps the curves of every finished method.

    Args:
        folder: a run that `sweep` made.
        settings: how tokens are removed.
        progress: called after every text.

    Raises:
        InputError: the run has no result, or the name of its checkpoint now stands for another model.
        StorageError: the curves cannot be written.
    """
    settings = settings or Degradation()
    config = SweepConfig.from_mapping(folder.manifest.values["settings"], str(folder.path))
    known = _known_curves(folder, settings)
    curves: list[Curve] = []
    models: dict[str, Model] = {}
    groups = folder.groups()
    if not groups:
        raise InputError(f"{folder.path} holds no result yet; run its command first")
    for key, texts in groups.items():
        report = partial(progress, f"{key[0]} {key[1]}")
        kept = {c.order: c for c in known if _key(c) == key and _of(c, texts)}
        if set(settings.orders) <= kept.keys():
            curves += [kept[order] for order in settings.orders]
            report(len(texts), len(texts))
            continue
        if key[0] not in models:
            models = {key[0]: _loaded(key[0], config).to(best_device())}
            folder.manifest.hold("checkpoints", key[0], models[key[0]].fingerprint)
        numbers: list[int] = []  # the text of each row of the curves
        found = _counted(folder, key, len(texts), report, numbers)
        group = degrade(models[key[0]], found, settings)
        curves += [replace(curve, texts=tuple(numbers)) for curve in group.values()]
        folder.save_curves([*curves, *(c for c in known if _key(c) not in map(_key, curves))], unfinished=True)
    folder.save_curves(curves)
    return curves


def _known_curves(folder: RunFolder, settings: Degradation) -> list[Curve]:
    """The curves in a folder that were made with these settings; those of an unfinished degradation take precedence."""
    found: dict[tuple[Key, str], Curve] = {}
    for unfinished in (True, False):
        try:
            curves = folder.read_curves(settings.way, unfinished)
        except (InputError, CorruptFileError):
            continue  # no curves can be read, so they are computed again
        for curve in curves:
            same = (curve.by, curve.seed, tuple(curve.steps.tolist())) == (settings.by, settings.seed, settings.steps)
            if same and curve.texts:
                found.setdefault((_key(curve), curve.order), curve)
    return list(found.values())


def _of(curve: Curve, texts: Numbers) -> bool:
    """Whether a curve is of exactly these texts."""
    return len(curve.texts) == len(texts) and all(number in texts for number in curve.texts)


def _key(curve: Curve) -> Key:
    return (curve.checkpoint, curve.method, settings_key(curve.settings))


def grouped(curves: list[Curve]) -> list[dict[str, Curve]]:
    """Curves by checkpoint, method and settings; each group is a dict by order, as `degrade` returns it."""
    groups: dict[Key, dict[str, Curve]] = {}
    for curve in curves:
        groups.setdefault(_key(curve), {})[curve.order] = curve
    return list(groups.values())


def texts_hash(texts: Iterable[Text]) -> str:
    """A short hash of texts, gold answers and rationales."""
    digest, comma = hashlib.sha256(b"["), ""
    for r in texts:
        more = [] if r.value is None else [r.value]
        more += [(name, gold) for name in ("labels", "tags") if (gold := getattr(r, name)) is not None]
        digest.update(f"{comma}{(r.whole, r.label, r.marked, *more)!r}".encode())
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
