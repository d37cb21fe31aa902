"""How a model's output is read: the logits of an outcome, and the numbers that methods explain."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from textiba.errors import SettingError, TargetError, UnsupportedModelError
from textiba.texts.batches import Batch
from textiba.types import Logits, Mask, Targets, at_least_float32

TargetOutput = Literal["auto", "logit", "log_probability", "log_odds", "probability"]


@dataclass(frozen=True, eq=False)
class Reading:
    """An outcome bound to a model: how its output is read.

    Attributes:
        read: from the model's output and the batch to logits [batch, outcomes].
        labels: the names of the outcomes.
        words: the question, in words; every result says it.
        independent: whether each outcome has a probability of its own (a sigmoid) rather than a share of one (softmax).
        explained: what methods explain by default: "log_probability" (nats), or "log_odds" (nats) for yes or no.
        classes: whether outcome i is the model's own class i, so that gold labels can be compared.
        template: text before and after each text; it is never scored.
    """

    read: Callable[[Any, Batch], Tensor]
    labels: tuple[str, ...]
    words: str
    independent: bool = False
    explained: Literal["log_probability", "log_odds"] = "log_probability"
    classes: bool = True
    template: tuple[str, str] = ("", "")

    def logits(self, output: Any, batch: Batch) -> Logits:
        """The logits of every outcome, in float32 or longer."""
        return at_least_float32(self.read(output, batch))

    def log_probabilities(self, logits: Logits) -> Logits:
        """The log-probability of every outcome, nats."""
        return functional.logsigmoid(logits) if self.independent else logits.log_softmax(dim=-1)

    def target_output(self, logits: Logits, targets: Targets, output: TargetOutput) -> Float[Tensor, " batch"]:
        """One number per row: the target's logit, log-probability (nats), log-odds (nats) or probability."""
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


def class_logits(output: Any, batch: Batch) -> Logits:
    """The logits of a classification head [batch, labels].

    Raises:
        UnsupportedModelError: the output has none.
    """
    logits = getattr(output, "logits", None)
    if logits is None or logits.dim() != 2:
        raise UnsupportedModelError("this outcome reads one row of logits for each text; the model returns none")
    return logits


def class_labels(config: Any) -> tuple[str, ...]:
    """The names of a model's labels, by index; "LABEL_2" where the config has no name."""
    names = {int(index): str(name) for index, name in (config.id2label or {}).items()}
    return tuple(names.get(index, f"LABEL_{index}") for index in range(int(config.num_labels)))


def find_label(labels: Sequence[str], label: str | int) -> int:
    """The index of a label that is given by name (in any case, where that is unambiguous) or by index.

    Raises:
        TargetError: there is no such label.
    """
    if isinstance(label, int) and not isinstance(label, bool):
        if 0 <= label < len(labels):
            return label
    else:
        exact = [i for i, name in enumerate(labels) if name == label]
        found = exact or [i for i, name in enumerate(labels) if name.lower() == str(label).lower()]
        if len(found) == 1:
            return found[0]
    raise TargetError(f"a label is one of {list(labels)}, or an index from 0 to {len(labels) - 1}; got {label!r}")


def single_token(tokenizer: Any, word: str) -> int:
    """The id of a word that is one token.

    Raises:
        SettingError: the tokenizer splits it, or does not know it.
    """
    ids = tokenizer(word, add_special_tokens=False)["input_ids"]
    if len(ids) != 1 or ids[0] == tokenizer.unk_token_id:
        raise SettingError(
            f"a candidate is a single token of the model; {word!r} is {tokenizer.convert_ids_to_tokens(ids)}. A leading "
            "space often makes the difference"
        )
    return int(ids[0])


def mean_pooled(output: Any, attended: Mask) -> Float[Tensor, "batch features"]:
    """The mean of the last hidden state over the tokens that are attended to.

    Raises:
        UnsupportedModelError: the output has no last hidden state.
    """
    state = getattr(output, "last_hidden_state", None)
    if state is None:
        raise UnsupportedModelError("similarity reads the last hidden state; load the model with AutoModel")
    weights = attended.unsqueeze(-1).to(state.dtype)
    return (state * weights).sum(dim=1) / weights.sum(dim=1).clamp_min(1)


def binary(value: Callable[[Any, Batch], Tensor]) -> Callable[[Any, Batch], Tensor]:
    """Reads [0, z]: two outcomes whose softmax is the sigmoid of z."""

    def read(output: Any, batch: Batch) -> Tensor:
        z = at_least_float32(value(output, batch))
        return torch.stack([torch.zeros_like(z), z], dim=1)

    return read
