"""Tokenizes texts for a model, puts them into batches, and removes tokens from texts."""

import abc
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any, TypeVar

import torch

from textiba.errors import InputError, SettingError
from textiba.model.limits import embedding_rows
from textiba.model.reading import Reading
from textiba.model.torch_state import own_torch_state
from textiba.model.windows import margin
from textiba.texts.batches import TOKEN_BUDGET, Batch, buckets, collate, unroll
from textiba.texts.golds import map_golds
from textiba.texts.sources import Text
from textiba.texts.tokenizing import in_table, padding_id, tokenize
from textiba.texts.tokens import TokenizedText
from textiba.texts.values import shown
from textiba.texts.windows import Windows, window_places

T = TypeVar("T")


class Batching(abc.ABC):
    """Tokenizes texts and puts them into batches, for one tokenizer and model.

    Attributes:
        tokenizer: a fast Hugging Face tokenizer.
        max_length: largest number of tokens that the model reads at once, special tokens included.
        windows: how longer texts are read in windows; None cuts them.
        reading: the outcome bound to the model.
        pads: whether texts of different lengths may share a batch without changing each other's logits.
    """

    tokenizer: Any
    max_length: int
    windows: Windows | None
    pads: bool
    reading: Reading

    @property
    @abc.abstractmethod
    def module(self) -> Any:
        """The Hugging Face model."""

    @property
    def padding(self) -> int:
        """The token id of padding; see `textiba.texts.tokenizing.padding_id`."""
        return padding_id(self.tokenizer, self.module.config.get_text_config(), embedding_rows(self.module))

    @property
    @abc.abstractmethod
    def device(self) -> torch.device:
        """The device of the weights."""

    def tokenize(self, texts: Sequence[Text | str], start: int = 0) -> list[TokenizedText]:
        """Tokenizes texts within the outcome's template; errors and warnings are those of `textiba.texts.tokenizing`.

        Args:
            texts: the texts. If the outcomes are the model's classes, labels become indices into these classes;
                otherwise labels become names.
            start: number of the first text within the data, for messages.

        Raises:
            InputError: a text has a token that the model has no embedding for, or its windows have no room; and the
                errors of `tokenize`.
        """
        labels = self.reading.labels if self.reading.classes else None
        cut = self.max_length if self.windows is None else None
        found = tokenize(texts, self.tokenizer, cut, start, labels, self.reading.template)
        if self.windows is not None:
            for number, text in enumerate(found, start):
                where = f"text number {number} (counting from 0)"
                window_places(text, self.max_length, self.windows.stride, where)
        if (rows := embedding_rows(self.module)) is not None:
            for number, text in enumerate(found, start):
                check_embedded(text.ids, rows, self.tokenizer, f"text number {number} (counting from 0)")
        return found if self.reading.classes else [_with_named_label(text) for text in found]

    def special_id(self, kind: str, setting: str, instead: str) -> int:
        """Returns the id of the tokenizer's mask or padding token.

        Args:
            kind: "mask" or "pad".
            setting: the setting that needs the token, for the error, such as "removal='mask'".
            instead: a setting that does not need the token, for the error.

        Raises:
            SettingError: the tokenizer has no such token, or the model has no embedding for it.
        """
        token = getattr(self.tokenizer, f"{kind}_token_id")
        if token is None:
            raise SettingError(f"{setting} needs a tokenizer with a {kind} token; use {instead}")
        if not in_table(token, rows := embedding_rows(self.module)):
            raise SettingError(
                f"{setting} needs a {kind} token that the model knows; the tokenizer's is number {token}, and the "
                f"model has {rows} embeddings. Use {instead}"
            )
        return token

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
            self._check_windows(text, f"text number {number} (counting from 0)")

    def _check_windows(self, text: TokenizedText, where: str) -> None:
        """Raises `InputError` if no window of a text has all words that the outcome reads."""
        if self.windows is None or not self.reading.places:
            return
        windows = window_places(text, self.max_length, self.windows.stride)
        if all(margin(text.take(own).word_ids, self.reading.places) < 0 for own in windows):
            raise InputError(
                f"{where}: no window of {self.max_length} tokens has all words of the question "
                f"({self.reading.words}); set a larger stride or max_length"
            )

    def buckets(self, items: Sequence[T], lengths: Sequence[int], budget: int = TOKEN_BUDGET) -> Iterator[list[T]]:
        """Yields groups of items that may share a batch, the longest first; see `textiba.texts.batches.buckets`."""
        return buckets(items, lengths, budget, equal=not self.pads)

    def batches(self, texts: Sequence[TokenizedText], budget: int = TOKEN_BUDGET) -> Iterator[Batch]:
        """Yields batches of texts of similar length, the longest first, each at most `budget` tokens when padded."""
        for group in self.buckets(texts, [len(text) for text in texts], budget):
            yield self.collate(group)

    @own_torch_state()
    def collate(self, texts: Sequence[TokenizedText]) -> Batch:
        """Returns one batch, padded to its longest text, on the model's device; texts that do not fit as windows."""
        if self.windows is None or all(len(text) <= self.max_length for text in texts):
            return collate(texts, self.padding, self.device)
        return unroll(texts, self.windows, self.max_length, self.padding, self.device)

    def without(self, text: TokenizedText, positions: Iterable[int], removal: str) -> TokenizedText:
        """Returns a text with the tokens at `positions` removed.

        Args:
            text: the text.
            positions: indices of the tokens to remove.
            removal: "delete", "attention", "mask" or "pad"; see `Degradation.removal`.

        Raises:
            SettingError: `removal` is "mask" or "pad", and the tokenizer has no such token.
            InputError: after a deletion, no window has all words that the outcome reads.
        """
        if removal == "delete":
            shorter = self._deleted(text, set(positions))
            name = text.source.id or shown(text.source.text)
            self._check_windows(shorter, f"{name} with {len(text) - len(shorter)} tokens deleted")
            return shorter
        if removal == "attention":
            return text.hide(positions)
        return text.substitute(positions, self.special_id(removal, f"removal='{removal}'", "removal='delete'"))

    def _deleted(self, text: TokenizedText, gone: set[int]) -> TokenizedText:
        """Returns the text without the tokens in `gone`.

        If all tokens of a word that is read would go, a mask token keeps the word's place. If the tokenizer has no mask
        token, the word's first token stays, and no token attends to it.
        """
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


def _with_named_label(text: TokenizedText) -> TokenizedText:
    """The text with its gold labels as names, because an index of the data's classes is no index of the outcomes."""
    source = text.source
    if source.label is None and source.labels is None and source.tags is None:
        return text
    return replace(text, source=map_golds(source, str))


def check_embedded(ids: Sequence[int], rows: int, tokenizer: Any, where: str) -> None:
    """Raises `InputError` if a token id is beyond the model's embedding table.

    Args:
        ids: token ids of a text.
        rows: rows of the table.
        tokenizer: names the token in the error.
        where: names the text in the error.
    """
    if max(ids, default=0) >= rows:
        token = max(ids)
        raise InputError(
            f"{where}: the token {tokenizer.convert_ids_to_tokens(token)!r} is number {token}, and the model has "
            f"{rows} embeddings. Use the tokenizer that the model was trained with; for tokens that were added to it, "
            "call model.resize_token_embeddings(len(tokenizer)) and train them"
        )
