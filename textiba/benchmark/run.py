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
from textiba.run import Progress, reviews_hash
from textiba.statistics import FeatureStatistics


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
    """A file that is to be written, how many reviews it covers, and what makes its rows."""

    place: Place
    chunk: int
    reviews: int
    make: Callable[[], list[Row]]


def benchmark(
    config: BenchmarkConfig,
    output: str | Path,
    progress: Progress = lambda *_: None,
    only: Collection[str] = (),
) -> BenchmarkFolder:
    """Runs every method on every data set and checkpoint. Killed, it resumes, and ends with the same rows.

    All methods run on a chunk of reviews before the next chunk, so that a table made halfway compares them fairly.

    Args:
        config: what to run.
        output: the benchmark's folder.
        progress: called after every chunk of a method.
        only: the labels to run now; when empty all, and the subsets. Two processes may share a folder this way.

    Raises:
        InputError: the folder's rows were made with other settings, reviews or models, or a label had another method;
            an unknown label.
        TextibaError: any error of a method. What was computed stays.
    """
    titles = [entry.title for entry in config.methods]
    if unknown := [label for label in only if label not in titles]:
        raise InputError(f"no method is labelled {unknown[0]!r}; there are {titles}")
    folder = BenchmarkFolder(output, config)
    for entry in config.methods:
        folder.manifest.hold("methods", entry.title, entry.identity)
    # Everything is loaded and checked before anything runs.
    models = {checkpoint: _model(folder, checkpoint) for checkpoint in config.checkpoints}
    sets = {data: choice.load() for data, choice in config.data.items()}
    for data, reviews in sets.items():
        folder.manifest.hold("reviews", data, reviews_hash(reviews))
    for data, reviews in sets.items():
        for encoder, statistics in models.values():
            _run(_Bench(config, folder, data, reviews, encoder, statistics), only, progress)
    return folder


def _model(folder: BenchmarkFolder, checkpoint: str) -> tuple[Encoder, FeatureStatistics | None]:
    config = folder.config
    encoder = load(checkpoint, config.max_length)
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


def _run(bench: _Bench, only: Collection[str], progress: Progress) -> None:
    jobs = [*_method_jobs(bench, only), *_sanity_jobs(bench, only)]
    done, total = 0, sum(job.reviews for job in jobs)
    for job in jobs:
        if not bench.folder.has(job.place, job.chunk):
            with warnings.catch_warnings():
                # How many were cut is in the rows and under the table; once a chunk it would bury everything else.
                warnings.simplefilter("ignore", TruncationWarning)
                bench.folder.write(job.place, job.chunk, job.make())
        done += job.reviews
        progress(f"{bench.data} {bench.encoder.name}", done, total)


def _method_jobs(bench: _Bench, only: Collection[str]) -> Iterator[_Job]:
    warm: set[str] = set()
    for start in range(0, len(bench.reviews), bench.config.chunk):
        chunk = start // bench.config.chunk
        for entry in bench.config.methods:
            taken = bench.reviews[: entry.limit][start : start + bench.config.chunk]
            if taken and (not only or entry.title in only):
                make = partial(_scored, bench, entry, taken, start, warm)
                yield _Job(bench.place(entry.title), chunk, len(taken), make)
        if bench.config.subsets and not only:
            taken = bench.reviews[: bench.config.subsets.limit][start : start + bench.config.chunk]
            if taken:
                yield _Job(bench.place(SUBSETS), chunk, len(taken), partial(_removed, bench, taken, start))


def _sanity_jobs(bench: _Bench, only: Collection[str]) -> Iterator[_Job]:
    for entry in bench.config.methods:
        if entry.title in bench.config.sanity.methods and (not only or entry.title in only):
            taken = bench.reviews[: entry.limit][: bench.config.sanity.reviews]
            yield _Job(bench.place(SANITY + entry.title), 0, len(taken), partial(_compared, bench, entry, taken))


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
