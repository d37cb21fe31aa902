"""Writes a corpus view into a folder: tables, figures, and a record of the settings."""

import json
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from textiba.attribution import Attribution, class_name
from textiba.bottleneck.statistics import load_statistics, own_statistics
from textiba.checkpoints.load import load
from textiba.corpus.config import CorpusConfig
from textiba.corpus.figure import plot_parts, plot_words, plot_words_by_layer
from textiba.corpus.tables import by_layer, by_method, columns, layer_name
from textiba.corpus.tagging import load_tagger
from textiba.corpus.tally import KindRow
from textiba.corpus.view import CorpusView, tagged
from textiba.errors import InputError
from textiba.model.questions import outcome_of
from textiba.runs.config import expand
from textiba.runs.stream import stream
from textiba.runs.sweep import Progress, texts_hash
from textiba.show.plots import save
from textiba.show.summary import write_csv
from textiba.store import versions, write_text
from textiba.store.files import folder_place
from textiba.store.processes import best_device


@dataclass(frozen=True, eq=False)
class CorpusSummary:
    """The result of a corpus view.

    Attributes:
        words: the rows of words that occur in enough texts.
        parts: the rows of parts of speech; empty without a tagger.
        files: the written files.
    """

    words: list[KindRow]
    parts: list[KindRow]
    files: list[Path]


def corpus_view(config: CorpusConfig, output: str | Path, progress: Progress = lambda *_: None) -> CorpusSummary:
    """Averages scores over texts by word and by part of speech, and writes tables and figures into a folder.

    Texts are streamed: memory grows with the vocabulary, not with the number of texts.

    Args:
        config: the settings.
        output: the folder; made if it is missing. Files of an earlier view that have the same names are replaced.
        progress: called after each result.

    Raises:
        MissingExtraError: the tagger is not installed; raised before anything is computed.
        InputError: no word occurs in `min_count` texts.
        TextibaError: any error of `textiba.stream`.
    """
    began = time.monotonic()
    tagger = None if config.tagger is None else load_tagger(config.tagger)
    model = load(config.checkpoint, config.max_length, outcome=outcome_of(config.outcome), windows=config.windows).to(
        best_device()
    )
    statistics = load_statistics(config.statistics) if config.statistics else own_statistics(config.checkpoint)
    methods, texts = expand(config.methods, model), config.data.load()

    results = stream(model, methods, texts, statistics, config.target, config.seed)
    view = CorpusView(config.lower)
    for attribution, words, tags in tagged(_counted(results, len(texts) * len(methods), progress), tagger):
        view.add(attribution, words, tags)
    found, parts = view.words(config.min_count), view.parts(config.min_count)
    if not found:
        raise InputError(
            f"no word occurs in {config.min_count} of these {len(texts)} texts; lower min_count or take more texts"
        )

    folder = folder_place(output)
    files = [folder / "words.csv", *([folder / "pos.csv"] if parts else []), folder / "result.json"]
    write_csv(columns(found, "word"), files[0])
    if parts:
        write_csv(columns(parts, "part of speech"), files[1])
    files += _figures(found, parts, config.top, folder)
    files_used = {what: identity for method in methods for what, identity in method.files(model).items()}
    result: dict[str, Any] = {
        "settings": config.model_dump(mode="json"),
        "versions": versions() | {"spacy": version("spacy")},
        "tagger": None if tagger is None else {"name": tagger.name, "version": tagger.version},
        "checkpoint": model.fingerprint,
        "statistics": None if statistics is None else statistics.identity,
        "files": files_used,
        "texts": {"count": len(texts), "hash": texts_hash(texts), **_predicted(view)},
        "seconds": round(time.monotonic() - began, 2),
    }
    write_text(folder / "result.json", json.dumps(result, indent=1) + "\n")
    return CorpusSummary(found, parts, files)


def _counted(
    results: Iterator[tuple[int, Attribution]], total: int, progress: Progress
) -> Iterator[tuple[int, Attribution]]:
    for n, (place, attribution) in enumerate(results, 1):
        yield place, attribution
        progress(attribution.checkpoint, n, total)


def _predicted(view: CorpusView) -> dict[str, int]:
    """The number of texts that were predicted as each class; classes without a frequent word are counted too."""
    source, counts = next(iter(view.texts().items()))
    return {f"predicted {class_name(source.labels, c)}": count for c, count in sorted(counts.items())}


def _figures(words: list[KindRow], parts: list[KindRow], top: int, folder: Path) -> list[Path]:
    """Draws three kinds of figures for each method: words at each layer, words over the layers, and parts of speech."""
    files = []
    for name, rows in by_method(words).items():
        for source in (layers := by_layer(rows)):
            own = [row for row in rows if row.source == source]
            figure = plot_words(own, top, f"{_title(name, rows)} · {layer_name(source)}")
            files.append(save(figure, folder / f"{_plain(name)}-words-{_plain(layer_name(source))}.png"))
        if len(layers) > 1:
            figure = plot_words_by_layer(rows, top, _title(name, rows))
            files.append(save(figure, folder / f"{_plain(name)}-words.png"))
    for name, rows in by_method(parts).items():
        files.append(save(plot_parts(rows, _title(name, rows)), folder / f"{_plain(name)}-pos.png"))
    return files


def _title(name: str, rows: list[KindRow]) -> str:
    return f"{rows[0].source.checkpoint} · {name} · {max(row.of_texts for row in rows):,} texts"


def _plain(name: str) -> str:
    """A name with only characters that every file system allows."""
    return re.sub(r"[^\w.=-]+", "-", name)
