"""Checks gold answers that are lists: the labels of a text, of which several may hold, and the tags of its tokens."""

import json
import re
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from textiba.errors import InputError
from textiba.texts.text import Text
from textiba.texts.tokens import TokenizedText
from textiba.texts.values import is_missing, read_label, read_string, shown
from textiba.texts.words import Span

_BETWEEN = re.compile(r"[,;|]")  # separates labels in a string
_SPACE = " "  # separates tokens in a text
_SPACES = re.compile(" +")


def read_labels(value: object, where: str) -> tuple[int | str, ...] | None:
    """Returns the labels of a text, each as an index or a name; () if none holds, and None if the value is missing.

    A string, as in a CSV file, is a list in JSON, or has a comma, a semicolon or a bar between two labels; an empty
    string has no label.

    Args:
        value: a list of labels; an array; or a string.
        where: names the row in errors.

    Raises:
        InputError: the value is not a list, a label is missing or is neither an index nor a name, or a label occurs
            twice.
    """
    if is_missing(value):
        return None
    items = _items(value, _BETWEEN)
    if items is None:
        raise InputError(f"{where}: labels are a list of indices or names, [] if none holds; got {shown(value)}")
    found = tuple(_label(item, value, where) for item in items)
    if len(set(found)) < len(found):
        raise InputError(f"{where}: a list of labels names each label once; got {shown(value)}")
    return found


def read_tags(value: object, text: str, where: str) -> tuple[int | str, ...] | None:
    """Returns the tags of the tokens of a text, each as an index or a name; None if the value is missing.

    A string, as in a CSV file, is a list in JSON, or has spaces between the tags.

    Args:
        value: a list of tags; an array; or a string.
        text: the tokens with single spaces between them.
        where: names the row in errors.

    Raises:
        InputError: the value is not a list, a tag is missing or is neither an index nor a name, or there is not one
            tag for each token.
    """
    if is_missing(value):
        return None
    items = _items(value, _SPACES)
    if items is None:
        raise InputError(f"{where}: tags are a list of indices or names, one for each token; got {shown(value)}")
    tokens = text.count(_SPACE) + 1
    if len(items) != tokens:
        raise InputError(f"{where}: there is one tag for each token; got {len(items)} tags and {tokens} tokens")
    return tuple(_label(item, value, where) for item in items)


def join_tokens(value: object, where: str) -> str:
    """Returns tokens as one text, with single spaces between them.

    Args:
        value: a list of strings; an array; or a string, which has spaces between the tokens, or is a list in JSON.
        where: names the row in errors.

    Raises:
        InputError: the value is not a list of strings, is empty, or has an empty token or one with a space in it.
    """
    items = _items(value, _SPACES)
    tokens = [read_string(item, "a token", where) for item in items or () if isinstance(item, str)]
    if not tokens or len(tokens) < len(items or ()):
        raise InputError(f"{where}: tokens are a list of strings; got {shown(value)}")
    if wrong := [token for token in tokens if not token.strip() or _SPACE in token]:
        raise InputError(f"{where}: a token has a visible character and no space; got {shown(wrong[0])}")
    return _SPACE.join(tokens)


def token_spans(text: str) -> list[Span]:
    """Returns the character span of each token of a text: of what single spaces separate."""
    spans, at = [], 0
    for token in text.split(_SPACE):
        spans.append((at, at + len(token)))
        at += len(token) + 1
    return spans


def tagged_words(text: TokenizedText) -> list[int | None]:
    """For each token that has a gold tag, the number of the word that begins it, as `Attribution.words()` counts words.

    A word of textiba may be a part of such a token, because many tokenizers split words at punctuation: of "U.K." the
    tag is read at "U". A tag is None if no word begins within its token, for example because the text was cut.

    Args:
        text: a tokenized single text.
    """
    starts: dict[int, int] = {}  # the first character of each word
    for word, (begin, end) in zip(text.word_ids, text.offsets, strict=True):
        if word is not None and begin < end:
            starts.setdefault(word, begin)
    words = sorted((begin, word) for word, begin in starts.items())
    found: list[int | None] = []
    place = 0
    for begin, end in token_spans(text.source.text):
        while place < len(words) and words[place][0] < begin:
            place += 1
        found.append(words[place][1] if place < len(words) and words[place][0] < end else None)
    return found


def map_golds(text: Text, change: Callable[[int | str], int | str]) -> Text:
    """Returns the text with every gold answer (label, labels and tags) replaced by `change` of it."""
    return replace(
        text,
        label=None if text.label is None else change(text.label),
        labels=None if text.labels is None else tuple(map(change, text.labels)),
        tags=None if text.tags is None else tuple(map(change, text.tags)),
    )


def _items(value: object, between: re.Pattern[str]) -> list[object] | None:
    """Returns a list, an array or the parts of a string as a list; None for any other value."""
    if isinstance(value, str):
        if value.lstrip().startswith("["):
            try:
                value = json.loads(value)
            except (ValueError, RecursionError):
                return None
        else:
            return [part.strip() for part in between.split(value.strip())] if value.strip() else []
    if isinstance(value, np.ndarray):
        value = value.tolist()
    return list(value) if isinstance(value, list | tuple) else None


def _label(item: object, value: object, where: str) -> int | str:
    label = read_label(item, where)
    if label is None:
        raise InputError(f"{where}: a list of labels or tags has an empty place; got {shown(value)}")
    return label
