"""Tokenizes texts for a model, puts them into batches, and removes tokens from texts."""

import abc
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, TypeVar

import torch

from textiba.errors import InputError, SettingError
from textiba.model.reading import Reading
from textiba.texts.batches import TOKEN_BUDGET, Batch, buckets, collate
from textiba.texts.sources import Text
from textiba.texts.tokenizing import padding_id, tokenize
from textiba.texts.tokens import TokenizedText

T = TypeVar("T")


class Batching(abc.ABC):
    """Tokenizes texts and puts them into batches, for one tokenizer and model.

    Attributes:
        tokenizer: a fast Hugging Face tokenizer.
        max_length: tokens that a text may have, special ones included.
        reading: the outcome bound to the model.
        pads: whether texts of different lengths may share a batch without changing each other's logits.
    """

    tokenizer: Any
    max_length: int
    pads: bool
    reading: Reading

    @property
    @abc.abstractmethod
    def module(self) -> Any:
        """The Hugging Face model."""

    @property
    def padding(self) -> int:
        """The token id of padding; see `textiba.texts.tokenizing.padding_id`."""
        return padding_id(self.tokenizer, self.module.config.get_text_config())

    @property
    @abc.abstractmethod
    def device(self) -> torch.device:
        """The device of the weights."""

    def tokenize(self, texts: Sequence[Text | str], start: int = 0) -> list[TokenizedText]:
        """Tokenizes texts within the outcome's template; errors and warnings are those of `textiba.texts.tokenizing`.

        Args:
            texts: the texts. If the outcomes are the model's classes, labels become indices into these classes.
            start: number of the first text within the data, for messages.
        """
        labels = self.reading.labels if self.reading.classes else None
        return tokenize(texts, self.tokenizer, self.max_length, start, labels, self.reading.template)

    def check_places(self, texts: Sequence[TokenizedText], start: int = 0) -> None:
        """Raises `InputError` if a text lacks a word that the outcome reads, such as the word of a tag.

        Args:
            texts: texts that are to be explained.
            start: number of the first text within the data, for the message.
        """
        for number, text in enumerate(texts, start):
            missing = [word for word in self.reading.places if word not in text.word_ids]
            if missing:
                cut = "; the text was cut" if text.cut else ""
                raise InputError(
                    f"text number {number} (counting from 0) has the words 0 to {len(text.words) - 1}, and the "
                    f"question is about word {missing[0]} ({self.reading.words}){cut}"
                )

    def buckets(self, items: Sequence[T], lengths: Sequence[int], budget: int = TOKEN_BUDGET) -> Iterator[list[T]]:
        """Yields groups of items that may share a batch, the longest first; see `textiba.texts.batches.buckets`."""
        return buckets(items, lengths, budget, equal=not self.pads)

    def batches(self, texts: Sequence[TokenizedText], budget: int = TOKEN_BUDGET) -> Iterator[Batch]:
        """Yields batches of texts of similar length, the longest first, each at most `budget` tokens when padded."""
        for group in self.buckets(texts, [len(text) for text in texts], budget):
            yield self.collate(group)

    def collate(self, texts: Sequence[TokenizedText]) -> Batch:
        """Returns one batch, padded to its longest text, on the model's device."""
        return collate(texts, self.padding, self.device)

    def without(self, text: TokenizedText, positions: Iterable[int], removal: str) -> TokenizedText:
        """Returns a text with the tokens at `positions` removed.

        Args:
            text: the text.
            positions: indices of the tokens to remove.
            removal: "delete", "attention", "mask" or "pad"; see `Degradation.removal`.

        Raises:
            SettingError: `removal` is "mask" or "pad", and the tokenizer has no such token.
        """
        if removal == "delete":
            return self._deleted(text, set(positions))
        if removal == "attention":
            return text.hide(positions)
        token = self.tokenizer.mask_token_id if removal == "mask" else self.tokenizer.pad_token_id
        if token is None:
            raise SettingError(f"removal='{removal}' needs a tokenizer with a {removal} token; use removal='delete'")
        return text.substitute(positions, token)

    def _deleted(self, text: TokenizedText, gone: set[int]) -> TokenizedText:
        """Without tokens; a mask token, or a hidden token without one, keeps the place of each word that is read."""
        kept: set[int] = set()
        for word in self.reading.places:
            own = [i for i, number in enumerate(text.word_ids) if number == word]
            if own and gone.issuperset(own):
                kept.add(own[0])
        if not kept:
            return text.drop(gone)
        token = self.tokenizer.mask_token_id
        marked = text.hide(kept) if token is None else text.substitute(kept, token)
        return marked.drop(gone - kept)
