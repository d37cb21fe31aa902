"""Turns an exploration into values for JSON: names and texts as they are, numbers in packed columns."""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from textiba.attribution import Attribution, BitsDetails, EvidenceDetails, amount, explained_output, word_scores
from textiba.errors import InputError
from textiba.evaluation.degradation import Degradation, removal_order
from textiba.report.exploration import Exploration, Removed
from textiba.report.layout import Layout, token_positions
from textiba.report.overview import ORDERS, curve_values, method_name, profile_row
from textiba.report.packing import pack, quantise
from textiba.show.legend import meaning, outside_note
from textiba.show.scale import DARK_GROUND, FAINTEST, RAMPS, STRONGEST, Scale
from textiba.texts.text import Text

_PARTS = 10_000  # a probability p is stored as the whole number p · 10,000
_NONE = -1
_SINGLE = ("checkpoint", "measure", "layer", "beta", "layout", "target", "predicted", "converged", "steps")
_FLOATS = ("probability", "total", "step", "kept", "closed", "opened", "entropyStep", "bitsStep")


def payload(exploration: Exploration) -> dict[str, Any]:
    """Returns the exploration as plain values.

    The packed columns hold, for each layout, `segment…`, `wordTokens` and `pieceLength`. For each attribution, which
    this module calls a run, they hold a value of most columns, a `score` for each word, and an `entropy` and `bits` for
    each step. Scores and traces are quantised (see `quantise`); other numbers keep four significant digits or four
    bytes.

    Raises:
        InputError: there are no attributions; two attributions have the same text, checkpoint, measure, layer and β;
            their models have different classes; or a `Removed` belongs to an attribution that the page does not show.
    """
    attributions = exploration.attributions
    scale = Scale.of(attributions)
    labels = max((a.labels for a in attributions), key=len)
    for a in attributions:
        if a.labels != labels[: len(a.labels)]:
            raise InputError(
                "the results of one page share their classes, or a class would get a wrong name; got "
                f"{list(labels)} and {list(a.labels)}. Make two pages"
            )
    names = {
        "checkpoints": _unique(a.checkpoint for a in attributions),
        "measures": _unique(_measure_key(a) for a in attributions),
        "betas": _unique(sorted({b for a in attributions if (b := _beta(a)) is not None})),
        "texts": _unique(a.text.source.whole for a in attributions),
    }
    layouts: dict[Layout, int] = {}
    runs = _Runs(names, layouts)
    for a in attributions:
        runs.add(a)
    sets, removed = _removed(exploration.removed, runs, list(layouts))
    columns = _layout_columns(list(layouts)) | runs.columns() | removed
    first = {a.text.source.whole: a.text.source for a in reversed(attributions)}
    return {
        "labels": list(labels),
        "ramps": {theme: {kind: list(stops) for kind, stops in ramp.items()} for theme, ramp in RAMPS.items()},
        "darkGround": DARK_GROUND,
        "strengths": [FAINTEST, STRONGEST],
        "parts": _PARTS,
        "checkpoints": list(names["checkpoints"]),
        "betas": list(names["betas"]),
        "measures": _measures(names["measures"], attributions, scale),
        "texts": [_text_values(text) for _, text in _in_order(first, names)],
        "layouts": {
            "text": [names["texts"][layout.text] for layout in layouts],
            "cut": [layout.cut for layout in layouts],
            "segments": [len(layout.lengths) for layout in layouts],
            "words": [len(layout.tokens) for layout in layouts],
        },
        "removals": sets,
        "packed": pack(columns),
        "profile": [profile_row(row) for row in exploration.profile],
        "curves": [curve_values(group) for group in exploration.curves],
        "leaderboards": [
            {"title": title, "columns": {name: list(cells) for name, cells in board.items()}}
            for title, board in exploration.leaderboards.items()
        ],
        "advice": list(exploration.advice),
    }


def _text_values(text: Text) -> dict[str, Any]:
    """A text as plain values; `second` is the start of a pair's second text, in UTF-16 units."""
    second = None if text.pair is None else len(text.whole[: text.pair_start].encode("utf-16-le")) // 2
    gold = None if isinstance(text.label, str) else text.label  # a label as a name is not an answer of the question
    return {"text": text.whole, "second": second, "id": text.id, "kind": text.kind, "gold": gold}


class _Runs:
    """Collects the columns of the attributions: single values, scores, and the values of each optimisation step."""

    def __init__(self, names: Mapping[str, Mapping[Any, int]], layouts: dict[Layout, int]):
        self.names, self.layouts = names, layouts
        self.places: dict[tuple, int] = {}
        self.layout_of: list[int] = []
        self._known: dict[int, tuple[Any, int]] = {}  # by the text's id: a shared text is cut only once
        self._single: dict[str, list[float]] = {name: [] for name in (*_SINGLE, *_FLOATS)}
        self._lists: dict[str, list[np.ndarray]] = {name: [] for name in ("score", "entropy", "bits")}

    def add(self, a: Attribution) -> None:
        place = self.place(a)
        if place in self.places:
            raise InputError(
                "a page has one attribution for each text, checkpoint, method, layer and β; got two for "
                f"'{a.checkpoint}', '{a.method}', layer {a.layer}, β {_beta(a)}. Leave one out"
            )
        self.places[place] = len(self.places)
        self.layout_of.append(self._layout(a))
        scores, step = quantise(word_scores(a))
        beta = _beta(a)
        trace = a.details if isinstance(a.details, BitsDetails) else None
        evidence = a.details if isinstance(a.details, EvidenceDetails) else None
        entropy, entropy_step = quantise(np.asarray([] if trace is None else trace.cross_entropy, dtype=np.float64))
        bits, bits_step = quantise(np.asarray([] if trace is None else trace.information, dtype=np.float64))
        single = {
            "checkpoint": self.names["checkpoints"][a.checkpoint],
            "measure": self.names["measures"][_measure_key(a)],
            "layer": _NONE if a.layer is None else a.layer,
            "beta": _NONE if beta is None else self.names["betas"][beta],
            "layout": self.layout_of[-1],
            "target": a.target,
            "predicted": a.predicted,
            "converged": _NONE if trace is None else int(trace.converged),
            "steps": len(entropy),
            "probability": a.probability,
            "total": a.total,
            "step": step,
            "kept": math.nan if trace is None else trace.probability,
            "closed": math.nan if evidence is None else evidence.closed,
            "opened": math.nan if evidence is None else evidence.opened,
            "entropyStep": entropy_step,
            "bitsStep": bits_step,
        }
        for name, value in single.items():
            self._single[name].append(value)
        for name, values in (("score", scores), ("entropy", entropy), ("bits", bits)):
            self._lists[name].append(values)

    def place(self, a: Attribution) -> tuple:
        return (a.text.source.whole, a.checkpoint, _measure_key(a), a.layer, _beta(a))

    def columns(self) -> dict[str, np.ndarray]:
        single = {name: np.asarray(self._single[name], dtype=np.int64) for name in _SINGLE}
        floats = {name: np.asarray(self._single[name], dtype=np.float32) for name in _FLOATS}
        return single | floats | {name: np.concatenate(lists) for name, lists in self._lists.items()}

    def _layout(self, a: Attribution) -> int:
        if id(a.text) not in self._known:
            layout = Layout.of(a)
            # The text is kept too, because a freed text's id could go to another object.
            self._known[id(a.text)] = a.text, self.layouts.setdefault(layout, len(self.layouts))
        return self._known[id(a.text)][1]


def _layout_columns(layouts: Sequence[Layout]) -> dict[str, np.ndarray]:
    def joined(lists: Iterable[Sequence[int]]) -> np.ndarray:
        return np.asarray([value for values in lists for value in values], dtype=np.int64)

    return {
        "segmentLength": joined(layout.lengths for layout in layouts),
        "segmentKind": joined(layout.kinds for layout in layouts),
        "wordTokens": joined(layout.tokens for layout in layouts),
        "pieceLength": joined(layout.pieces for layout in layouts),
    }


def _removed(
    removed: Sequence[Removed], runs: _Runs, layouts: Sequence[Layout]
) -> tuple[list[dict[str, Any]], dict[str, np.ndarray]]:
    """Returns the ways of removal, and the columns of each removal: its run, its way, cells of tokens, probabilities.

    Tokens that are removed in the same step, in both orders, share a cell. Cells start at the ranks 0 … n at which a
    step ends: the counts of removed tokens, and n minus these counts. `removal.js` derives both orders from the cells.
    """
    sets: dict[tuple, int] = {}
    numbers: dict[str, list[int]] = {"removedRun": [], "removedSet": [], "removedCell": [], "removedP": []}
    for r in removed:
        place = runs.place(r.attribution)
        if place not in runs.places:
            raise InputError(
                f"a removal must belong to an attribution that the page shows; the page has none of '{place[1]}', "
                f"'{r.attribution.method}'. Add the attribution, or leave the removal out"
            )
        orders = tuple(order for order in ORDERS if order in r.probability)
        way = (r.removal, r.by, tuple(float(step) for step in r.steps), orders)
        run = runs.places[place]
        numbers["removedRun"].append(run)
        numbers["removedSet"].append(sets.setdefault(way, len(sets)))
        numbers["removedCell"] += _cells(r, len(layouts[runs.layout_of[run]].pieces))
        for order in orders:
            numbers["removedP"] += [round(float(p) * _PARTS) for p in r.probability[order]]
    ways: list[dict[str, Any]] = [
        {"removal": removal, "by": by, "steps": list(steps), "orders": list(orders)}
        for removal, by, steps, orders in sets
    ]
    return ways, {name: np.asarray(values, dtype=np.int64) for name, values in numbers.items()}


def _cells(removed: Removed, tokens: int) -> list[int]:
    settings = Degradation(
        removal=removed.removal,  # type: ignore[arg-type] - validated there
        by=removed.by,  # type: ignore[arg-type]
        steps=tuple(float(step) for step in removed.steps),
    )
    edges = sorted({*settings.counts(tokens), *(tokens - count for count in settings.counts(tokens, "lerf"))})
    order = removal_order(removed.attribution, "morf", removed.seed)
    ranks = {position: rank for rank, position in enumerate(order)}
    places = [ranks[position] for position in token_positions(removed.attribution)]
    return (np.searchsorted(edges, places, side="right") - 1).tolist()


def _unique(values: Iterable[Any]) -> dict[Any, int]:
    """Each distinct value with its number, in the order of first occurrence."""
    return {value: i for i, value in enumerate(dict.fromkeys(values))}


def _in_order(first: Mapping[str, Any], names: Mapping[str, Mapping[Any, int]]) -> list[tuple[str, Any]]:
    return [(text, first[text]) for text in names["texts"]]


def _beta(a: Attribution) -> float | None:
    beta = a.settings.get("beta")
    return None if beta is None else float(beta)


def _measure_key(a: Attribution) -> tuple[str, str]:
    """A method with all its settings except layer and β, which have sliders."""
    others = {name: value for name, value in a.settings.items() if name not in ("layer", "beta")}
    return a.method, json.dumps(others, sort_keys=True)


def _measures(
    keys: Mapping[tuple[str, str], int], attributions: Sequence[Attribution], scale: Scale
) -> list[dict[str, Any]]:
    mine: dict[tuple[str, str], list[Attribution]] = {key: [] for key in keys}
    for a in attributions:
        mine[_measure_key(a)].append(a)
    out = []
    for (method, others), some in mine.items():
        span = scale.at(some[0])
        alike = [json.loads(settings) for name, settings in keys if name == method]
        settings = json.loads(others)
        varied = [f"{k} {v}" for k, v in settings.items() if any(other.get(k) != v for other in alike)]
        out.append({
            "method": method,
            "name": " · ".join([method_name(method), *varied]),
            "unit": span.unit,
            "output": explained_output(some[0]),
            "signed": span.signed,
            "limit": span.limit,
            "floor": span.floor,
            "ticks": [{"size": size, "text": amount(size)} for size in span.ticks],
            "meaning": meaning(span.unit),
            "outside": outside_note(span, some),
            "layers": sorted({a.layer for a in some if a.layer is not None}),
            "betas": sorted({beta for a in some if (beta := _beta(a)) is not None}),
        })  # fmt: skip
    return out
