"""Runs a benchmark into a folder, chunk by chunk; whatever is already there is not computed again."""

import warnings
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from textiba.benchmark.config import BenchmarkConfig, Entry
from textiba.benchmark.folder import SANITY, SUBSETS, BenchmarkFolder, Place, Row
from textiba.benchmark.sanity import sanity_rows
from textiba.benchmark.score import attribute, rows, subset_rows
from textiba.checkpoints import load, load_statistics, own_statistics
from textiba.data import Review
from textiba.encoder import Encoder
from textiba.errors import InputError, TruncationWarning
from textiba.methods.base import require
from textiba.processes import Processes, Shares, best_device, current
from textiba.run import Progress, reviews_hash
from textiba.statistics import FeatureStatistics

_USUAL = 128  # tokens of a review, where its cost is guessed


@dataclass(frozen=True, eq=False)
class _Bench:
    """All that the jobs of one data set on one checkpoint share."""

    config: BenchmarkConfig
    folder: BenchmarkFolder
    data: str
    reviews: Sequence[Review]
    encoder: Encoder
    statistics: FeatureStatistics | None

    def place(self, label: str) -> Place:
        return Place(self.data, self.encoder.name, label)


@dataclass(frozen=True, slots=True)
class _Job:
    """A file that is to be written, how many reviews it covers, about how many passes that takes, and what does it."""

    place: Place
    chunk: int
    reviews: int
    passes: float
    make: Callable[[], list[Row]]


def benchmark(
    config: BenchmarkConfig,
    output: str | Path,
    progress: Progress = lambda *_: None,
    only: Collection[str] = (),
    processes: Processes | None = None,
) -> BenchmarkFolder:
    """Runs every method on every data set and checkpoint. Killed, it resumes, and ends with the same rows.

    All methods run on a chunk of reviews before the next chunk, so that a table made halfway compares them fairly.

    Args:
        config: what to run.
        output: the benchmark's folder.
        progress: called after every chunk of a method.
        only: the labels to run now; when empty all, and the subsets.
        processes: they share the chunks out by the passes that each costs; None finds out how this process was
            launched.

    Raises:
        InputError: the folder's rows were made with other settings, reviews or models, or a label had another method;
            an unknown label.
        TextibaError: any error of a method. What was computed stays.
    """
    titles = [entry.title for entry in config.methods]
    if unknown := [label for label in only if label not in titles]:
        raise InputError(f"no method is labelled {unknown[0]!r}; there are {titles}")
    processes = processes or current()
    if not processes.main:
        processes.wait()  # until the folder is there
    folder = BenchmarkFolder(output, config, processes)
    if processes.main:
        processes.wait()
    for entry in config.methods:
        folder.manifest.hold("methods", entry.title, entry.identity)
    # Everything is loaded and checked before anything runs.
    models = {checkpoint: _model(folder, checkpoint) for checkpoint in config.checkpoints}
    sets = {data: choice.load() for data, choice in config.data.items()}
    for data, reviews in sets.items():
        folder.manifest.hold("reviews", data, reviews_hash(reviews))
    for data, reviews in sets.items():
        for encoder, statistics in models.values():
            _run(_Bench(config, folder, data, reviews, encoder, statistics), only, processes, progress)
    return folder


def _model(folder: BenchmarkFolder, checkpoint: str) -> tuple[Encoder, FeatureStatistics | None]:
    config = folder.config
    encoder = load(checkpoint, config.max_length).to(best_device())
    folder.manifest.hold("checkpoints", checkpoint, encoder.fingerprint)
    named = config.statistics.get(checkpoint)
    statistics = load_statistics(named) if named else own_statistics(checkpoint)
    if statistics is not None:
        folder.manifest.hold("statistics", checkpoint, statistics.identity)
    config.check(encoder)
    for entry in config.methods:
        if (method := entry.build()).needs_statistics:
            require(statistics, encoder, method.name)
        for what, identity in method.rests_on(encoder).items():
            folder.manifest.hold("files", f"{checkpoint}: {what}", identity)
    return encoder, statistics


def _run(bench: _Bench, only: Collection[str], processes: Processes, progress: Progress) -> None:
    jobs = [*_method_jobs(bench, only), *_sanity_jobs(bench, only)]
    left = [job for job in jobs if not bench.folder.has(job.place, job.chunk)]
    processes.wait()  # all have seen the same jobs before anyone does one
    mine = [left[place] for place in Shares(processes).mine([job.passes for job in left])]
    done = sum(job.reviews for job in jobs) - sum(job.reviews for job in left) if processes.count == 1 else 0
    total = done + sum(job.reviews for job in mine)
    progress(f"{bench.data} {bench.encoder.name}", done, total)
    for job in mine:
        with warnings.catch_warnings():
            # How many were cut is in the rows and under the table; once a chunk it would bury everything else.
            warnings.simplefilter("ignore", TruncationWarning)
            bench.folder.write(job.place, job.chunk, job.make())
        done += job.reviews
        progress(f"{bench.data} {bench.encoder.name}", done, total)
    processes.wait()


def _method_jobs(bench: _Bench, only: Collection[str]) -> Iterator[_Job]:
    warm: set[str] = set()
    for start in range(0, len(bench.reviews), bench.config.chunk):
        chunk = start // bench.config.chunk
        for entry in bench.config.methods:
            taken = bench.reviews[: entry.limit][start : start + bench.config.chunk]
            if taken and (not only or entry.title in only):
                make = partial(_scored, bench, entry, taken, start, warm)
                yield _Job(bench.place(entry.title), chunk, len(taken), len(taken) * _passes(bench, entry), make)
        if bench.config.subsets and not only:
            taken = bench.reviews[: bench.config.subsets.limit][start : start + bench.config.chunk]
            if taken:
                passes = float(len(taken) * bench.config.subsets.count)
                yield _Job(bench.place(SUBSETS), chunk, len(taken), passes, partial(_removed, bench, taken, start))


def _sanity_jobs(bench: _Bench, only: Collection[str]) -> Iterator[_Job]:
    for entry in bench.config.methods:
        if entry.title in bench.config.sanity.methods and (not only or entry.title in only):
            taken = bench.reviews[: entry.limit][: bench.config.sanity.reviews]
            passes = len(taken) * _passes(bench, entry) * bench.encoder.n_layers
            yield _Job(
                bench.place(SANITY + entry.title), 0, len(taken), passes, partial(_compared, bench, entry, taken)
            )


def _passes(bench: _Bench, entry: Entry) -> float:
    """Of one review of usual length: the method's, and those of its degradation curves."""
    passes = entry.build().passes(bench.encoder.n_layers, _USUAL)
    variants = sum(2 * len(bench.config.degradation(removal).steps) for removal in bench.config.removals)
    return passes.forward + passes.backward + variants


def _scored(bench: _Bench, entry: Entry, reviews: Sequence[Review], start: int, warm: set[str]) -> list[Row]:
    """The rows of a method's chunk; `warm` holds the methods that have run in this process."""
    encoder, config, method = bench.encoder, bench.config, entry.build()
    encoded = encoder.encode(reviews)
    kept = [i for i, r in enumerate(encoded) if not config.rationales_only or any(r.rationale)]
    run = partial(attribute, encoder, method, statistics=bench.statistics, target=config.target, seed=config.seed)
    if kept and entry.title not in warm:
        warm.add(entry.title)
        run([encoded[kept[0]]])  # libraries are imported on first use, which is no part of the cost
    return rows(encoder, method, run([encoded[i] for i in kept]), [start + i for i in kept], config)


def _removed(bench: _Bench, reviews: Sequence[Review], start: int) -> list[Row]:
    encoder, config = bench.encoder, bench.config
    assert config.subsets is not None  # noqa: S101 - else there is no such job
    return subset_rows(encoder, encoder.encode(reviews), start, config.subsets, config.target, config.seed)


def _compared(bench: _Bench, entry: Entry, reviews: Sequence[Review]) -> list[Row]:
    encoder, config = bench.encoder, bench.config
    return sanity_rows(encoder, entry.build(), encoder.encode(reviews), bench.statistics, config.target, config.seed)
