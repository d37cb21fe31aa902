"""Outcomes of language models: which of some candidate tokens comes next, or fills a mask."""

import abc
from typing import Any, ClassVar

import torch
from pydantic import Field, field_validator
from torch import Tensor

from textiba.errors import SettingError, UnsupportedModelError
from textiba.model.outcomes import Outcome
from textiba.model.reading import Reading, single_token
from textiba.texts.batches import Batch
from textiba.types import Targets


class Candidates(Outcome, abc.ABC):
    """Which of some candidate tokens? The logits are a language model's logits at one position.

    Attributes:
        candidates: words, each a single token of the model; a leading space counts as a part of the word.
        template: prompt with `{text}` in place of the text; the rest of the prompt is never scored or removed.
    """

    candidates: tuple[str, ...] = Field(min_length=2)
    template: str = "{text}"

    @field_validator("template")
    @classmethod
    def _holds_the_text(cls, template: str) -> str:
        if template.count("{text}") != 1:
            raise ValueError("a template must contain {text} exactly once")
        return template

    @abc.abstractmethod
    def _at(self, batch: Batch, tokenizer: Any) -> Targets:
        """Returns the position whose logits are read, in each row."""

    def _bound(self, tokenizer: Any, words: str) -> Reading:
        ids = [single_token(tokenizer, word) for word in self.candidates]

        def read(output: Any, batch: Batch) -> Tensor:
            logits = getattr(output, "logits", None)
            if logits is None or logits.dim() != 3:
                raise UnsupportedModelError(
                    "this outcome needs a language model, which returns logits for every token; load the model with "
                    "AutoModelForCausalLM or AutoModelForMaskedLM"
                )
            rows = torch.arange(len(logits), device=logits.device)
            return logits[rows, self._at(batch, tokenizer)][:, ids]

        before, after = self.template.split("{text}")
        names = tuple(word.strip() for word in self.candidates)
        return Reading(read, names, f"{words} {' or '.join(names)}", classes=True, template=(before, after))


class NextToken(Candidates):
    """Which of the candidates comes next? For a causal language model as a prompted classifier.

    Attributes:
        candidates, template: see `MaskedToken`; the template needs no mask token.
    """

    kind: ClassVar[str] = "next"
    loaded_as: ClassVar[str] = "AutoModelForCausalLM"

    def bind(self, module: Any, tokenizer: Any) -> Reading:
        """See `Outcome.bind`."""
        return self._bound(tokenizer, "next token:")

    def _at(self, batch: Batch, tokenizer: Any) -> Targets:
        return batch.attention_mask.long().cumsum(dim=1).argmax(dim=1)


class MaskedToken(Candidates):
    """Which of the candidates fills the mask? For a masked language model as a prompted classifier.

    Attributes:
        candidates: words, each a single token of the model; a leading space counts as a part of the word.
        template: prompt with `{text}` in place of the text and the tokenizer's mask token exactly once, such as
            "{text} It was [MASK].". The prompt is never scored or removed.
    """

    kind: ClassVar[str] = "masked"
    loaded_as: ClassVar[str] = "AutoModelForMaskedLM"

    def bind(self, module: Any, tokenizer: Any) -> Reading:
        """See `Outcome.bind`."""
        mask = tokenizer.mask_token
        if mask is None or self.template.count(mask) != 1:
            raise SettingError(
                f"a masked token needs a template with {mask or 'a mask token'} exactly once; got {self.template!r}"
            )
        return self._bound(tokenizer, "masked token:")

    def _at(self, batch: Batch, tokenizer: Any) -> Targets:
        # The mask token of the template is special; a mask token that replaces a removed token is not.
        return (batch.special & (batch.input_ids == tokenizer.mask_token_id)).long().argmax(dim=1)
