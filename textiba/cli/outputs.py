"""The results of `textiba explain` as data: JSON, JSON Lines or CSV, each written as soon as it is computed.

JSON has a value for each text, with its words and tokens; CSV has a line for each word. All of it is UTF-8, on standard
output too. A file gets its name when all results are in it. If a signal ends the command earlier, the results so far
are in a file with `.part` before its suffix.
"""

import csv
import io
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

from textiba.attribution import Attribution, class_name
from textiba.cli.stop import Stopped
from textiba.store.export import json_line
from textiba.store.files import appearing

STDOUT = Path("-")
Write = Callable[[Sequence[Attribution]], None]

_COLUMNS = (
    "id", "word", "part", "start", "end", "score", "unit", "checkpoint", "method", "layer", "target", "predicted",
    "probability",
)  # fmt: skip


def record(a: Attribution) -> dict[str, Any]:
    """An attribution as plain values; the score of a special token is None."""
    words = [
        {"word": word, "part": part, "start": start, "end": end, "score": score}
        for word, part, start, end, score in _words(a)
    ]
    tokens = [{"token": t, "score": s} for t, s in zip(a.text.tokens, a.scores.tolist(), strict=True)]
    return {
        "id": a.text.source.id, "text": a.text.source.text, "pair": a.text.source.pair,
        "checkpoint": a.checkpoint, "method": a.method, "settings": dict(a.settings), "layer": a.layer,
        "target": class_name(a.labels, a.target), "predicted": class_name(a.labels, a.predicted),
        "probability": a.probability, "unit": a.unit, "signed": a.signed, "asked": a.asked, "total": a.total,
        "totals": a.totals, "tokens_cut": a.text.cut, "words": words, "tokens": tokens,
    }  # fmt: skip


def _words(a: Attribution) -> list[tuple[str, str, int, int, float]]:
    """For each word: the word, which text of a pair it belongs to, its start and end in this text, and its score."""
    return [(w.text, w.part, *a.text.source.inside(w.start, w.end), w.score) for w in a.words()]


@contextmanager
def json_output(target: Path) -> Iterator[Write]:
    """A function that writes results as JSON: one list in a `.json` file, otherwise one line for each text."""
    as_list = target.suffix.lower() == ".json"
    with _opened(target, "\n]\n" if as_list else "") as file:
        count = 0

        def write(results: Sequence[Attribution]) -> None:
            nonlocal count
            for a in results:
                before = ("[\n" if count == 0 else ",\n") if as_list else ""
                file.write(before + json_line(record(a)) + ("" if as_list else "\n"))
                count += 1
            file.flush()

        yield write


@contextmanager
def csv_output(target: Path) -> Iterator[Write]:
    """A function that writes results as CSV, a line for each word."""
    with _opened(target, "") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(_COLUMNS)

        def write(results: Sequence[Attribution]) -> None:
            for a in results:
                labels = class_name(a.labels, a.target), class_name(a.labels, a.predicted)
                facts = (a.unit, a.checkpoint, a.method, a.layer, *labels, a.probability)
                writer.writerows((a.text.source.id, *word, *facts) for word in _words(a))
            file.flush()

        yield write


def part_of(target: Path) -> Path:
    """The file that holds the results of a command that was stopped."""
    return target.with_name(f"{target.stem}.part{target.suffix}")


@contextmanager
def _opened(target: Path, end: str) -> Iterator[TextIO]:
    """The standard output, or a file that gets its name when the block ends; `end` is written last."""
    if target == STDOUT:
        # Writes UTF-8 to the stream of bytes, if there is one, whatever the terminal's encoding.
        raw = getattr(sys.stdout, "buffer", None)
        file = sys.stdout if raw is None else io.TextIOWrapper(raw, "utf-8", newline="", write_through=True)
        try:
            yield file
        finally:
            if raw is not None:
                file.detach()  # type: ignore[union-attr] - this is the TextIOWrapper from above
        return
    with appearing(target) as path, path.open("w", encoding="utf-8", newline="") as file:
        try:
            yield file
        except Stopped:
            if file.tell():
                file.write(end)
                file.flush()
                path.replace(part_of(target))
            raise
        file.write(end)
