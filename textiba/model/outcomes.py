"""Outcomes: the question that a model is asked. An outcome turns the model's raw output into logits [batch, outcomes].

With these logits, softmax, cross-entropy, targets and degradation work for every task. A yes-or-no question, such as
"above 3.5?", has two outcomes with the logits [0, z]. Their softmax is the sigmoid of z; z is the log-odds of "yes".
"""

import abc
from typing import Any, ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional

from textiba.errors import SettingError, UnsupportedModelError
from textiba.model.limits import usable_length
from textiba.model.reading import (
    Reading,
    binary,
    class_labels,
    class_logits,
    find_label,
    last_hidden_state,
    mean_pooled,
)
from textiba.settings import Settings
from textiba.texts.batches import Batch
from textiba.types import at_least_float32


class Outcome(Settings, abc.ABC):
    """The question that a model is asked.

    Class attributes:
        kind: the outcome's name in configs.
    """

    kind: ClassVar[str]
    loaded_as: ClassVar[str] = "AutoModelForSequenceClassification"

    @abc.abstractmethod
    def bind(self, module: Any, tokenizer: Any) -> Reading:
        """Returns the `Reading` that computes this outcome's logits from the model's output.

        Args:
            module: the Hugging Face model.
            tokenizer: the model's tokenizer.

        Raises:
            TargetError: the model has no such label.
            SettingError: a setting does not fit the model, for example a candidate that is not a single token.
            UnsupportedModelError: the model's output lacks the values that the outcome reads.
        """


class Classes(Outcome):
    """Which of the model's mutually exclusive classes (one softmax) holds?"""

    kind: ClassVar[str] = "classes"

    def bind(self, module: Any, tokenizer: Any) -> Reading:
        """See `Outcome.bind`."""
        labels = class_labels(module.config)
        return Reading(class_logits(labels), labels, "which class")


class Labels(Outcome):
    """Which of the model's labels hold, where several may hold at once (one sigmoid per label)?"""

    kind: ClassVar[str] = "labels"

    def bind(self, module: Any, tokenizer: Any) -> Reading:
        """See `Outcome.bind`."""
        labels = class_labels(module.config)
        return Reading(class_logits(labels), labels, "which label", True, "log_odds")


class Label(Outcome):
    """Does one label hold? For a multi-label model, or the single logit of a reranker.

    Attributes:
        label: the label's name in the model's config, or its index.
    """

    kind: ClassVar[str] = "label"
    label: str | int

    def bind(self, module: Any, tokenizer: Any) -> Reading:
        """See `Outcome.bind`."""
        labels = class_labels(module.config)
        index = find_label(labels, self.label)
        name = labels[index]
        logits = class_logits(labels)
        read = binary(lambda output, batch: logits(output, batch)[:, index])
        return Reading(read, (f"not {name}", name), f"label {name}", False, "log_odds", False)


class Above(Outcome):
    """Is a value above a threshold? For regression, rerankers and similarity scores.

    The logits are [0, (value − threshold) / scale].

    Attributes:
        threshold: the threshold, in the value's unit.
        scale: difference of the value that counts as one unit of log-odds.
        label: name or index of the model's output that gives the value.
    """

    kind: ClassVar[str] = "above"
    threshold: float = 0.0
    scale: float = Field(default=1.0, gt=0)
    label: str | int = 0

    def bind(self, module: Any, tokenizer: Any) -> Reading:
        """See `Outcome.bind`."""
        labels = class_labels(module.config)
        index, logits = find_label(labels, self.label), class_logits(labels)

        def value(output: Any, batch: Batch) -> Tensor:
            return (logits(output, batch)[:, index] - self.threshold) / self.scale

        names = (f"at most {self.threshold:g}", f"above {self.threshold:g}")
        return Reading(binary(value), names, f"above {self.threshold:g}", False, "log_odds", False)


class Rather(Outcome):
    """Class A rather than class B? The log-odds are the margin z_A − z_B; other classes do not matter.

    Attributes:
        this: class A, by name or index.
        that: class B, by name or index.
    """

    kind: ClassVar[str] = "rather"
    this: str | int
    that: str | int

    def bind(self, module: Any, tokenizer: Any) -> Reading:
        """See `Outcome.bind`."""
        labels = class_labels(module.config)
        one, other = find_label(labels, self.this), find_label(labels, self.that)
        if one == other:
            raise SettingError(f"'this' and 'that' must be two classes; got '{labels[one]}' twice")
        logits = class_logits(labels)

        def read(output: Any, batch: Batch) -> Tensor:
            return logits(output, batch)[:, [other, one]]

        names = (labels[other], labels[one])
        return Reading(read, names, f"{labels[one]} rather than {labels[other]}", False, "log_odds", False)


class Similarity(Outcome):
    """Is a text similar to another text? For a bi-encoder without a head (`AutoModel`).

    The logits are [0, (cosine − threshold) / scale], with the cosine of the texts' mean-pooled embeddings. The other
    text is embedded once, and methods do not explain it.

    Attributes:
        to: the other text.
        threshold: the cosine from which two texts count as similar.
        scale: difference of the cosine that counts as one unit of log-odds.
    """

    kind: ClassVar[str] = "similarity"
    loaded_as: ClassVar[str] = "AutoModel"
    to: str = Field(min_length=1)
    threshold: float = Field(default=0.5, ge=-1, le=1)
    scale: float = Field(default=0.1, gt=0)

    def bind(self, module: Any, tokenizer: Any) -> Reading:
        """See `Outcome.bind`."""
        device = next(module.parameters()).device
        limit = usable_length(module, tokenizer, None)
        table = tokenizer([self.to], return_tensors="pt", truncation=True, max_length=limit)
        inputs = {name: values.to(device) for name, values in table.items()}
        with torch.no_grad():
            output = module(**inputs)
        other = mean_pooled(output, inputs["attention_mask"].bool())

        def value(output: Any, batch: Batch) -> Tensor:
            pooled = mean_pooled(output, batch.attention_mask)
            cosine = functional.cosine_similarity(pooled, other.to(pooled), dim=1)
            return (cosine - self.threshold) / self.scale

        names = ("dissimilar", "similar")
        return Reading(binary(value), names, f"similar to '{self.to[:40]}'", False, "log_odds", False)


class PooledClasses(Outcome):
    """Which of some exclusive classes holds, by a linear head on the pooled last hidden state? For SetFit models.

    Attributes:
        weights: weights of the head [classes, features].
        bias: biases of the head [classes].
        names: names of the classes.
        pooling: "mean" over the tokens that are attended to, or the "first" token.
        normalize: whether the pooled embedding is scaled to length 1.
    """

    kind: ClassVar[str] = "pooled_classes"
    loaded_as: ClassVar[str] = "AutoModel"
    weights: tuple[tuple[float, ...], ...] = Field(min_length=2, repr=False)
    bias: tuple[float, ...]
    names: tuple[str, ...]
    pooling: Literal["mean", "first"] = "mean"
    normalize: bool = False

    def bind(self, module: Any, tokenizer: Any) -> Reading:
        """See `Outcome.bind`."""
        weights, bias = torch.tensor(self.weights), torch.tensor(self.bias)
        if not len(weights) == len(bias) == len(self.names):
            raise SettingError(f"a head of {len(weights)} classes has {len(bias)} biases and {len(self.names)} names")

        def read(output: Any, batch: Batch) -> Tensor:
            if self.pooling == "mean":
                pooled = mean_pooled(output, batch.attention_mask)
            else:
                pooled = last_hidden_state(output)[:, 0]
            pooled = at_least_float32(pooled)
            if self.normalize:
                pooled = functional.normalize(pooled, dim=1)
            return functional.linear(pooled, weights.to(pooled), bias.to(pooled))

        return Reading(read, self.names, "which class")


def default_outcome(module: Any) -> Outcome:
    """Returns the outcome that fits a model's head and config.

    The outcome is `Above()` for a head with one output, `Labels()` for a multi-label head, and `Classes()` otherwise.

    Raises:
        UnsupportedModelError: the model has no classification head, predicts several values by regression, or its
            config does not tell its labels.
    """
    config = module.config
    if not any(base.__name__.endswith("ForSequenceClassification") for base in type(module).__mro__):
        raise UnsupportedModelError(
            f"{type(module).__name__} has no classification head; load it as AutoModelForSequenceClassification, or "
            "give an outcome: outcome=NextToken(…) for a causal language model, MaskedToken(…) for a masked language "
            "model, Similarity(…) for an encoder without a head, Tag(…) for a token classifier, Answer(…) for "
            "question answering"
        )
    labels = class_labels(config)
    if len(labels) == 1:
        return Above()
    if config.problem_type == "regression":
        raise UnsupportedModelError(
            f"the model predicts {len(labels)} values by regression; choose one value and a threshold: "
            f"outcome=Above(label={labels[0]!r}, threshold=0), or --above 0 --label {labels[0]}"
        )
    return Labels() if config.problem_type == "multi_label_classification" else Classes()
