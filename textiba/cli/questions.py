"""Turns the options of the command line that ask a model a question into an outcome, and those on long texts."""

from typing import TYPE_CHECKING, Annotated

import typer

from textiba.errors import InputError

if TYPE_CHECKING:
    from textiba.model.outcomes import Outcome
    from textiba.texts.windows import Windows


def question(
    target: str | None, label: str | None, above: float | None, following: str | None, similar_to: str | None,
    template: str | None, tag: str | None = None, answer: str | None = None,
) -> "tuple[Outcome | None, str]":  # fmt: skip
    """Returns the outcome that the options ask for, and the answer of it that is explained.

    Args:
        target: "predicted", "gold", a class, or "A:B" for class A rather than class B; None where it was not given.
        label: one label of a multi-label model, to ask whether the label holds.
        above: a threshold, to ask whether the model's value is above it. `label` then names one of several values.
        following: words separated by "|". A causal language model is asked which word comes next; if the template has a
            mask token, a masked language model is asked which word fills it.
        similar_to: a text, to ask whether the explained text is similar to it.
        template: the prompt, with {text} in the place of the text.
        tag: for a token classifier, a word's number and, after a colon, the tag to explain, such as "7:B-PER".
        answer: the numbers of an answer's first and last word, such as "12-14", or one number.

    Returns:
        The outcome, or None for the question that follows from the model's head and config; and the target.

    Raises:
        InputError: more than one question, or a template without words to choose from.
    """
    from textiba.model.outcomes import Above, Label, Rather, Similarity
    from textiba.model.places import Answer, Tag
    from textiba.model.tokens import MaskedToken, NextToken
    from textiba.texts.values import index_or_name

    rather = target.split(":") if target and target.count(":") == 1 else None
    given = {
        "--label": label if above is None else None,  # with --above, --label names one of the model's outputs
        "--above": above,
        "--next": following,
        "--similar-to": similar_to,
        "--target A:B": rather,
        "--tag": tag,
        "--answer": answer,
    }
    asked = [name for name, value in given.items() if value is not None]
    if len(asked) > 1:
        raise InputError(f"a model is asked one question at a time; got {' and '.join(asked)}")
    if template is not None and following is None:
        raise InputError("--template goes with --next, which names the words to choose from")
    if rather:
        return Rather(this=rather[0].strip(), that=rather[1].strip()), "1"
    named = None if label is None else index_or_name(label)
    if above is not None:
        return Above(threshold=above, label=0 if named is None else named), target or "1"
    if named is not None:
        return Label(label=named), target or "1"
    if similar_to is not None:
        return Similarity(to=similar_to), target or "1"
    if tag is not None:
        number, _, name = tag.partition(":")
        return Tag(word=_number(number, "--tag 7:B-PER")), name or target or "predicted"
    if answer is not None:
        first, _, last = answer.partition("-")
        span = (_number(part, "--answer 12-14") for part in (first, last or first))
        return Answer(**dict(zip(("first", "last"), span, strict=True))), target or "1"
    if following is not None:
        words, text = tuple(following.split("|")), template or "{text}"
        kind = MaskedToken if any(mask in text for mask in ("[MASK]", "<mask>")) else NextToken
        return kind(candidates=words, template=text), target or "predicted"
    return None, target or "predicted"


WindowsOption = Annotated[
    int | None,
    typer.Option(
        min=0, metavar="STRIDE", help="Read longer texts in windows that share this many tokens; else cut them."
    ),
]
Combine = Annotated[
    str | None, typer.Option(help="How the probabilities of a text's windows are combined: mean (the default) or max.")
]


def windows_of(stride: int | None, combine: str | None = None) -> "Windows | None":
    """Returns the windows that the options ask for, or None.

    Raises:
        InputError: `combine` is given without `stride`.
        SettingError: `combine` is neither "mean" nor "max".
    """
    from textiba.texts.windows import Windows

    if stride is None:
        if combine is not None:
            raise InputError("--combine is about the windows of long texts; give --windows too")
        return None
    return Windows.from_mapping({"stride": stride, "combine": combine or "mean"}, "--windows")


def _number(text: str, example: str) -> int:
    if not (text.strip().isascii() and text.strip().isdecimal()):
        raise InputError(f"words are counted from 0, such as {example}; got {text!r}")
    return int(text)
