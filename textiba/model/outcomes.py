"""What a model is asked, as an outcome: its raw output becomes [batch, outcomes] logits, in this one place.

Softmax, cross-entropy, targets and degradation then work for every task. A yes-or-no question, such as "above 3.5?",
becomes two outcomes with the logits [0, z]: their softmax is the sigmoid of z, and z is the log-odds of "yes".
"""

import abc
from typing import Any, ClassVar

import torch
from pydantic import Field, field_validator
from torch import Tensor
from torch.nn import functional

from textiba.errors import SettingError, UnsupportedModelError
from textiba.model.reading import (
    Reading,
    binary,
    class_labels,
    class_logits,
    find_label,
    mean_pooled,
    single_token,
)
from textiba.settings import Settings
from textiba.texts.batches import Batch
from textiba.types import Targets


class Outcome(Settings, abc.ABC):
    """What a model is asked. Bound to a model it says how the model's output is read."""

    kind: ClassVar[str]

    @abc.abstractmethod
    def bind(self, module: Any, tokenizer: Any) -> Reading:
        """The outcome for one model.

        Raises:
            SettingError: the model has no such label or token.
            UnsupportedModelError: the model has another kind of head.
        """


class Classes(Outcome):
    """Which of the model's exclusive classes (softmax)?"""

    kind: ClassVar[str] = "classes"

    def bind(self, module: Any, tokenizer: Any) -> Reading:
        """See `Outcome.bind`."""
        return Reading(class_logits, class_labels(module.config), "which class")


class Labels(Outcome):
    """Which of the model's labels, where several may hold at once (a sigmoid each)?"""

    kind: ClassVar[str] = "labels"

    def bind(self, module: Any, tokenizer: Any) -> Reading:
        """See `Outcome.bind`."""
        return Reading(class_logits, class_labels(module.config), "which label", True, "log_odds")


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
        read = binary(lambda output, batch: class_logits(output, batch)[:, index])
        return Reading(read, (f"not {name}", name), f"label {name}", False, "log_odds", False)


class Above(Outcome):
    """Is a value above a threshold? For regression, rerankers and similarity scores.

    The logits are [0, (value − threshold) / scale].

    Attributes:
        threshold: in the value's unit.
        scale: what counts as one unit of log-odds.
        label: which of the model's outputs the value is, by name or index.
    """

    kind: ClassVar[str] = "above"
    threshold: float = 0.0
    scale: float = Field(default=1.0, gt=0)
    label: str | int = 0

    def bind(self, module: Any, tokenizer: Any) -> Reading:
        """See `Outcome.bind`."""
        index = find_label(class_labels(module.config), self.label)

        def value(output: Any, batch: Batch) -> Tensor:
            return (class_logits(output, batch)[:, index] - self.threshold) / self.scale

        names = (f"at most {self.threshold:g}", f"above {self.threshold:g}")
        return Reading(binary(value), names, f"above {self.threshold:g}", False, "log_odds", False)


class Rather(Outcome):
    """Class A rather than class B: the margin z_A − z_B, which other classes do not enter.

    Attributes:
        this: class A, by name or index.
        that: class B.
    """

    kind: ClassVar[str] = "rather"
    this: str | int
    that: str | int

    def bind(self, module: Any, tokenizer: Any) -> Reading:
        """See `Outcome.bind`."""
        labels = class_labels(module.config)
        one, other = find_label(labels, self.this), find_label(labels, self.that)
        if one == other:
            raise SettingError(f"class A rather than class B needs two classes; got '{labels[one]}' twice")

        def read(output: Any, batch: Batch) -> Tensor:
            return class_logits(output, batch)[:, [other, one]]

        names = (labels[other], labels[one])
        return Reading(read, names, f"{labels[one]} rather than {labels[other]}", False, "log_odds", False)


class _Token(Outcome, abc.ABC):
    """One of some candidate tokens, read from a language model's logits at one position.

    Attributes:
        candidates: words, each a single token of the model; a leading space belongs to the word.
        template: with `{text}` where the text stands; the rest is the prompt, which is never scored or removed.
    """

    candidates: tuple[str, ...] = Field(min_length=2)
    template: str = "{text}"

    @field_validator("template")
    @classmethod
    def _holds_the_text(cls, template: str) -> str:
        if template.count("{text}") != 1:
            raise ValueError("a template holds {text} once")
        return template

    @abc.abstractmethod
    def _at(self, batch: Batch, tokenizer: Any) -> Targets:
        """The position that is read in each row."""

    def _bound(self, tokenizer: Any, words: str) -> Reading:
        ids = [single_token(tokenizer, word) for word in self.candidates]

        def read(output: Any, batch: Batch) -> Tensor:
            logits = getattr(output, "logits", None)
            if logits is None or logits.dim() != 3:
                raise UnsupportedModelError(
                    "this outcome reads a language model's logits for every token; load the model with "
                    "AutoModelForCausalLM or AutoModelForMaskedLM"
                )
            rows = torch.arange(len(logits), device=logits.device)
            return logits[rows, self._at(batch, tokenizer)][:, ids]

        before, after = self.template.split("{text}")
        names = tuple(word.strip() for word in self.candidates)
        return Reading(read, names, f"{words} {' or '.join(names)}", classes=True, template=(before, after))


class NextToken(_Token):
    """Which of the candidates comes next? A causal language model as a prompted classifier. See `_Token`."""

    kind: ClassVar[str] = "next"

    def bind(self, module: Any, tokenizer: Any) -> Reading:
        """See `Outcome.bind`."""
        return self._bound(tokenizer, "next token:")

    def _at(self, batch: Batch, tokenizer: Any) -> Targets:
        return batch.attention_mask.long().cumsum(dim=1).argmax(dim=1)


class MaskedToken(_Token):
    """Which of the candidates stands at the mask? A masked language model as a prompted classifier. See `_Token`.

    The template holds the tokenizer's mask token once, such as "{text} It was [MASK].".
    """

    kind: ClassVar[str] = "masked"

    def bind(self, module: Any, tokenizer: Any) -> Reading:
        """See `Outcome.bind`."""
        mask = tokenizer.mask_token
        if mask is None or self.template.count(mask) != 1:
            raise SettingError(
                f"a masked token needs a template with {mask or 'a mask token'} once; got {self.template!r}"
            )
        return self._bound(tokenizer, "masked token:")

    def _at(self, batch: Batch, tokenizer: Any) -> Targets:
        # The mask of the template, not one that stands in the text for a removed token.
        return (batch.special & (batch.input_ids == tokenizer.mask_token_id)).long().argmax(dim=1)


class Similarity(Outcome):
    """Is a text similar to another? The cosine of two mean-pooled embeddings, against a threshold.

    For a bi-encoder without a head (`AutoModel`): the other text is embedded once, and the text's side is explained.

    Attributes:
        to: the other text.
        threshold: a cosine.
        scale: what counts as one unit of log-odds.
    """

    kind: ClassVar[str] = "similarity"
    to: str = Field(min_length=1)
    threshold: float = Field(default=0.5, ge=-1, le=1)
    scale: float = Field(default=0.1, gt=0)

    def bind(self, module: Any, tokenizer: Any) -> Reading:
        """See `Outcome.bind`."""
        device = next(module.parameters()).device
        inputs = {k: v.to(device) for k, v in tokenizer([self.to], return_tensors="pt", truncation=True).items()}
        with torch.no_grad():
            output = module(**inputs)
        other = mean_pooled(output, inputs["attention_mask"].bool())

        def value(output: Any, batch: Batch) -> Tensor:
            cosine = functional.cosine_similarity(mean_pooled(output, batch.attention_mask), other, dim=1)
            return (cosine - self.threshold) / self.scale

        names = ("dissimilar", "similar")
        return Reading(binary(value), names, f"similar to '{self.to[:40]}'", False, "log_odds", False)


OUTCOMES: dict[str, type[Outcome]] = {
    o.kind: o for o in (Classes, Labels, Label, Above, Rather, NextToken, MaskedToken, Similarity)
}


def default_outcome(module: Any) -> Outcome:
    """The outcome that a model's head and config tell.

    Raises:
        UnsupportedModelError: they tell none: a model without a classification head.
    """
    config = module.config
    if not any(base.__name__.endswith("ForSequenceClassification") for base in type(module).__mro__):
        raise UnsupportedModelError(
            f"{type(module).__name__} has no classification head; load it as AutoModelForSequenceClassification, or "
            "say what is asked of it: outcome=NextToken(…) for a causal, MaskedToken(…) for a masked language model, "
            "Similarity(…) for an encoder without a head"
        )
    if config.num_labels == 1:
        return Above()
    return Labels() if config.problem_type == "multi_label_classification" else Classes()


def make_outcome(kind: str, **settings: Any) -> Outcome:
    """An outcome by its name.

    Raises:
        SettingError: no such outcome, or a setting out of its range.
    """
    if kind not in OUTCOMES:
        raise SettingError(f"an outcome is one of {sorted(OUTCOMES)}; got {kind!r}")
    return OUTCOMES[kind](**settings)
