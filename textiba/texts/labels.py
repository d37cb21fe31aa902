"""Maps gold labels, which may be names in the data, to the indices of a model's classes."""

import re
from collections.abc import Iterable, Iterator, Sequence, Sized
from dataclasses import replace
from functools import partial

from textiba.errors import InputError
from textiba.texts.golds import map_golds
from textiba.texts.tables import Rows
from textiba.texts.text import Text

_WHOLE = re.compile(r"-?\d+(\.0*)?", re.ASCII)
_TRUTH = {"false": 0, "true": 1}


def resolve_labels(texts: Iterable[Text], names: Sequence[str]) -> Iterable[Text]:
    """Returns the texts with every label as an index into the model's classes.

    A data set of known length (a list, the rows of a file) is checked completely before this function returns. Rows on
    the disk are read once for this check, and again when they are used; they are not kept in memory. A stream is
    checked text by text, as its texts are consumed. If a data set has names for its indices, and every name is a class
    of the model, indices are mapped by these names, because the data set and the model may order the classes
    differently. Other labels that are indices stay unchanged. A second call changes nothing.

    Args:
        texts: the texts, whose labels may be indices, names or None.
        names: the model's class names, by index (`Model.labels`).

    Raises:
        InputError: a label is not a class of the model; the message has the text's number in the data.
    """
    if not isinstance(texts, Sized):
        return _stream(texts, names)
    if isinstance(texts, Rows):
        if order := by_name(texts.names, names):
            texts = texts.with_labels(partial(_moved, order=order))
        for _ in _stream(texts, names):
            pass
        return texts.map(lambda text: with_index(text, names))
    return list(_stream(texts, names))


def with_index(text: Text, names: Sequence[str], where: str = "") -> Text:
    """Returns the text with its label and its `labels` as indices into the model's classes.

    If nothing changes, the same object is returned. Tags are not changed.

    Args:
        text: a text.
        names: the model's class names, by index.
        where: names the text in the error; if empty, the text's id is used.

    Raises:
        InputError: a label is not a class of the model.
    """
    if _indexed(text, len(names)):
        return text
    try:
        return replace(
            text,
            label=None if text.label is None else class_index(text.label, names),
            labels=None if text.labels is None else tuple(class_index(label, names) for label in text.labels),
        )
    except InputError as error:
        raise InputError(f"{where or f'text {text.id!r}'}: {error}") from None


def _indexed(text: Text, classes: int) -> bool:
    """Whether every label of a text is an index of one of the classes already."""
    given = (*(() if text.label is None else (text.label,)), *(text.labels or ()))
    return all(type(label) is int and 0 <= label < classes for label in given)


def class_index(label: int | str, names: Sequence[str]) -> int:
    """The index of a class.

    A string is compared with the class names, first exactly and then without regard to case; only one name may match.
    A string that matches no name is taken as an index if it is a whole number. If the model has two classes, "false"
    and "true" mean 0 and 1.

    Args:
        label: an index or a name.
        names: the model's class names, by index.

    Raises:
        InputError: the label is not a class, or two classes have this name.
    """
    if isinstance(label, str):
        same = named_alike(label, names)
        if len(same) == 1:
            return same[0]
        if same:
            raise InputError(f"label {label!r} names the classes {same} alike; give the index instead")
        if len(names) == 2 and label.casefold() in _TRUTH:
            return _TRUTH[label.casefold()]
        if not _WHOLE.fullmatch(label) or len(label) > 18:
            raise InputError(f"a label is a class of the model, {_known(names)}; got {label!r}")
        label = int(float(label))
    if not 0 <= label < len(names):
        advice = f". To mean the class named '{label}', write the label as a string" if str(label) in names else ""
        raise InputError(
            f"a label is an index from 0 to {len(names) - 1}, or a name of {_known(names)}; got {label}{advice}"
        )
    return int(label)


def by_name(own: Sequence[str], names: Sequence[str]) -> list[int]:
    """For each class of a data set, the index of the model's class of the same name; empty if a class has no match."""
    found = [named_alike(name, names) for name in own]
    places = [places[0] for places in found if len(places) == 1]
    return places if len(set(places)) == len(own) else []


def _moved(text: Text, order: Sequence[int]) -> Text:
    def moved(label: int | str) -> int | str:
        if not isinstance(label, int):
            return label
        if label >= len(order):
            raise InputError(f"text {text.id!r}: label {label} is none of the data set's {len(order)} classes")
        return order[label]

    return map_golds(text, moved)


def named_alike(label: str, names: Sequence[str]) -> list[int]:
    """Returns the indices of the classes with this name; without an exact match, case is ignored.

    Args:
        label: a name.
        names: the model's class names, by index.
    """
    exact = [i for i, name in enumerate(names) if name == label]
    return exact or [i for i, name in enumerate(names) if name.casefold() == label.casefold()]


def _stream(texts: Iterable[Text], names: Sequence[str]) -> Iterator[Text]:
    for number, text in enumerate(texts):
        if _indexed(text, len(names)):
            yield text
        else:
            yield with_index(text, names, f"text number {number} (counting from 0{f'; {text.id}' if text.id else ''})")


def _known(names: Sequence[str]) -> str:
    """Returns the first twelve of the model's classes, each with its index and name, for error messages."""
    more = f" … ({len(names)} in all)" if len(names) > 12 else ""
    return ", ".join(f"{i} {name!r}" for i, name in enumerate(names[:12])) + more
