"""Reads rationales of every shape (spans, masks, several annotators) as character spans of a text; errors name the row.

The shapes, with the value of `rationale_format` that each one has:

- "characters": spans `[start, end]` that count the characters of the text, end exclusive;
- "tokens": spans that count the tokens of the row, end exclusive;
- "mask": a 0 or 1 for each token of the row.

Spans may also come as two columns, of starts and of ends. Each shape may come once, or as a list with one entry for
each annotator. The annotators are then merged, character by character or token by token:

- "any": what at least one annotator marked;
- "majority": what more than half of the annotators marked. A tie is no majority: of two annotators, both have to mark.

An annotator with an empty list of spans or a mask of zeros marked nothing, and counts. An annotator whose entry is
missing does not count. One annotator alone gives the same rationale under both settings.
"""

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Bool

from textiba.errors import InputError
from textiba.texts.text import Spans
from textiba.texts.values import is_missing, is_place, shown, whole_number

FORMATS = ("characters", "tokens", "mask")
ANNOTATORS = ("any", "majority")
ABSENT = object()  # stands for the ends of spans that are in one column
_DEEPEST = 3  # annotators, spans, numbers


def read_rationale(
    value: object, ends: object, text: str, tokens: object, joined: bool, form: str | None, annotators: str, where: str
) -> object:
    """Returns a rationale of any shape as spans of characters.

    Args:
        value: the rationale, or the starts of its spans; of any type.
        ends: the ends of the spans; `ABSENT` if `value` has the whole rationale.
        text: the text that the rationale belongs to.
        tokens: the tokens of the text, of any type, or missing.
        joined: whether the text is the tokens, joined with single spaces.
        form: what the numbers are, one of `FORMATS`. If None, starts and ends count tokens, a list of numbers is a
            mask, and spans `[start, end]` count tokens if the text is joined, and otherwise characters.
        annotators: how several annotators are merged, one of `ANNOTATORS`.
        where: names the row in errors.

    Returns:
        Spans of characters, sorted and apart; of one annotator whose spans count characters, the value itself, which
        `textiba.texts.values.read_spans` reads or refuses; None for a missing rationale.

    Raises:
        InputError: the rationale or the tokens have none of the shapes, or do not fit the text.
    """
    value = plain(value, where)
    if ends is not ABSENT:
        value = _zipped(value, plain(ends, where), where)
    if is_missing(value) or (isinstance(value, list) and not value):
        return None
    unit = form or _unit(value, ends is not ABSENT, not is_missing(tokens), joined)
    if unit == "characters" and not _is_several(value, unit, where):
        _refuse_masks(value, where)
        return value
    places = None if unit == "characters" else token_places(read_tokens(tokens, where), text, joined, where)
    return _spans(value, unit, places, len(text), annotators, where)


def read_tokens(value: object, where: str) -> list[str]:
    """Returns the tokens of a row.

    Raises:
        InputError: the value is not a list of strings, or a string with such a list in JSON.
    """
    tokens = plain(value, where, "tokens are a list of strings")
    if not isinstance(tokens, list) or not all(isinstance(token, str) for token in tokens):
        raise InputError(f"{where}: tokens are a list of strings; got {shown(value)}")
    return tokens


def token_places(tokens: Sequence[str], text: str, joined: bool, where: str) -> list[tuple[int, int]]:
    """Returns the place `(start, end)` of each token in the text, end exclusive.

    Tokens are found in their order. They have to cover every letter and digit of the text, so that a token is not found
    at a wrong place.

    Args:
        tokens: the tokens.
        text: the text.
        joined: whether the text is the tokens, joined with single spaces.
        where: names the row in errors.

    Raises:
        InputError: a token is not the next word of the text, or the text goes on after the last token.
    """
    places, at = [], 0
    for number, token in enumerate(tokens):
        start = at + (number > 0) if joined else text.find(token, at)
        if start < 0 or _has_word(text[at:start]):
            raise InputError(
                f"{where}: token number {number} (counting from 0), {shown(token)}, is not found at character {at} of "
                f'the text, {shown(text[at : at + 40])}. Correct the tokens, or set text_column="" '
                '(--text-column ""), which makes the text from the tokens'
            )
        at = start + len(token)
        places.append((start, at))
    if _has_word(text[at:]):
        raise InputError(
            f"{where}: the text goes on after the last of its {len(tokens)} tokens, at character {at}: "
            f'{shown(text[at : at + 40])}. Correct the tokens, or set text_column="" (--text-column ""), which makes '
            "the text from the tokens"
        )
    return places


def merged(marks: Sequence[Bool[np.ndarray, " units"]], annotators: str) -> Bool[np.ndarray, " units"]:
    """Returns the characters or tokens that at least one annotator marked, or that more than half of them marked.

    Args:
        marks: for each annotator, which characters or tokens were marked; at least one annotator.
        annotators: "any" or "majority".
    """
    votes = np.sum(marks, axis=0)
    return votes > 0 if annotators == "any" else 2 * votes > len(marks)


def _spans(
    value: object, unit: str, places: list[tuple[int, int]] | None, length: int, annotators: str, where: str
) -> Spans:
    """Returns the character spans of a rationale; characters or tokens that follow each other are one span.

    Args:
        value: lists of numbers.
        unit: one of `FORMATS`.
        places: the place of each token; None if the numbers are characters.
        length: the number of characters.
        annotators: one of `ANNOTATORS`.
        where: names the row in errors.
    """
    count = length if places is None else len(places)
    several = _is_several(value, unit, where)
    assert isinstance(value, list)  # noqa: S101 - for the type checker: all else was refused above
    answers = [
        (f"{where}, annotator {number}" if several else where, answer)
        for number, answer in enumerate(value if several else [value], 1)
        if not is_missing(answer)
    ]
    read = _mask if unit == "mask" else _covered
    marks = [read(answer, count, unit, by) for by, answer in answers]
    if not marks:
        return ()
    edges = np.flatnonzero(np.diff(merged(marks, annotators), prepend=False, append=False)).reshape(-1, 2).tolist()
    if places is None:
        return tuple((start, end) for start, end in edges)
    found = [(places[first][0], places[last - 1][1]) for first, last in edges]
    return tuple((start, end) for start, end in found if start < end)  # a token may have no character


def _is_several(value: object, unit: str, where: str) -> bool:
    """Whether a rationale has an entry for each annotator.

    Raises:
        InputError: it is not a list, or some items are entries of annotators and others are not.
    """
    if not isinstance(value, list):
        raise InputError(f"{where}: a rationale is {_rule(unit)}; got {shown(value)}")
    if unit == "mask":
        kinds = {isinstance(item, list) or is_missing(item) for item in value}
    else:
        kinds = {
            is_missing(item) or (isinstance(item, list) and all(isinstance(i, list) for i in item)) for item in value
        }
    if len(kinds) > 1:
        raise InputError(
            f"{where}: a rationale is {_rule(unit)}, or a list of these for several annotators; got both kinds in one "
            f"list, {shown(value)}"
        )
    return kinds == {True}


def _covered(spans: list[Any], count: int, unit: str, where: str) -> Bool[np.ndarray, " units"]:
    """Returns which characters or tokens the spans of one annotator cover. Spans may overlap, in any order."""
    counted = "tokens of the row" if unit == "tokens" else "characters of the text"
    covered = np.zeros(count, dtype=bool)
    for span in spans:
        if not (isinstance(span, list) and len(span) == 2 and all(map(is_place, span))):
            _refuse_masks(spans, where)
            raise InputError(f"{where}: a rationale is a list of [start, end], whole numbers; got {shown(span)} in it")
        start, end = (whole_number(place) or 0 for place in span)
        if not 0 <= start < end <= count:
            raise InputError(
                f"{where}: a span of a rationale is [start, end] with 0 ≤ start < end ≤ {count}, the number of "
                f"{counted}; got {shown([start, end])}"
            )
        covered[start:end] = True
    return covered


def _mask(values: list[Any], count: int, unit: str, where: str) -> Bool[np.ndarray, " units"]:
    """Returns which tokens the mask of one annotator marks."""
    if odd := [value for value in values if not _is_bit(value)]:
        raise InputError(f"{where}: a rationale is {_rule(unit)}; got {shown(odd[0])} in it")
    if len(values) != count:
        raise InputError(
            f"{where}: a mask has a 0 or 1 for each token; got {len(values)} values, where the row has {count} tokens"
        )
    return np.array([bool(value) for value in values], dtype=bool)


def _zipped(starts: object, ends: object, where: str) -> object:
    """Returns the spans of two columns, for each annotator if the columns have a list for each annotator.

    Raises:
        InputError: there are starts without ends or ends without starts, or an item is neither a number nor a list.
    """
    if is_missing(starts) and is_missing(ends):
        return None
    if is_missing(starts) or is_missing(ends):
        raise InputError(
            f"{where}: each span of a rationale has a start and an end; got the starts {shown(starts)} and the ends "
            f"{shown(ends)}"
        )
    if not isinstance(starts, list) or not isinstance(ends, list):
        odd = ends if isinstance(starts, list) else starts
        raise InputError(f"{where}: the starts and the ends of a rationale are lists of numbers; got {shown(odd)}")
    if len(starts) != len(ends):
        raise InputError(
            f"{where}: there are {len(starts)} starts and {len(ends)} ends in a rationale, {shown(starts)} and "
            f"{shown(ends)}; each span has both"
        )
    if all(isinstance(item, list) or is_missing(item) for item in (*starts, *ends)):
        return [
            _zipped(first, last, f"{where}, annotator {number}")
            for number, (first, last) in enumerate(zip(starts, ends, strict=True), 1)
        ]
    return [list(span) for span in zip(starts, ends, strict=True)]


def _unit(value: object, apart: bool, tokenized: bool, joined: bool) -> str:
    """What the numbers of a rationale are, if the user did not say it.

    Args:
        value: the rationale.
        apart: whether starts and ends are two columns.
        tokenized: whether the row has tokens.
        joined: whether the text is the tokens.
    """
    if apart:
        return "tokens"
    if isinstance(value, list) and tokenized and not any(isinstance(item, list) for item in value):
        return "mask"
    return "tokens" if joined else "characters"


def plain(value: object, where: str, rule: str = "a rationale is a list of [start, end]") -> object:
    """Returns a value with lists in place of arrays and tuples. A string is read as JSON; a blank string is missing.

    Raises:
        InputError: a string is not JSON.
    """
    if isinstance(value, str):  # a cell of a table without types
        try:
            return _lists(json.loads(value), _DEEPEST) if value.strip() else None
        except (ValueError, RecursionError):
            raise InputError(f"{where}: {rule}; got {shown(value)}") from None
    return _lists(value, _DEEPEST)


def _lists(value: object, depth: int) -> object:
    value = value.tolist() if isinstance(value, np.ndarray) else value
    return [_lists(item, depth - 1) for item in value] if isinstance(value, list | tuple) and depth else value


def _rule(unit: str) -> str:
    return "a 0 or 1 for each token" if unit == "mask" else "a list of [start, end]"


def _is_bit(value: object) -> bool:
    return isinstance(value, bool | np.bool_) or whole_number(value) in (0, 1)


def _refuse_masks(spans: object, where: str) -> None:
    """Raises `InputError` if there are masks where spans are expected."""
    for item in spans if isinstance(spans, list) else []:
        if isinstance(item, list) and len(item) > 2 and all(map(_is_bit, item)):
            raise InputError(
                f"{where}: a rationale is a list of [start, end]; got {shown(item)} in it. If these are masks, a 0 or "
                "1 for each token, set rationale_format: mask"
            )


def _has_word(text: str) -> bool:
    return any(character.isalnum() for character in text)
