"""The tables of a corpus view: all rows for the CSV files, and the leading rows by layer for the terminal."""

import json
import math
from collections.abc import Sequence

from textiba.attribution import class_name
from textiba.corpus.tally import KindRow, Source
from textiba.evaluation.intervals import Interval

Columns = dict[str, list[str]]


def columns(rows: Sequence[KindRow], what: str) -> Columns:
    """The CSV file: one line for each row. Means are per occurrence, in the source's unit; shares are from 0 to 1.

    Args:
        rows: rows of words, or of parts of speech.
        what: the name of the column with the word or the part of speech.
    """
    names = method_names(rows)
    return {
        "checkpoint": [r.source.checkpoint for r in rows],
        "method": [names[r.source] for r in rows],
        "layer": ["" if r.source.layer is None else str(r.source.layer) for r in rows],
        "predicted": ["all" if r.predicted is None else class_name(r.source.labels, r.predicted) for r in rows],
        what: [r.kind for r in rows],
        "texts": [str(r.texts) for r in rows],
        "of texts": [str(r.of_texts) for r in rows],
        "occurrences": [str(r.occurrences) for r in rows],
        "unit": [r.source.unit for r in rows],
        **{name: [f"{getattr(r.mean, name):.6g}" for r in rows] for name in ("mean", "low", "high")},
        "average": [f"{r.average:.6g}" for r in rows],
        "share": [f"{r.share.mean:.6g}" for r in rows],
        **{f"share {name}": [f"{getattr(r.share, name):.6g}" for r in rows] for name in ("low", "high")},
        "share of words": [f"{r.share_of_words:.6g}" for r in rows],
    }


def by_method(rows: Sequence[KindRow]) -> dict[str, list[KindRow]]:
    """The rows of each method at all its layers, by the method's name."""
    names = method_names(rows)
    out: dict[str, list[KindRow]] = {}
    for row in rows:
        out.setdefault(names[row.source], []).append(row)
    return out


def by_layer(rows: Sequence[KindRow], predicted: int | None = None) -> dict[Source, dict[str, KindRow]]:
    """The rows of one predicted class, by layer (lowest first) and by kind; None takes the rows over all texts."""
    out: dict[Source, dict[str, KindRow]] = {}
    for row in rows:
        if row.predicted == predicted:
            out.setdefault(row.source, {})[row.kind] = row
    return dict(sorted(out.items(), key=lambda item: -1 if item[0].layer is None else item[0].layer))


def leading(layers: dict[Source, dict[str, KindRow]], top: int) -> list[str]:
    """At most `top` words or parts of speech: those whose mean has the highest lower end of its interval.

    The lower end is averaged over the layers; the highest comes first.
    """
    low: dict[str, float] = {}
    for found in layers.values():
        for kind, row in found.items():
            low[kind] = low.get(kind, 0.0) + row.mean.low / len(layers)
    return sorted(low, key=lambda kind: (-low[kind], kind))[:top]


def word_table(rows: Sequence[KindRow], predicted: int | None, top: int) -> Columns:
    """The leading words in a class's texts, with the mean score of an occurrence ± its 95 % interval at each layer."""
    layers = by_layer(rows, predicted)
    words = leading(layers, top)
    first = next(iter(layers.values()), {})
    return {
        "word": words,
        "texts": [str(first[w].texts) for w in words],
        **{layer_name(source): [_number(found[w].mean) for w in words] for source, found in layers.items()},
    }


def part_table(rows: Sequence[KindRow]) -> Columns:
    """Parts of speech, the most frequent first: % of all words, and % of all scores at each layer, ± 95 % interval."""
    layers = by_layer(rows)
    first = next(iter(layers.values()), {})
    parts = sorted(first, key=lambda part: -first[part].share_of_words)
    return {
        "part of speech": parts,
        "words": [f"{100 * first[part].share_of_words:.1f}" for part in parts],
        **{layer_name(source): [_percent(found[part].share) for part in parts] for source, found in layers.items()},
    }


def method_names(rows: Sequence[KindRow]) -> dict[Source, str]:
    """A name for the method of each source; the name lists the settings in which the sources of one method differ."""
    settings = {row.source: json.loads(row.source.settings) for row in rows}
    names = {}
    for source, own in settings.items():
        alike = [other for key, other in settings.items() if key.method == source.method]
        varied = [name for name in own if any(other[name] != own[name] for other in alike)]
        names[source] = " · ".join([source.method, *(f"{name} {own[name]}" for name in varied)])
    return names


def layer_name(source: Source) -> str:
    """The name of a source's layer in a table or a figure; for a method without a layer, the unit of its scores."""
    return source.unit if source.layer is None else f"layer {source.layer}"


def _number(value: Interval) -> str:
    """A mean with three digits, and half its interval with as many decimals."""
    half = value.high - value.mean
    decimals = max(0, 2 - math.floor(math.log10(max(abs(value.mean), half, 1e-6))))
    return f"{value.mean:.{decimals}f} ±{half:.{decimals}f}"


def _percent(value: Interval) -> str:
    return f"{100 * value.mean:.1f} ±{100 * (value.high - value.mean):.1f}"
