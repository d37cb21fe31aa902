"""Runs a benchmark into a folder, chunk by chunk; chunks that are in the folder are not computed again."""

import warnings
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import cast

from textiba.benchmark.config import BenchmarkConfig, Entry
from textiba.benchmark.folder import SANITY, SUBSETS, BenchmarkFolder, Place, Row
from textiba.benchmark.sanity import sanity_rows
from textiba.benchmark.score import attribute, is_marked, rows, subset_rows
from textiba.bottleneck.statistics import FeatureStatistics, load_statistics, own_statistics
from textiba.checkpoints.load import load
from textiba.errors import InputError, TruncationWarning
from textiba.methods.base import require
from textiba.model.questions import outcome_of
from textiba.model.view import Model
from textiba.runs.sweep import Progress, texts_hash
from textiba.store.processes import Processes, Shares, best_device, current
from textiba.texts.labels import resolve_labels
from textiba.texts.text import Text

_USUAL = 128  # number of tokens that the estimate of a text's cost assumes


@dataclass(frozen=True, eq=False)
class _Bench:
    """The state that all jobs of one data set on one checkpoint share."""

    config: BenchmarkConfig
    folder: BenchmarkFolder
    data: str
    texts: Sequence[Text]
    model: Model
    statistics: FeatureStatistics | None

    def place(self, label: str) -> Place:
        return Place(self.data, self.model.name, label)


@dataclass(frozen=True, slots=True)
class _Job:
    """The work that fills one file of the folder.

    Attributes:
        place: the data set, checkpoint and method label of the rows, which give the folder of the file.
        chunk: number of the chunk.
        texts: the number of texts.
        passes: an estimate of the cost, in passes through the model.
        make: function that computes the rows.
    """

    place: Place
    chunk: int
    texts: int
    passes: float
    make: Callable[[], list[Row]]


def benchmark(
    config: BenchmarkConfig,
    output: str | Path,
    progress: Progress = lambda *_: None,
    only: Collection[str] = (),
    processes: Processes | None = None,
) -> BenchmarkFolder:
    """Runs every method on every data set and checkpoint. A run that was killed resumes, and ends with the same rows.

    All methods run on one chunk of texts before any method runs on the next chunk, so that a table of an unfinished run
    compares methods on the same texts.

    Args:
        config: the benchmark.
        output: the benchmark's folder.
        progress: called after each chunk of a method.
        only: the labels to run now; empty runs all methods and the subsets.
        processes: the processes that share the chunks, so that each process gets about the same number of passes; None
            takes the processes of the launcher.

    Raises:
        InputError: the folder's rows were made with other settings, texts or models, or with another method under one
            of the labels; or a label in `only` is unknown.
        SettingError: the config asks for noise at a hidden layer, and a checkpoint has no feature statistics.
        TextibaError: any error of a method. The chunks that were written stay.
    """
    titles = [entry.title for entry in config.methods]
    if unknown := [label for label in only if label not in titles]:
        raise InputError(f"no method is labelled {unknown[0]!r}; the labels are {titles}")
    processes = processes or current()
    if not processes.main:
        processes.wait()  # until the first process has made the folder
    folder = BenchmarkFolder(output, config, processes)
    if processes.main:
        processes.wait()
    for entry in config.methods:
        folder.manifest.hold("methods", entry.title, entry.identity)
    # Load and check everything before anything is computed.
    models = {checkpoint: _model(folder, checkpoint) for checkpoint in config.checkpoints}
    sets = {data: choice.load() for data, choice in config.data.items()}
    for data, texts in sets.items():
        folder.manifest.hold("texts", data, texts_hash(texts))
    benches = [_bench(folder, data, texts, *loaded) for data, texts in sets.items() for loaded in models.values()]
    for bench in benches:
        jobs = [*_method_jobs(bench, ()), *_sanity_jobs(bench, ())]
        folder.manifest.expect(f"{bench.data} {bench.model.name}", len(jobs))
    for bench in benches:
        _run(bench, only, processes, progress)
    return folder


def _bench(
    folder: BenchmarkFolder, data: str, texts: Sequence[Text], model: Model, statistics: FeatureStatistics | None
) -> _Bench:
    if model.reading.classes:
        texts = cast("Sequence[Text]", resolve_labels(texts, model.labels))
    return _Bench(folder.config, folder, data, texts, model, statistics)


def _model(folder: BenchmarkFolder, checkpoint: str) -> tuple[Model, FeatureStatistics | None]:
    config = folder.config
    model = load(checkpoint, config.max_length, outcome=outcome_of(config.outcome), windows=config.windows).to(
        best_device()
    )
    folder.manifest.hold("checkpoints", checkpoint, model.fingerprint)
    named = config.statistics.get(checkpoint)
    statistics = load_statistics(named) if named else own_statistics(checkpoint)
    if statistics is not None:
        folder.manifest.hold("statistics", checkpoint, statistics.identity)
    if config.noise is not None:
        model.check_layer(config.noise.place(model.n_layers))
        require(statistics, model, "noise at a hidden layer")
    for entry in config.methods:
        method = entry.build()
        method.check(model, statistics)
        for what, identity in method.files(model).items():
            folder.manifest.hold("files", f"{checkpoint}: {what}", identity)
    return model, statistics


def _run(bench: _Bench, only: Collection[str], processes: Processes, progress: Progress) -> None:
    jobs = [*_method_jobs(bench, only), *_sanity_jobs(bench, only)]
    left = [job for job in jobs if not bench.folder.has(job.place, job.chunk)]
    processes.wait()  # all processes list the same jobs before any process starts a job
    mine = [left[place] for place in Shares(processes).mine([job.passes for job in left])]
    done = sum(job.texts for job in jobs) - sum(job.texts for job in left) if processes.count == 1 else 0
    total = done + sum(job.texts for job in mine)
    progress(f"{bench.data} {bench.model.name}", done, total)
    for job in mine:
        with warnings.catch_warnings():
            # The rows and the tables say how many texts were cut; a warning for each chunk would hide other output.
            warnings.simplefilter("ignore", TruncationWarning)
            bench.folder.write(job.place, job.chunk, job.make())
        done += job.texts
        progress(f"{bench.data} {bench.model.name}", done, total)
    processes.wait()


def _method_jobs(bench: _Bench, only: Collection[str]) -> Iterator[_Job]:
    warm: set[str] = set()
    for start in range(0, len(bench.texts), bench.config.chunk):
        chunk = start // bench.config.chunk
        for entry in bench.config.methods:
            taken = bench.texts[: entry.limit][start : start + bench.config.chunk]
            if taken and (not only or entry.title in only):
                make = partial(_scored, bench, entry, taken, start, warm)
                yield _Job(bench.place(entry.title), chunk, len(taken), len(taken) * _passes(bench, entry), make)
        if bench.config.subsets and not only:
            taken = bench.texts[: bench.config.subsets.limit][start : start + bench.config.chunk]
            if taken:
                passes = float(len(taken) * bench.config.subsets.count)
                yield _Job(bench.place(SUBSETS), chunk, len(taken), passes, partial(_removed, bench, taken, start))


def _sanity_jobs(bench: _Bench, only: Collection[str]) -> Iterator[_Job]:
    for entry in bench.config.methods:
        if entry.title in bench.config.sanity.methods and (not only or entry.title in only):
            taken = bench.texts[: entry.limit][: bench.config.sanity.texts]
            passes = len(taken) * _passes(bench, entry) * bench.model.n_layers
            yield _Job(
                bench.place(SANITY + entry.title), 0, len(taken), passes, partial(_compared, bench, entry, taken)
            )


def _passes(bench: _Bench, entry: Entry) -> float:
    """Estimates the passes for one text of 128 tokens: the method's own passes and the passes of the metrics."""
    passes = entry.build().passes(bench.model.n_layers, _USUAL)
    variants = sum(2 * len(bench.config.degradation(removal).steps) for removal in bench.config.removals)
    if (noise := bench.config.noise) is not None:
        above = 1 - noise.place(bench.model.n_layers) / bench.model.n_layers
        variants += noise.draws * len(noise.shares) * above
    return passes.forward + passes.backward + variants


def _scored(bench: _Bench, entry: Entry, texts: Sequence[Text], start: int, warm: set[str]) -> list[Row]:
    """The rows of a method's chunk; `warm` holds the labels of the methods that have run in this process."""
    model, config, method = bench.model, bench.config, entry.build()
    kept = list(range(len(texts)))
    if config.rationales_only:
        kept = [i for i, text in enumerate(model.tokenize(texts)) if is_marked(text, config.rationale_part)]
    run = partial(attribute, model, method, statistics=bench.statistics, target=config.target, seed=config.seed)
    if kept and entry.title not in warm:
        warm.add(entry.title)
        run([texts[kept[0]]])  # warm-up: the first call also imports libraries, and this time is not the method's
    return rows(model, method, run([texts[i] for i in kept]), [start + i for i in kept], config, bench.statistics)


def _removed(bench: _Bench, texts: Sequence[Text], start: int) -> list[Row]:
    model, config = bench.model, bench.config
    assert config.subsets is not None  # noqa: S101 - without subsets there is no such job
    return subset_rows(model, model.tokenize(texts), start, config.subsets, config.target, config.seed)


def _compared(bench: _Bench, entry: Entry, texts: Sequence[Text]) -> list[Row]:
    model, config = bench.model, bench.config
    return sanity_rows(model, entry.build(), texts, bench.statistics, config.target, config.seed)
