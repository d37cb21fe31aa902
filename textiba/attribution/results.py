"""Results: attributions, lists of them, and degradation curves."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, SupportsIndex, overload

import numpy as np
from jaxtyping import Float

from textiba import hooks
from textiba.attribution.convert import from_plain, to_columns, to_plain
from textiba.attribution.details import Details
from textiba.attribution.words import Word, amount, describe, top_words, words
from textiba.errors import InputError
from textiba.texts.sources import LABELS
from textiba.texts.text import PARTS
from textiba.texts.tokens import TokenizedText
from textiba.types import TokenScores

if TYPE_CHECKING:
    from pandas import DataFrame


@dataclass(frozen=True, eq=False, repr=False)
class Attribution:
    """The scores of one text's tokens, from one method, on one checkpoint.

    A notebook shows an attribution as the highlighted text, with a legend in its unit.

    Attributes:
        text: the tokens.
        checkpoint: the model's name.
        method: the method's name in the registry.
        settings: the method's settings, as plain values.
        layer: index into hidden_states, or None for methods without a layer.
        target: the class that is explained.
        probability: the model's probability of the target, without a bottleneck.
        predicted: the class with the highest probability.
        scores: raw [tokens], never rescaled; NaN at special tokens, which carry no score.
        unit: "bits", "nats" or "score".
        signed: whether a negative score speaks against the target.
        details: details that the method returns besides the scores.
        labels: the names of the outcomes, by index.
        asked: the question in words, such as "which class", "label joy" or "above 3.5".
    """

    text: TokenizedText
    checkpoint: str
    method: str
    settings: Mapping[str, Any]
    layer: int | None
    target: int
    probability: float
    predicted: int
    scores: TokenScores
    unit: str
    signed: bool
    details: Details | None = None
    labels: tuple[str, ...] = LABELS
    asked: str = "which class"

    @property
    def total(self) -> float:
        """The sum of the scores over the tokens that carry a score."""
        return float(np.nansum(self.scores))

    @property
    def totals(self) -> dict[str, float]:
        """The sum of the scores of each text: {"text": …, "pair": …} for a pair, {"text": …} for a single text."""
        parts = self.text.parts
        names = PARTS if self.text.source.pair is not None else PARTS[:1]
        return {
            name: float(np.nansum(self.scores[[i for i, part in enumerate(parts) if part == name]])) for name in names
        }

    def words(self) -> list[Word]:
        """Returns each word with the sum of its tokens' scores, since bits and nats are additive."""
        return words(self)

    def to_dict(self) -> dict[str, Any]:
        """Returns the fields as lists, strings and numbers for JSON, with None for NaN. `from_dict` reads the result.

        Raises:
            NotFiniteError: a number is infinite.
        """
        return to_plain(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Attribution":
        """Returns the attribution that `to_dict` was called on, with exactly equal scores.

        Raises:
            InputError: a field is missing or of the wrong type, or the lists of tokens differ in length.
        """
        return cls(**from_plain(values))

    def to_json(self, indent: int | None = None) -> str:
        """`to_dict` as JSON in ASCII, with null for NaN. `from_json` reads it."""
        return json.dumps(self.to_dict(), indent=indent, allow_nan=False)

    @classmethod
    def from_json(cls, text: str) -> "Attribution":
        """Returns the attribution that `to_json` was called on. Raises the errors of `from_dict`."""
        return cls.from_dict(_loads(text))

    def to_pandas(self, by: str = "word") -> "DataFrame":
        """A data frame with a row for each word or token; see `Attributions.to_pandas`."""
        return Attributions([self]).to_pandas(by)

    def save(self, path: str | Path) -> Path:
        """Writes the attribution to a Parquet file; see `Attributions.save`."""
        return Attributions([self]).save(path)

    @classmethod
    def load(cls, path: str | Path) -> "Attribution":
        """Returns the attribution in a file that `save` wrote; raises the errors of `Attributions.load`.

        Raises:
            InputError: the file has no attribution, or several.
        """
        found = Attributions.load(path)
        if len(found) != 1:
            raise InputError(f"{path} has {len(found)} attributions; read them with textiba.Attributions.load")
        return found[0]

    def __repr__(self) -> str:
        top = ", ".join(f"{w.text} {amount(w.score, self.signed)}" for w in top_words(self, 3))
        return f"<Attribution {describe(self)} · sum {amount(self.total, self.signed)} {self.unit} · {top}>"

    def _repr_html_(self) -> str | None:
        return hooks.call("html", [self])


class Attributions(list[Attribution]):
    """A list of attributions that a notebook shows side by side, on one colour scale.

    `explain` returns `Attributions`. A slice and a sum are `Attributions` too, so that the sum of
    `explain(…, general)` and `explain(…, tuned)` shows both models; `Attributions(a for _, a in stream(…))` collects a
    stream.
    """

    @overload
    def __getitem__(self, place: SupportsIndex) -> Attribution: ...
    @overload
    def __getitem__(self, place: slice) -> "Attributions": ...
    def __getitem__(self, place: SupportsIndex | slice) -> "Attribution | Attributions":
        found = super().__getitem__(place)
        return Attributions(found) if isinstance(found, list) else found

    def __add__(self, other: list[Attribution]) -> "Attributions":  # type: ignore[override] - of attributions only
        return Attributions([*self, *other])

    def __repr__(self) -> str:
        return "[" + ",\n ".join(map(repr, self)) + "]"

    def _repr_html_(self) -> str | None:
        return hooks.call("html", self) if self else None

    def to_dict(self) -> dict[str, Any]:
        """Returns {"attributions": [...]}, a list of `Attribution.to_dict()`. `from_dict` reads the result."""
        return {"attributions": [a.to_dict() for a in self]}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Attributions":
        """The attributions that `to_dict` was called on.

        Raises:
            InputError: there is no list "attributions", or `Attribution.from_dict` refuses one of its items.
        """
        rows = values.get("attributions")
        if not isinstance(rows, list):
            raise InputError(f"attributions are read from {{'attributions': [...]}}; got {str(values)[:60]}")
        return cls(Attribution.from_dict(row) for row in rows)

    def to_json(self, indent: int | None = None) -> str:
        """`to_dict` as JSON in ASCII, with null for NaN. `from_json` reads it."""
        return json.dumps(self.to_dict(), indent=indent, allow_nan=False)

    @classmethod
    def from_json(cls, text: str) -> "Attributions":
        """Returns the attributions that `to_json` was called on. Raises the errors of `from_dict`."""
        return cls.from_dict(_loads(text))

    def to_pandas(self, by: str = "word") -> "DataFrame":
        """A data frame with a row for each word or token.

        Args:
            by: "word" for the words, with the sum of their tokens' scores; "token" for all tokens, with NaN for special
                tokens.

        Returns:
            A data frame. These columns have one value for a whole attribution: text (the attribution's number in the
            list), id, checkpoint, method, layer, beta, target, probability, predicted, gold, unit. These columns have a
            value for each row: position, word (or token and word_position), part ("text" or "pair"), start, end
            (characters in that part), marked (whether a person marked the word or token), score.

        Raises:
            InputError: `by` is neither "word" nor "token".
        """
        import pandas

        frame = pandas.DataFrame(to_columns(self, by))
        whole = [name for name in ("layer", "word_position") if name in frame]
        return frame.astype(dict.fromkeys(whole, "Int64") | {"beta": "float64"})

    def save(self, path: str | Path) -> Path:
        """Writes the attributions to a Parquet file, whole or not at all, and returns its path. `load` reads it.

        The file has a row for each attribution, with the columns of a run's own files. `load` restores every value
        exactly, scores and details as float32.

        Raises:
            InputError: the path does not end in .parquet, or is a folder.
            StorageError: the file cannot be written.
        """
        return hooks.call("save", self, path)

    @classmethod
    def load(cls, path: str | Path) -> "Attributions":
        """The attributions in a file that `save` wrote.

        Raises:
            InputError: there is no such file.
            CorruptFileError: the file is damaged, or holds no attributions.
        """
        return hooks.call("load", path)


@dataclass(frozen=True, eq=False)
class Curve:
    """The probability of the target as tokens are removed, text by text.

    Attributes:
        order: "morf" (most relevant first), "lerf" (least relevant first) or "random".
        removal: "delete", "mask", "pad" or "attention".
        by: the unit of `steps`, "fraction" or "count" of tokens.
        steps: the share or the number of removed tokens at each step, from 0 [steps].
        probability: probability of the target [texts, steps].
        correct: whether the gold class, or the target if the text has no gold class, is still predicted [texts, steps].
        method: the method whose scores gave the order.
        checkpoint: the model's name.
        settings: the method's settings.
        texts: the number in the run of each row's text; empty if unknown.
        seed: seed of the random order, and of the order of tokens with equal scores.
        part: the text of a pair whose tokens are removed, "text" or "pair", or "both".
    """

    order: str
    removal: str
    by: str
    steps: Float[np.ndarray, " steps"]
    probability: Float[np.ndarray, "texts steps"]
    correct: Float[np.ndarray, "texts steps"]
    method: str
    checkpoint: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    texts: tuple[int, ...] = ()
    seed: int = 0
    part: str = "both"

    @property
    def way(self) -> str:
        """How tokens are removed, in one word; see `removal_way`."""
        return removal_way(self.removal, self.part)


def removal_way(removal: str, part: str) -> str:
    """Returns how tokens are removed, in one word: "delete", or "delete-pair" if only the second text loses tokens.

    Args:
        removal: see `Curve.removal`.
        part: see `Curve.part`.
    """
    return removal if part == "both" else f"{removal}-{part}"


def _loads(text: str) -> dict[str, Any]:
    try:
        values = json.loads(text)
    except ValueError as error:
        raise InputError(f"results are read from the JSON that to_json() gave; got something else ({error})") from None
    if not isinstance(values, dict):
        raise InputError(f"results are read from the JSON that to_json() gave, an object; got {text[:60]!r}")
    return values
