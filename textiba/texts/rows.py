"""Checks rows of data, whose values may have any type, and converts them to `Text`s; errors name the row."""

from textiba.errors import EmptyTextError, InputError
from textiba.texts.golds import read_labels, read_tags
from textiba.texts.text import Text
from textiba.texts.values import (
    read_label,
    read_name,
    read_spans,
    read_string,
    read_value,
    shown,
    why_no_text,
)

NO_PAIR = object()  # stands for the second text of a text that is no pair


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
