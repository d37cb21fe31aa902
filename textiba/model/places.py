"""Outcomes at a place in the text: the tag of a word, and the answer to a question as a span of words."""

from typing import Any, ClassVar

import torch
from pydantic import Field, model_validator
from torch import Tensor

from textiba.errors import UnsupportedModelError
from textiba.model.outcomes import Outcome
from textiba.model.reading import Reading, binary, class_labels
from textiba.texts.batches import Batch
from textiba.types import Logits, Targets, at_least_float32


class Tag(Outcome):
    """Which tag does a word have? For token classifiers, such as named-entity recognisers.

    The logits are those of the word's first token. Words are counted as `Attribution.words()` lists them.

    Attributes:
        word: number of the word, from 0.
    """

    kind: ClassVar[str] = "tag"
    loaded_as: ClassVar[str] = "AutoModelForTokenClassification"
    word: int = Field(ge=0)

    def bind(self, module: Any, tokenizer: Any) -> Reading:
        """See `Outcome.bind`."""

        def read(output: Any, batch: Batch) -> Tensor:
            logits = getattr(output, "logits", None)
            if logits is None or logits.dim() != 3:
                raise UnsupportedModelError(
                    "this outcome needs logits for every token; load the model with AutoModelForTokenClassification"
                )
            return logits[torch.arange(len(logits), device=logits.device), _at(batch, self.word, last=False)]

        question = f"tag of word {self.word}"
        return Reading(read, class_labels(module.config), question, classes=False, places=(self.word,))


class Answer(Outcome):
    """Is this span of words the answer? For extractive question answering, with the question and the passage as a pair.

    The probability is the product of two: the probability that the answer starts at the first word's first token, and
    the probability that it ends at the last word's last token. Each of the two comes from a softmax over the tokens of
    the text. The words of the passage are counted after those of the question, as `Attribution.words()` lists them.

    Attributes:
        first: number of the answer's first word, from 0.
        last: number of the answer's last word.
    """

    kind: ClassVar[str] = "answer"
    loaded_as: ClassVar[str] = "AutoModelForQuestionAnswering"
    first: int = Field(ge=0)
    last: int = Field(ge=0)

    @model_validator(mode="after")
    def _in_order(self) -> "Answer":
        if self.last < self.first:
            raise ValueError(f"an answer's last word does not come before its first; got {self.first} and {self.last}")
        return self

    def bind(self, module: Any, tokenizer: Any) -> Reading:
        """See `Outcome.bind`."""

        def log_odds(output: Any, batch: Batch) -> Tensor:
            start, end = getattr(output, "start_logits", None), getattr(output, "end_logits", None)
            if start is None or end is None:
                raise UnsupportedModelError(
                    "this outcome needs logits of an answer's start and end; load the model with "
                    "AutoModelForQuestionAnswering"
                )
            log_p = _log_share(start, batch, _at(batch, self.first, last=False))
            log_p = log_p + _log_share(end, batch, _at(batch, self.last, last=True))
            return log_p - torch.log(-torch.expm1(log_p.clamp_max(-1e-7)))

        names = ("another answer", f"words {self.first} to {self.last}")
        places = (self.first, self.last)
        return Reading(binary(log_odds), names, f"answer {names[1]}", False, "log_odds", False, places=places)


def _at(batch: Batch, word: int, last: bool) -> Targets:
    """The position of a word's first or last token in each row; without such a word, that of the last scored token.

    Texts that are explained have the word (`Batching.check_places`); texts of the self-check and of statistics may lack
    it.
    """
    found = []
    for text in batch.texts:
        own = [i for i, number in enumerate(text.word_ids) if number == word] or text.content[-1:]
        found.append(own[-1 if last else 0])
    return torch.tensor(found, device=batch.input_ids.device)


def _log_share(logits: Logits, batch: Batch, position: Targets) -> Tensor:
    """Returns log softmax over the tokens of each text, at one position of each row; padding takes no share.

    Hidden tokens keep their share: a hidden token at `position` would have the log-probability −∞.
    """
    lengths = torch.tensor([len(text) for text in batch.texts], device=logits.device)
    padding = torch.arange(logits.shape[1], device=logits.device) >= lengths[:, None]
    shares = at_least_float32(logits).masked_fill(padding, -torch.inf).log_softmax(dim=1)
    return shares.gather(1, position[:, None])[:, 0]
