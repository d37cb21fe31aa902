"""Readings turn a model's raw output into the logits of an outcome, and into the numbers that methods explain."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from operator import index
from typing import Any, Literal, SupportsIndex

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from textiba.errors import SettingError, TargetError, UnsupportedModelError
from textiba.texts.batches import Batch
from textiba.texts.labels import named_alike
from textiba.types import Logits, Mask, State, Targets, at_least_float32

TargetOutput = Literal["auto", "logit", "log_probability", "log_odds", "probability"]


@dataclass(frozen=True, eq=False)
class Reading:
    """An outcome bound to a model.

    Attributes:
        read: function from the model's output and the batch to logits [batch, outcomes].
        labels: the names of the outcomes.
        words: the question, in words; every result contains it.
        independent: whether each outcome has its own sigmoid; otherwise the outcomes share one softmax.
        explained: the output that methods explain by default: "log_probability" (nats), or "log_odds" (nats) for
            yes-or-no outcomes and independent labels.
        classes: whether a text's gold label is an index into the outcomes.
        template: the prompt before and after each text; the prompt is never scored.
        places: the words whose outputs are read. If all tokens of such a word would be removed, a mask token keeps the
            word's place.
    """

    read: Callable[[Any, Batch], Tensor]
    labels: tuple[str, ...]
    words: str
    independent: bool = False
    explained: Literal["log_probability", "log_odds"] = "log_probability"
    classes: bool = True
    template: tuple[str, str] = ("", "")
    places: tuple[int, ...] = ()

    def logits(self, output: Any, batch: Batch) -> Logits:
        """Returns the logits of every outcome, in float32 or float64."""
        return at_least_float32(self.read(output, batch))

    def log_probabilities(self, logits: Logits) -> Logits:
        """Returns the log-probability of every outcome, nats."""
        return functional.logsigmoid(logits) if self.independent else logits.log_softmax(dim=-1)

    def target_output(self, logits: Logits, targets: Targets, output: TargetOutput) -> Float[Tensor, " batch"]:
        """Returns one number per row: the target's logit, log-probability (nats), log-odds (nats) or probability.

        Args:
            logits: logits of every outcome.
            targets: index of the target, for each row.
            output: the output; "auto" takes `explained`.
        """
        column = targets[:, None]
        output = self.explained if output == "auto" else output
        if output == "logit":
            return logits.gather(1, column)[:, 0]
        if output == "log_odds":
            own = logits.gather(1, column)[:, 0]
            if self.independent or logits.shape[1] == 1:
                return own
            return own - logits.scatter(1, column, -torch.inf).logsumexp(dim=1)
        log_p = self.log_probabilities(logits).gather(1, column)[:, 0]
        return log_p if output == "log_probability" else log_p.exp()


def class_logits(labels: Sequence[str]) -> Callable[[Any, Batch], Logits]:
    """Returns the function that reads the logits of a classification head [batch, labels] from the model's output.

    The function raises `UnsupportedModelError` if the output has no such logits, or not one for each label.

    Args:
        labels: the names of the model's labels.
    """
    return partial(_class_logits, labels=labels)


def _class_logits(output: Any, _batch: Batch, labels: Sequence[str]) -> Logits:
    logits = getattr(output, "logits", None)
    if logits is None or logits.dim() != 2:
        raise UnsupportedModelError(
            "this outcome needs one row of logits for each text, and the model's output has none; load the model with "
            "AutoModelForSequenceClassification"
        )
    if logits.shape[1] != len(labels):
        raise UnsupportedModelError(
            f"the head gives {logits.shape[1]} logit(s), and the config names {len(labels)} label(s), "
            f"{list(labels[:8])}; give model.config.id2label a name for each index from 0 to {logits.shape[1] - 1}"
        )
    return logits


def class_labels(config: Any) -> tuple[str, ...]:
    """Returns the names of a model's labels, by index; "LABEL_2" if `id2label` has no name for index 2.

    `id2label` may be a list of names, or map names to indices as `label2id` does.

    Raises:
        UnsupportedModelError: the config does not tell how many labels there are, or `id2label` numbers a label that
            does not exist.
    """
    found = config.id2label
    if found is None:
        raise UnsupportedModelError(
            "the model's config has no labels (id2label is None); name them: model.config.id2label = "
            "{0: 'negative', 1: 'positive'}"
        )
    pairs = list(enumerate(found)) if isinstance(found, list | tuple) else list(found.items())
    if pairs and not any(_is_index(key) for key, _ in pairs) and all(_is_index(value) for _, value in pairs):
        pairs = [(index, name) for name, index in pairs]
    if not all(_is_index(key) and int(key) < len(pairs) for key, _ in pairs):
        raise UnsupportedModelError(
            f"id2label in the model's config maps the indices from 0 to {len(pairs) - 1} to names; got {found}. Set "
            "model.config.id2label"
        )
    names = {int(index): f"LABEL_{index}" if name is None else str(name) for index, name in pairs}
    return tuple(names.get(index, f"LABEL_{index}") for index in range(len(pairs)))


def _is_index(value: object) -> bool:
    """Whether a key or value of `id2label` is an index.

    An index is a whole number, or a string of digits, because JSON's keys are strings.
    """
    return (type(value) is int and value >= 0) or (isinstance(value, str) and value.isascii() and value.isdecimal())


def find_label(labels: Sequence[str], label: str | SupportsIndex) -> int:
    """Returns the index of a label that is given by index or by name.

    A name that matches no label exactly is compared again without regard to case, and must then match one label only.

    Args:
        labels: the names of all labels.
        label: name or index.

    Raises:
        TargetError: there is no such label.
    """
    if not isinstance(label, str | bool):
        with suppress(TypeError):  # not a whole number
            if 0 <= index(label) < len(labels):
                return index(label)
    elif len(found := named_alike(str(label), labels)) == 1:
        return found[0]
    raise TargetError(f"a label must be one of {list(labels)}, or an index from 0 to {len(labels) - 1}; got {label!r}")


def single_token(tokenizer: Any, word: str) -> int:
    """Returns the token id of a word that is a single token.

    Raises:
        SettingError: the tokenizer splits the word, or does not know it.
    """
    ids = tokenizer(word, add_special_tokens=False)["input_ids"]
    if len(ids) != 1 or ids[0] == tokenizer.unk_token_id:
        raise SettingError(
            f"a candidate must be a single token of the model; {word!r} is {tokenizer.convert_ids_to_tokens(ids)}. Try "
            "the word with or without a leading space, or another word"
        )
    return int(ids[0])


def last_hidden_state(output: Any) -> State:
    """The last hidden state of an encoder without a head.

    Raises:
        UnsupportedModelError: the output has none.
    """
    state = getattr(output, "last_hidden_state", None)
    if state is None:
        raise UnsupportedModelError("this outcome reads the last hidden state; load the model with AutoModel")
    return state


def mean_pooled(output: Any, attended: Mask) -> Float[Tensor, "batch features"]:
    """Returns the mean of the last hidden state over the tokens that are attended to.

    Args:
        output: the model's output.
        attended: True for the tokens that are attended to.

    Raises:
        UnsupportedModelError: the output has no last hidden state.
    """
    state = last_hidden_state(output)
    weights = attended.unsqueeze(-1).to(state.dtype)
    return (state * weights).sum(dim=1) / weights.sum(dim=1).clamp_min(1)


def binary(value: Callable[[Any, Batch], Tensor]) -> Callable[[Any, Batch], Tensor]:
    """Turns a function that reads z into one that reads the logits [0, z], whose softmax is the sigmoid of z."""

    def read(output: Any, batch: Batch) -> Tensor:
        z = at_least_float32(value(output, batch))
        return torch.stack([torch.zeros_like(z), z], dim=1)

    return read
