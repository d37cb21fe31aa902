"""Pages for tests: explorations made by hand, and what stands in their packed columns."""

import base64
import functools
import gzip
from typing import Any

import numpy as np
from pictures import attribution, curves, tokenized

from textiba.attribution import Attribution, BitsDetails
from textiba.evaluation.profile import LayerRow, layer_profile
from textiba.report import Exploration, Made, Removed
from textiba.texts.sources import Text

NASTY = 'Good </script><img src=x onerror="alert(1)"> <!-- & 😀 "quoted" fine\u2028'
STEPS = np.asarray([0.0, 0.25, 0.5, 0.75, 1.0])
_TYPES = {"i1": "<i1", "i2": "<i2", "i4": "<i4", "f4": "<f4"}


def unpacked(packed: dict[str, Any]) -> dict[str, np.ndarray]:
    """The columns that `pack` was given; a slow rival of unpack.js."""
    flat = gzip.decompress(base64.b64decode(packed["bytes"]))
    out, start = {}, 0
    for name, (kind, length) in packed["columns"].items():
        size = np.dtype(_TYPES[kind]).itemsize
        planes = [flat[start + i * length : start + (i + 1) * length] for i in range(size)]
        values = bytes(b for number in zip(*planes, strict=True) for b in number)
        out[name] = np.frombuffer(values, _TYPES[kind])
        start += length * size
    assert start == len(flat)
    return out


def scores(data: dict[str, Any], run: int) -> list[float]:
    """The word scores of a run, NaN where there is none."""
    columns = unpacked(data["packed"])
    counts = [data["layouts"]["words"][layout] for layout in columns["layout"]]
    start = sum(counts[:run])
    whole = columns["score"][start : start + counts[run]].astype(float)
    return np.where(whole == -32768, np.nan, whole**3 * columns["step"][run]).tolist()


def segments(data: dict[str, Any], layout: int) -> list[tuple[str, int]]:
    """The texts of a layout's segments and their kinds."""
    columns = unpacked(data["packed"])
    start = sum(data["layouts"]["segments"][:layout])
    text = data["texts"][data["layouts"]["text"][layout]]["text"].encode("utf-16-le")
    out, place = [], 0
    for i in range(start, start + data["layouts"]["segments"][layout]):
        end = place + 2 * int(columns["segmentLength"][i])
        out.append((text[place:end].decode("utf-16-le"), int(columns["segmentKind"][i])))
        place = end
    return out


@functools.cache
def rows() -> list[LayerRow]:
    """A layer profile of `shown()`."""
    return layer_profile(shown())


def shown() -> list[Attribution]:
    """One text: evidence on two checkpoints at two layers, and bits at two β."""
    made = [
        attribution([0.123456, -1, 0, 0.25, 1, 1, 0], layer=layer, checkpoint=checkpoint)
        for checkpoint in ("general", "fine-tuned")
        for layer in (0, 1)
    ]
    return [*made, *(attribution(unit="bits", beta=beta) for beta in (1e-4, 1e-3))]


def exploration(**changes: Any) -> Exploration:
    """The page of `shown()`, with curves, a profile and how it was made."""
    fields = {
        "title": "A & B", "attributions": shown(), "profile": rows(), "curves": [curves()],
        "made": [Made("run", {"seed": "<0>"}, "settings: {}\n")],
    }  # fmt: skip
    return Exploration(**fields | changes)


TEXTS = (
    Text("Never dull,\nalways wonderful.", 1, ((0, 10), (19, 28)), "r1", "plain"),
    Text("Dreadful in every way, and far too long.", 0, (), "r2", "plain"),
    Text("A superb waste of a fine cast.", 0, (), "r3", "mixed"),
    Text(NASTY, 1, (), "<b>r4</b>", "</script>"),
)
_SURE = ((1, 0.9), (0, 0.97), (1, 0.8), (1, 0.6))  # what the fine-tuned checkpoint predicts, and how surely


def browsed(**changes: Any) -> Exploration:
    """Four texts × two checkpoints × evidence at three layers and bits at three β, with removals and a leaderboard.

    The third text is wrong on "fine-tuned"; "general" calls all of them positive. Each evidence at layer 1 has words
    removed; "Never" is one token and goes first.
    """
    draw = np.random.default_rng(0)
    made: list[Attribution] = []
    for text, (predicted, probability) in zip(TEXTS, _SURE, strict=True):
        text = tokenized(text)
        size = len(text.content)
        for checkpoint in ("fine-tuned", "general"):
            says = predicted if checkpoint == "fine-tuned" else 1
            facts: dict[str, Any] = {"checkpoint": checkpoint, "predicted": says, "target": says, "text": text}
            facts["probability"] = probability if checkpoint == "fine-tuned" else 0.55
            for layer in (0, 1, 2):
                values = [1.0 + layer, *draw.uniform(-0.5, 0.5, size - 1)]
                made.append(attribution(values, layer=layer, **facts))
            for beta in (1e-5, 1e-4, 1e-3):
                trace = np.asarray([0.5, 0.3, 0.2]), np.asarray([90.0, 40.0, 20.0])
                details = BitsDetails(np.ones(1), *trace, True, 0.9, 0.0, 1.0)
                values = draw.uniform(0, 3, size).tolist()
                made.append(attribution(values, unit="bits", beta=beta, details=details, **facts))
    fields = {
        "title": "Toys", "attributions": made, "profile": layer_profile(made), "curves": [curves()],
        "removed": [removed(a) for a in made if a.method == "evidence" and a.layer == 1],
        "leaderboards": {"imdb · m": {"method": ["evidence", "random"], "area": ["0.7", "0.0"]}},
        "made": [Made("toys", {"seed": "0"}, "settings:\n  seed: 0\n")],
    }  # fmt: skip
    return Exploration(**fields | changes)


def removed(a: Attribution, steps: np.ndarray = STEPS, by: str = "fraction") -> Removed:
    """What happens to a text made up: MoRF falls at once, LeRF late."""
    falls = {"morf": (0.9, 0.4, 0.2, 0.1, 0.05), "lerf": (0.9, 0.8, 0.7, 0.6, 0.05)}
    return Removed(a, "delete", by, steps, 0, {order: np.asarray(row)[: len(steps)] for order, row in falls.items()})
