"""Attributions as rows of a table, and back."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
import pyarrow as pa

from textiba.attribution import Attribution, BitsDetails, Details, EvidenceDetails, GateDetails
from textiba.texts.text import Text
from textiba.texts.tokens import TokenizedText

_FLOATS, _INTS = pa.list_(pa.float32()), pa.list_(pa.int32())
SCHEMA = pa.schema(
    [
        ("index", pa.int64()), ("id", pa.string()), ("text", pa.string()), ("pair", pa.string()),
        ("label", pa.int32()),
        ("label_name", pa.string()),  # a label that is a name, not an index into the outcomes
        ("value", pa.float64()),
        ("gold_labels", pa.string()), ("tags", pa.string()),  # JSON: lists of indices and names
        ("kind", pa.string()), ("rationale", pa.list_(_INTS)), ("pair_rationale", pa.list_(_INTS)),
        ("checkpoint", pa.string()), ("method", pa.string()), ("settings", pa.string()), ("layer", pa.int32()),
        ("target", pa.int32()), ("predicted", pa.int32()), ("labels", pa.list_(pa.string())), ("asked", pa.string()),
        ("probability", pa.float64()), ("unit", pa.string()),
        ("signed", pa.bool_()), ("scores", _FLOATS),
        ("ids", _INTS), ("type_ids", _INTS), ("tokens", pa.list_(pa.string())), ("offsets", pa.list_(_INTS)),
        ("word_ids", _INTS), ("cut", pa.int32()),
        ("gates", _FLOATS), ("cross_entropy", _FLOATS), ("information", _FLOATS), ("converged", pa.bool_()),
        ("kept", pa.float64()), ("special_bits", pa.float64()), ("loss", pa.float64()),
        ("by_layer", pa.list_(_FLOATS)),
        ("closed", pa.float64()), ("opened", pa.float64()), ("special", pa.float64()), ("residual", pa.float64()),
    ]
)  # fmt: skip
_RENAMED = {"probability": "kept"}  # details whose own name another column already has
_LISTS = ("gates", "cross_entropy", "information")


def settings_key(settings: Mapping[str, Any]) -> str:
    """Settings as one string; equal settings give equal strings."""
    return json.dumps(dict(settings), sort_keys=True)


def _json(golds: tuple[int | str, ...] | None) -> str | None:
    return None if golds is None else json.dumps(golds)


def to_row(index: int, a: Attribution) -> dict[str, Any]:
    """Returns the row of an attribution of text number `index`; arrays stay arrays where pyarrow accepts them."""
    text = a.text
    row: dict[str, Any] = {
        "index": index, "id": text.source.id, "text": text.source.text, "pair": text.source.pair,
        "label": None if isinstance(text.source.label, str) else text.source.label,
        "label_name": text.source.label if isinstance(text.source.label, str) else None,
        "value": text.source.value, "gold_labels": _json(text.source.labels), "tags": _json(text.source.tags),
        "kind": text.source.kind, "rationale": text.source.rationale,
        "pair_rationale": text.source.pair_rationale, "checkpoint": a.checkpoint,
        "method": a.method, "settings": settings_key(a.settings), "layer": a.layer,
        "target": a.target, "predicted": a.predicted,
        "labels": a.labels, "asked": a.asked, "probability": a.probability, "unit": a.unit,
        "signed": a.signed, "scores": a.scores, "ids": text.ids, "type_ids": text.type_ids,
        "tokens": text.tokens, "offsets": text.offsets, "word_ids": text.word_ids, "cut": text.cut,
    }  # fmt: skip
    details = {} if a.details is None else asdict(a.details)
    if (by_layer := details.get("by_layer")) is not None:
        details["by_layer"] = list(by_layer)  # pyarrow takes a list of rows, but no matrix
    return row | {_RENAMED.get(name, name): value for name, value in details.items()}


def from_row(row: Mapping[str, Any]) -> Attribution:
    """Returns the attribution that `to_row` was called with."""
    spans, pair_spans = (tuple((a, b) for a, b in row[name]) for name in ("rationale", "pair_rationale"))
    label = row["label"] if row["label_name"] is None else row["label_name"]
    labels, tags = (tuple(json.loads(row[name])) if row.get(name) else None for name in ("gold_labels", "tags"))
    given = (row["text"], label, spans, row["id"], row["kind"], row["pair"], pair_spans, row["value"])
    text = Text(*given, labels=labels, tags=tags)
    tokenized = TokenizedText(
        text, tuple(row["ids"]), tuple(row["type_ids"]), tuple(row["tokens"]),
        tuple((a, b) for a, b in row["offsets"]), tuple(row["word_ids"]), row["cut"],
    )  # fmt: skip
    details: Details | None = None
    if row["converged"] is not None:
        lists = {name: np.asarray(row[name], dtype=np.float32) for name in _LISTS}
        layers = None if row["by_layer"] is None else np.asarray(row["by_layer"], dtype=np.float32)
        details = BitsDetails(
            **lists, converged=row["converged"], probability=row["kept"], special_bits=row["special_bits"],
            loss=row["loss"], by_layer=layers,
        )  # fmt: skip
    elif row["gates"] is not None:
        details = GateDetails(np.asarray(row["gates"], dtype=np.float32))
    elif row["closed"] is not None:
        details = EvidenceDetails(row["closed"], row["opened"], row["special"], row["residual"])
    same = ("asked", "checkpoint", "method", "layer", "target", "probability", "predicted", "unit", "signed")
    return Attribution(
        text=tokenized,
        settings=json.loads(row["settings"]),
        labels=tuple(row["labels"]),
        scores=np.asarray(row["scores"], dtype=np.float32),
        details=details,
        **{name: row[name] for name in same},
    )
