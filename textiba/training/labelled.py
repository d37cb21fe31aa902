"""Labelled texts for training: the classes, and the split into texts for training and texts for the test."""

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path

from textiba.errors import InputError
from textiba.texts.columns import Named
from textiba.texts.golds import map_golds
from textiba.texts.labels import by_name, class_index, resolve_labels
from textiba.texts.sources import LABELS, is_file, open_texts
from textiba.texts.tables import Rows, text_hash
from textiba.texts.text import Text
from textiba.texts.values import shown

_IMDB = ("neg", "pos")  # what the hub's IMDB calls its classes


@dataclass(frozen=True, slots=True)
class LabelledTexts:
    """Texts for training and test, with labels and tags as indices of the classes.

    Attributes:
        train: texts for training.
        test: texts for the test. None of them is in `train`, unless a data set's own test part repeats a training text.
        labels: names of the classes, by index; for a regression, the name of the value.
        tested_on: where the test texts come from, in words.
    """

    train: Sequence[Text]
    test: Sequence[Text]
    labels: tuple[str, ...]
    tested_on: str


@dataclass(frozen=True, slots=True)
class Choice:
    """Where labelled texts come from.

    Attributes:
        data: a file, which is split unless there is a `test_data`; or a folder or hub id with a "train" part.
        test_data: where the test texts come from; None takes the "test" part of `data`, or a share of the file.
        test_share: share of a file's texts that is held out for the test.
        named: the columns that the user named.
        labels: names of the classes, by index. If empty, the names come from the data: the data set's names for its
            indices, or the labels themselves.
        limit: largest number of texts for training; None takes all.
        test_limit: largest number of texts for the test; None takes all.
        seed: seed of the order and of the split.
    """

    data: str
    test_data: str | None
    test_share: float
    named: Named
    labels: tuple[str, ...]
    limit: int | None
    test_limit: int | None
    seed: int


def labelled_texts(choice: Choice, own: Sequence[str] | None) -> LabelledTexts:
    """Reads the texts; if all are in one file, splits them into texts for training and texts for the test.

    Repeated texts of a file count once. A split keeps the share of each class; a class with one text is used only for
    training.

    Args:
        choice: where the texts come from.
        own: the class names of the model's own trained head, or None.

    Raises:
        InputError: a text has no label, there are fewer than two classes, the labels do not determine the classes, or
            no text is left for training or test.
    """
    train, test, tested_on, schema = _parts(choice, choice.labels or own)
    if choice.named.value is not None:
        for text in chain(train, test):
            if text.value is None:
                raise InputError(f"a regression needs a value for every text; {text.id or shown(text.text)} has none")
        if any(len({text.value for text in texts}) < 2 for texts in (train, test[: choice.test_limit])):
            raise InputError("a regression needs at least two different values, in the training and in the test texts")
        return LabelledTexts(train[: choice.limit], test[: choice.test_limit], (str(choice.named.value),), tested_on)
    found: set[int | str] = set()
    for text in chain(train, test):
        found |= _golds(text, choice.named.gold)
    names = class_names(found, choice.labels, own, schema, choice.named.gold == "label")
    train, test = (
        [_with_tag_index(text, names) for text in resolve_labels(part, names)]
        for part in (train[: choice.limit], test[: choice.test_limit])
    )
    return LabelledTexts(train, test, names, tested_on)


def _golds(text: Text, kind: str) -> set[int | str]:
    """The gold answers of a text; raises `InputError` if they are unknown."""
    name = text.id or shown(text.text)
    if kind == "label":
        if text.label is None:
            raise InputError(f"fine-tuning needs a label for every text; {name} has none")
        return {text.label}
    found = text.labels if kind == "labels" else text.tags
    if found is None:
        advice = "; an empty list says that no label holds" if kind == "labels" else ""
        raise InputError(f"fine-tuning needs a list of {kind} for every text; {name} has none{advice}")
    return set(found)


def _with_tag_index(text: Text, names: Sequence[str]) -> Text:
    if text.tags is None:
        return text
    try:
        return replace(text, tags=tuple(class_index(tag, names) for tag in text.tags))
    except InputError as error:
        raise InputError(f"text {text.id!r}: {error}") from None


def _opened(
    source: str, part: str, choice: Choice, known: Sequence[str] | None
) -> tuple[Sequence[Text], tuple[str, ...]]:
    """The texts of a source, and the names of its classes, which may be missing.

    If the source names its classes, its labels are replaced by these names; but not if other names are known for its
    indices.

    Args:
        source: see `Choice.data`.
        part: "train" or "test".
        choice: where the texts come from.
        known: names of the classes that the user gave, or those of the model's own head; None if there are none.
    """
    texts = open_texts(source, part, choice.seed, choice.named)
    if not isinstance(texts, Rows) or not texts.names:
        return texts, ()
    names = LABELS if texts.names == _IMDB else texts.names
    if known and not by_name(names, known):
        return texts, ()
    order = dict(enumerate(names))
    return texts.with_labels(lambda text: map_golds(text, lambda gold: order.get(gold, gold))), names  # type: ignore[call-overload]


def class_names(
    found: set[int | str],
    given: Sequence[str],
    own: Sequence[str] | None,
    schema: Sequence[str] = (),
    exclusive: bool = True,
) -> tuple[str, ...]:
    """The names of the classes, by index.

    The names come from the first of these sources that applies: the names that were given; the model's own head, if it
    has a class for every label; the data set's schema; the labels themselves if they are names, in alphabetical order
    (numbers by value). If the labels are indices, two exclusive classes are named "negative" and "positive", and others
    "0", "1", "2" ….

    Args:
        found: the labels in the data.
        given: names that the user gave; may be empty.
        own: the class names of the model's own trained head, or None.
        schema: the names that the data set has for its indices; may be empty.
        exclusive: whether exactly one of the classes holds for a text.

    Raises:
        InputError: there are fewer than two classes, some labels are names and some are indices, or the indices have
            gaps.
    """
    if given:
        if len(given) < 2:
            raise InputError(f"the setting labels names at least two classes; got {list(given)}")
        return tuple(given)
    if own is not None and all(_is_class(label, own) for label in found):
        return tuple(own)
    if schema and all(_is_class(label, schema) for label in found):
        return tuple(schema)
    listed = sorted(found, key=lambda label: (isinstance(label, str), _order(label)))
    said = f"{listed[:8]}{' …' if len(listed) > 8 else ''}"
    if len(listed) < 2:
        raise InputError(f"a classifier needs texts of at least two classes; the labels are {said}")
    names = [label for label in listed if isinstance(label, str)]
    if not names:
        if listed != list(range(len(listed))):
            raise InputError(
                f"labels that are whole numbers are class indices, 0 to the number of classes less 1; the labels are "
                f"{said}. Write them as strings to make them names, or name all classes: labels: [first, second, …]"
            )
        return LABELS if len(listed) == 2 and exclusive else tuple(map(str, listed))
    if len(names) < len(listed):
        raise InputError(f"labels are all names or all class indices; the labels are {said}")
    if len({name.casefold() for name in names}) < len(names):
        raise InputError(f"two labels differ by upper and lower case alone; spell each class one way. They are {said}")
    return tuple(names)


def _is_class(label: int | str, names: Sequence[str]) -> bool:
    try:
        class_index(label, names)
    except InputError:
        return False
    return True


def _order(label: int | str) -> tuple[float, str]:
    """A key for sorting: numbers come first, by value; names follow in alphabetical order."""
    text = str(label)
    return (float(text) if text.isascii() and text.isdecimal() else float("inf"), text)


def _parts(choice: Choice, known: Sequence[str] | None) -> tuple[Sequence[Text], Sequence[Text], str, tuple[str, ...]]:
    """Training texts, test texts, where the test texts come from, and the data set's names of its classes."""
    if choice.test_data is None and not is_file(choice.data):
        (train, names), (test, _) = (_opened(choice.data, part, choice, known) for part in ("train", "test"))
        return train, test, f"{choice.data}, its test part", names
    rows, names = _opened(choice.data, "train", choice, known)
    train = _distinct(rows)
    random.Random(choice.seed).shuffle(train)  # noqa: S311 - an order, not a secret
    if choice.test_data is None:
        held_out = _held_out(train, choice)
        rest = [text for i, text in enumerate(train) if i not in held_out]
        tested_on = f"{choice.test_share:.0%} of {choice.data}, held out with seed {choice.seed}"
        return rest, [train[i] for i in sorted(held_out)], tested_on, names
    if is_file(choice.data) and _same_file(choice.data, choice.test_data):
        raise InputError(
            f"test_data is the training data, {choice.data}; name another file, or leave test_data out: a share of the "
            "data is held out then"
        )
    test, _ = _opened(choice.test_data, "test", choice, known)
    seen = {text_hash(text.whole) for text in train}
    new = [text for text in test if text_hash(text.whole) not in seen]
    if not new:
        raise InputError(f"every text of {choice.test_data} is in {choice.data} too; accuracy needs texts that are not")
    repeated = len(test) - len(new)
    left_out = f"; {repeated} of its texts are in the training data too, and were left out" if repeated else ""
    random.Random(choice.seed).shuffle(new)  # noqa: S311
    return train, new, f"{choice.test_data}{left_out}", names


def _distinct(texts: Iterable[Text]) -> list[Text]:
    """Each distinct text once: its first occurrence."""
    return list({text_hash(text.whole): text for text in reversed(list(texts))}.values())[::-1]


def _same_file(one: str, other: str) -> bool:
    return Path(one).resolve() == Path(other).resolve()


def _held_out(texts: Sequence[Text], choice: Choice) -> set[int]:
    """The positions of the test texts: the first `test_share` of each class's texts, at least one, but never all."""
    classes: dict[int | str | None, list[int]] = {}
    for place, text in enumerate(texts):
        classes.setdefault(text.label, []).append(place)
    held: set[int] = set()
    for places in classes.values():
        count = min(max(1, round(choice.test_share * len(places))), len(places) - 1)
        held.update(places[:count])
    if not held:
        raise InputError(
            f"{choice.data}: {len(texts)} texts are too few to hold any out for the test; name a file of test texts: "
            "test_data"
        )
    return held
