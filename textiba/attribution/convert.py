"""Converts attributions to plain values for JSON and back, and to columns for a data frame."""

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from types import NoneType
from typing import TYPE_CHECKING, Any

import numpy as np

from textiba.attribution.details import BitsDetails, Details, EvidenceDetails, GateDetails
from textiba.attribution.words import class_name, gold_name, words
from textiba.errors import InputError, NotFiniteError
from textiba.texts.text import Text
from textiba.texts.tokens import TokenizedText

if TYPE_CHECKING:
    from textiba.attribution.results import Attribution

_DETAILS: dict[str, Callable[..., Details]] = {"bits": BitsDetails, "gates": GateDetails, "evidence": EvidenceDetails}
_PER_TOKEN = ("ids", "tokens", "offsets", "word_ids")
_TYPES: dict[str, type | tuple[type, ...]] = {
    "checkpoint": str, "method": str, "settings": Mapping, "layer": (int, NoneType), "target": int,
    "probability": (int, float), "predicted": int, "unit": str, "signed": bool, "asked": str,
}  # fmt: skip
_WORD_COLUMNS = ("position", "word", "part", "start", "end", "marked", "score")
_TOKEN_COLUMNS = ("position", "token", "word_position", "part", "start", "end", "marked", "score")


def to_plain(attribution: "Attribution") -> dict[str, Any]:
    """Returns the fields of an attribution as values that JSON can represent; NaN becomes None.

    Raises:
        NotFiniteError: a number is infinite.
    """
    fields = {f.name: getattr(attribution, f.name) for f in dataclasses.fields(attribution)}
    if attribution.details is not None:
        [kind] = [name for name, details in _DETAILS.items() if type(attribution.details) is details]
        fields["details"] = {"kind": kind} | _fields(attribution.details)
    return _plain(fields)


def from_plain(values: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the fields of the attribution that `to_plain` was called on.

    Raises:
        InputError: a field is missing or of the wrong type, or the lists of tokens differ in length.
    """
    try:
        fields = dict(values)
        wrong = [name for name, kind in _TYPES.items() if not isinstance(fields[name], kind)]
        if wrong:
            raise TypeError(f"'{wrong[0]}' is {fields[wrong[0]]!r}")
        text: dict[str, Any] = dict(fields["text"])
        source: dict[str, Any] = dict(text["source"])
        for name in ("rationale", "pair_rationale"):
            source[name] = tuple((int(a), int(b)) for a, b in source[name])
        for name in ("labels", "tags"):
            source[name] = None if source.get(name) is None else tuple(source[name])
        text["offsets"] = tuple((int(a), int(b)) for a, b in text["offsets"])
        text["unattended"] = frozenset(text["unattended"])
        lists = {name: tuple(text[name]) for name in ("ids", "type_ids", "tokens", "word_ids")}
        text |= lists | {"source": Text(**source)}
        fields["text"] = TokenizedText(**text)
        fields["labels"] = tuple(fields["labels"])
        fields["scores"] = _array(fields["scores"])
        fields["details"] = _details(fields["details"])
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError(
            "an attribution is read from what to_dict() or to_json() gave; got something else "
            f"({type(error).__name__}: {error})"
        ) from None
    sizes = {name: len(getattr(fields["text"], name)) for name in _PER_TOKEN} | {"scores": len(fields["scores"])}
    if len(set(sizes.values())) != 1:
        raise InputError(f"an attribution has one score, id and place for each token; got lists of lengths {sizes}")
    return fields


def to_columns(attributions: Sequence["Attribution"], by: str) -> dict[str, Any]:
    """Returns the columns of a table with a row for each word or token; see `Attributions.to_pandas`.

    Raises:
        InputError: `by` is neither "word" nor "token".
    """
    if by not in ("word", "token"):
        raise InputError(f"a table has a row for each 'word' or each 'token'; got by={by!r}")
    rows = [(_word_rows if by == "word" else _token_rows)(a) for a in attributions]
    counts = [len(found["score"]) for found in rows]
    shared = {
        "text": range(len(attributions)),
        "id": [a.text.source.id for a in attributions],
        "checkpoint": [a.checkpoint for a in attributions],
        "method": [a.method for a in attributions],
        "layer": [a.layer for a in attributions],
        "beta": [a.settings.get("beta") for a in attributions],
        "target": [class_name(a.labels, a.target) for a in attributions],
        "probability": [a.probability for a in attributions],
        "predicted": [class_name(a.labels, a.predicted) for a in attributions],
        "gold": [gold_name(a) for a in attributions],
        "unit": [a.unit for a in attributions],
    }
    columns = {
        name: [v for v, n in zip(values, counts, strict=True) for _ in range(n)] for name, values in shared.items()
    }
    names = list(rows[0]) if rows else list(_WORD_COLUMNS if by == "word" else _TOKEN_COLUMNS)
    return columns | {name: [v for found in rows for v in found[name]] for name in names}


def _word_rows(a: "Attribution") -> dict[str, list[Any]]:
    marked = a.text.rationale
    flags = [any(marked[i] for i in positions) for positions in a.text.words]
    rows = [
        (i, w.text, w.part, *a.text.source.inside(w.start, w.end), flags[i], w.score) for i, w in enumerate(words(a))
    ]
    return _transposed(_WORD_COLUMNS, rows)


def _token_rows(a: "Attribution") -> dict[str, list[Any]]:
    text = a.text
    word_of = {position: word for word, positions in enumerate(text.words) for position in positions}
    parts, marked = text.parts, text.rationale
    rows = [
        (
            i, text.tokens[i], word_of.get(i), parts[i], *text.source.inside(*text.offsets[i]), marked[i],
            float(a.scores[i]),
        )
        for i in range(len(text))
    ]  # fmt: skip
    return _transposed(_TOKEN_COLUMNS, rows)


def _transposed(names: Sequence[str], rows: Sequence[tuple]) -> dict[str, list[Any]]:
    return {name: [row[i] for row in rows] for i, name in enumerate(names)}


def _fields(value: Any) -> dict[str, Any]:
    return {f.name: getattr(value, f.name) for f in dataclasses.fields(value)}


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value):
        value = _fields(value)
    if isinstance(value, Mapping):
        return {str(name): _plain(part) for name, part in value.items()}
    if isinstance(value, np.ndarray | np.generic):
        return _plain(value.tolist())
    if isinstance(value, frozenset):
        return sorted(value)
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    if isinstance(value, float) and not math.isfinite(value):
        if math.isnan(value):
            return None
        raise NotFiniteError("JSON has no infinity, and no method gives one; leave out the attribution that has it")
    return value


def _details(values: Mapping[str, Any] | None) -> Details | None:
    if values is None:
        return None
    fields = dict(values)
    make = _DETAILS[fields.pop("kind")]
    arrays = {name: _array(v) for name, v in fields.items() if isinstance(v, list)}
    numbers = {name: _number(v) for name, v in fields.items() if name not in ("converged", "by_layer", *arrays)}
    return make(**fields | numbers | arrays)


def _number(value: float | None) -> float:
    return math.nan if value is None else float(value)


def _array(values: Sequence[Any]) -> np.ndarray:
    """Returns the values as float32, with NaN for None."""
    return np.asarray(values, dtype=np.float32)
