"""Checks rows of data, whose columns may have any type, and converts them to `Text`s; errors name the row."""

import difflib
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from textiba.errors import EmptyTextError, InputError
from textiba.texts.golds import join_tokens, read_labels, read_tags
from textiba.texts.text import Text
from textiba.texts.values import (
    is_missing,
    read_label,
    read_name,
    read_spans,
    read_string,
    read_value,
    shown,
    why_no_text,
)

LIST_COLUMN = "tokens"  # the name under which a column of lists of tokens is found, where tokens have tags
TEXT_COLUMNS = ("text", "sentence", "review")  # the names under which a column of texts is found
PAIR_COLUMNS = (  # the names under which two columns of pairs are found, if no other column has one of the names above
    ("premise", "hypothesis"), ("sentence1", "sentence2"), ("question1", "question2"), ("question", "passage"),
    ("query", "passage"), ("question", "sentence"), ("text1", "text2"), ("text_a", "text_b"),
)  # fmt: skip
GOLD_COLUMNS = {  # the names under which a column of gold answers is found
    "label": ("label",), "labels": ("labels",), "tags": ("tags", "ner_tags")
}  # fmt: skip
_ABSENT = object()
NO_PAIR = object()  # stands for the second text of a text that is no pair


@dataclass(frozen=True, slots=True)
class Named:
    """The columns that the user named; None takes the usual names.

    Attributes:
        text: column of the texts; None takes `text`, `sentence` or `review`, or the first of two columns that are
            known as pairs (`PAIR_COLUMNS`).
        label: column of the gold answers; None takes the usual name for `gold` (`GOLD_COLUMNS`), where there is one,
            and "" reads no labels.
        id: column of the ids; None takes `id`, where there is one, and "" reads no ids.
        pair: column of the second texts of pairs; None takes `pair`, where there is one, or the second of two columns
            that are known as pairs, and "" reads single texts.
        rationale: column of the spans that a person marked in the text; None takes `rationale`, where there is one,
            and "" reads none.
        pair_rationale: the same for the second text; None takes `pair_rationale`.
        value: column of the gold values for regression; None reads none.
        gold: what the column of gold answers holds: the "label" of a text, a list of "labels" of which several may
            hold, or the "tags" of a text's tokens. The column of the texts then holds lists of tokens, and None takes
            `tokens`.
    """

    text: Hashable | None = None
    label: Hashable | None = None
    id: Hashable | None = None
    pair: Hashable | None = None
    rationale: Hashable | None = None
    pair_rationale: Hashable | None = None
    value: Hashable | None = None
    gold: str = "label"


@dataclass(frozen=True, slots=True)
class Columns:
    """The columns that each field of a `Text` is read from; None where there is no such column."""

    text: Hashable
    label: Hashable | None
    rationale: Hashable | None
    id: Hashable | None
    kind: Hashable | None
    pair: Hashable | None = None
    pair_rationale: Hashable | None = None
    value: Hashable | None = None
    some_single: bool = False  # whether a row without a second text is a single text
    gold: str = "label"

    @property
    def used(self) -> list[Hashable]:
        """The columns that are read, each once."""
        columns = (self.text, self.label, self.rationale, self.id, self.kind, self.pair, self.pair_rationale)
        columns = (*columns, self.value)
        return list(dict.fromkeys(column for column in columns if column is not None))

    def text_of(self, row: Mapping[Any, Any], where: str, id: str = "") -> Text:  # noqa: A002 - the field's name
        """The `Text` of a row.

        Args:
            row: values by column; a column that is absent from this row counts as missing.
            where: names the row in errors, by file and number.
            id: the id that the row gets if it has none of its own.

        Raises:
            InputError: a value is not allowed in its field.
            EmptyTextError: the text has no word.
        """
        value = row.get(self.text, _ABSENT)
        if value is _ABSENT:
            raise InputError(f"{where}: there is no {self.text!r}; the row has {_listed(list(row))}")
        label, rationale, name, kind, pair_rationale, gold = (
            None if column is None else row.get(column)
            for column in (self.label, self.rationale, self.id, self.kind, self.pair_rationale, self.value)
        )
        pair = NO_PAIR if self.pair is None else row.get(self.pair)
        if self.some_single and (is_missing(pair) or pair == ""):
            pair = NO_PAIR
        labels = label if self.gold == "labels" else None
        tags = None
        if self.gold == "tags":
            value, tags = join_tokens(value, where), label
        label = label if self.gold == "label" else None
        return checked_text(value, label, rationale, name, kind, where, id, pair, pair_rationale, gold, labels, tags)


def choose_columns(known: Sequence[Hashable], named: Named, source: str) -> Columns:
    """The columns to read: those that the user named, else those with the usual names, in upper or lower case.

    Args:
        known: all columns of the data.
        named: the columns that the user named.
        source: names the data in errors.

    Raises:
        InputError: a named column does not exist, or no column of texts is named and none has a usual name.
    """
    for column in (getattr(named, field.name) or None for field in fields(named) if field.name != "gold"):
        if column is not None and column not in known:
            near = difflib.get_close_matches(str(column), [str(name) for name in known], 1)
            advice = f" Did you mean {near[0]!r}?" if near else ""
            raise InputError(f"{source}: there is no column {column!r}; the columns are {_listed(known)}.{advice}")
    text, pair, certain = _text_columns(known, named, source)
    own = {
        name: _usual(name, known) if (given := getattr(named, name)) is None else (None if given == "" else given)
        for name in ("id", "rationale", "pair_rationale")
    }
    own["label"] = _gold_column(known, named, source)
    if own["label"] == named.value and named.label is None:
        own["label"] = None  # the column holds values, not classes
    marks = None if pair is None else own["pair_rationale"]
    chosen = Columns(
        text,
        own["label"],
        own["rationale"],
        own["id"],
        _usual("kind", known),
        pair,
        marks,
        named.value or None,
        not certain,
        named.gold,
    )
    for column in chosen.used:
        if list(known).count(column) > 1:
            raise InputError(
                f"{source}: two columns are called {column!r}; rename one. The columns are {_listed(known)}"
            )
    return chosen


def _gold_column(known: Sequence[Hashable], named: Named, source: str) -> Hashable | None:
    """Returns the column of the gold answers; None for none."""
    if named.gold not in GOLD_COLUMNS:
        raise InputError(f"gold is one of {list(GOLD_COLUMNS)}; got {named.gold!r}")
    if named.label is not None:
        return None if named.label == "" else named.label
    found = [column for name in GOLD_COLUMNS[named.gold] if (column := _usual(name, known)) is not None]
    if len(found) > 1:
        raise InputError(f"{source}: {_listed(found)} may all hold the tags; name one: label_column")
    return found[0] if found else None


def _text_columns(known: Sequence[Hashable], named: Named, source: str) -> tuple[Hashable, Hashable | None, bool]:
    """Returns the column of the texts, the column of the second texts, and whether every row must be a pair."""
    pair = _usual("pair", known) if named.pair is None else named.pair
    pair = None if pair == "" else pair
    certain = named.pair is not None  # a column found by the name `pair` may be empty, as in an export
    if named.gold == "tags":
        tokens = _usual(LIST_COLUMN, known) if named.text is None else named.text
        if tokens is None:
            raise InputError(
                f"{source}: no column is called {LIST_COLUMN!r}; the columns are {_listed(known)}. Name the column of "
                "the lists of tokens: text_column"
            )
        return tokens, None, True
    if named.text is not None:
        return named.text, pair, certain
    found = [column for name in TEXT_COLUMNS if (column := _usual(name, known)) is not None and column != pair]
    pairs = [tuple(_usual(name, known) for name in names) for names in PAIR_COLUMNS]
    pairs = [(first, second) for first, second in pairs if None not in (first, second)]
    if named.pair is None and len(pairs) == 1 and not set(found) - set(pairs[0]):  # QNLI has a question and a sentence
        return *pairs[0], True
    if not found:
        raise InputError(
            f"{source}: no column is called {', '.join(map(repr, TEXT_COLUMNS))}; the columns are {_listed(known)}. "
            "Name the column of the texts: text_column (--text-column); for pairs, pair_column (--pair-column) too"
        )
    if len(found) > 1 and str(found[0]).casefold() != TEXT_COLUMNS[0]:
        raise InputError(f"{source}: {_listed(found)} may all hold the texts; name one: text_column (--text-column)")
    return found[0], pair, certain


def checked_text(
    text: object,
    label: object,
    rationale: object,
    name: object,
    kind: object,
    where: str,
    default: str = "",
    pair: object = NO_PAIR,
    pair_rationale: object = None,
    value: object = None,
    labels: object = None,
    tags: object = None,
) -> Text:
    """Returns a `Text` made from values of any type.

    Whole floats become ints, ids that are numbers become strings, and None, NaN and the like count as missing.

    Args:
        text: a string with at least one word.
        label: index or name of a class, or missing.
        rationale: pairs of start and end, end exclusive; or a string with such pairs in JSON; or missing.
        name: a string, number or date that is the id, or missing.
        kind: the category, in the same forms as the id.
        where: names the row in errors.
        default: the id if `name` is missing.
        pair: a second string with at least one word, or `NO_PAIR`.
        pair_rationale: the same as `rationale`, for the second text.
        value: a finite number, also in a string, or missing.
        labels: a list of labels, or missing; see `textiba.texts.golds.read_labels`.
        tags: a list with a label for each token, or missing; see `textiba.texts.golds.read_tags`.

    Raises:
        InputError: a value is not allowed in its field.
        EmptyTextError: a text has no word.
    """
    first = _checked_string(text, "the text", where)
    second = None if pair is NO_PAIR else _checked_string(pair, "the second text of the pair", where)
    return Text(
        first,
        read_label(label, where),
        read_spans(rationale, first, where),
        read_name(name, "the id", where) or default,
        read_name(kind, "the kind", where),
        second,
        () if second is None else read_spans(pair_rationale, second, where),
        read_value(value, where),
        read_labels(labels, where),
        read_tags(tags, first, where),
    )


def checked_again(text: Text, where: str) -> Text:
    """Checks a `Text` that a user made, as `checked_text` checks a row, and returns a checked `Text`.

    Args:
        text: the text.
        where: names the text in errors.

    Raises:
        InputError, EmptyTextError: see `checked_text`.
    """
    pair = NO_PAIR if text.pair is None else text.pair
    given = (text.text, text.label, text.rationale, text.id, text.kind, where)
    gold = {"value": text.value, "labels": text.labels, "tags": text.tags}
    return checked_text(*given, pair=pair, pair_rationale=text.pair_rationale, **gold)


def _checked_string(text: object, what: str, where: str) -> str:
    if not isinstance(text, str):
        raise InputError(f"{where}: {why_no_text(text)}")
    text = read_string(text, what, where)
    if not text.strip():
        raise EmptyTextError(f"{where}: {what} is empty, {shown(text)}; a text needs at least one word. Remove it")
    return text


def _usual(name: str, known: Sequence[Hashable]) -> Hashable | None:
    """Returns the column with a usual name, or else the only column whose name differs from it in case alone."""
    if name in known:
        return name
    same = [column for column in known if isinstance(column, str) and column.casefold() == name]
    return same[0] if len(same) == 1 else None


def _listed(columns: Sequence[Hashable]) -> str:
    """Returns a list of the first twenty columns for error messages."""
    more = f", … ({len(columns)} in all)" if len(columns) > 20 else ""
    return f"[{', '.join(shown(column) for column in columns[:20])}{more}]"
