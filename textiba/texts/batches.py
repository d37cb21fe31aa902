"""Batches: texts of similar length, padded to one length; long texts as windows."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain, islice
from typing import TypeVar

import torch
from jaxtyping import Bool, Float, Int, Shaped
from torch import Tensor

from textiba.texts.tokens import TokenizedText
from textiba.texts.windows import Windows, window_places
from textiba.types import Mask

T = TypeVar("T")

# Tokens in a batch, padding included. Small batches stay in a CPU's cache and run faster; see benchmarks/.
TOKEN_BUDGET = 512


@dataclass(frozen=True, eq=False)
class Unrolled:
    """How the token axis of a batch holds the windows of long texts: one window after another.

    A token that lies in two windows comes twice.

    Attributes:
        texts: the tokens of each window: the windows of the first text, then those of the second, and so on.
        real: False where a text has fewer windows than another text of the batch; padding is in their place.
        places: for each place on the token axis, the position of its token in the text; 0 on padding.
        share: 1 / n on a token that lies in n windows; 0 on padding.
    """

    texts: tuple[TokenizedText, ...]
    real: Bool[Tensor, "batch windows"]
    places: Int[Tensor, "batch tokens"]
    share: Float[Tensor, "batch tokens"]


@dataclass(frozen=True, eq=False)
class Batch:
    """Texts padded to one length.

    The token axis of a batch of long texts holds the texts' windows one after another (`Unrolled`). Functions that
    need one number for each token of a text call `by_token`.

    Attributes:
        texts: one for each row; whole texts, also in a batch of windows.
        input_ids: [batch, tokens].
        attention_mask: True on the tokens that others attend to, which are all tokens but padding and hidden tokens.
        content: True on the tokens that carry a score.
        token_type_ids: None for models without token types.
        stands_for: the number of tokens that each token counts as in attention; None where each counts as one.
        unrolled: how the token axis holds windows; None for texts that fit.
    """

    texts: tuple[TokenizedText, ...]
    input_ids: Int[Tensor, "batch tokens"]
    attention_mask: Bool[Tensor, "batch tokens"]
    content: Bool[Tensor, "batch tokens"]
    token_type_ids: Int[Tensor, "batch tokens"] | None
    stands_for: Int[Tensor, "batch tokens"] | None = None
    unrolled: Unrolled | None = None

    @property
    def lengths(self) -> list[int]:
        """The length of each text on the token axis: its number of tokens, or of its windows' tokens together."""
        if self.unrolled is None:
            return [len(text) for text in self.texts]
        return [int(n) for n in (self.unrolled.share > 0).sum(dim=1)]

    @property
    def windows(self) -> list[tuple[TokenizedText, ...]]:
        """The windows of each text; a text that is not read in windows is its own only window."""
        if self.unrolled is None:
            return [(text,) for text in self.texts]
        windows = iter(self.unrolled.texts)
        return [tuple(islice(windows, count)) for count in self.unrolled.real.sum(dim=1).tolist()]

    def by_token(self, values: Float[Tensor, "*more batch tokens"]) -> Float[Tensor, "*more batch whole"]:
        """Returns one value for each token of the whole texts: the sum over the windows in which a token lies."""
        if self.unrolled is None:
            return values
        places = self.unrolled.places.expand(values.shape)
        sums = values.new_zeros(*values.shape[:-1], max(map(len, self.texts)))
        return sums.scatter_add(-1, places, values * (self.unrolled.share > 0))

    def shared(self, values: Float[Tensor, "*more batch tokens"]) -> Float[Tensor, "*more batch tokens"]:
        """Returns the values times 1 / n on a token that lies in n windows, so that `by_token` gives their mean."""
        return values if self.unrolled is None else values * self.unrolled.share

    def at_places(self, values: Shaped[Tensor, "batch whole more"]) -> Shaped[Tensor, "batch tokens more"]:
        """Returns the values on the token axis, from one value for each token of the whole texts."""
        if self.unrolled is None:
            return values
        return values.gather(1, self.unrolled.places.unsqueeze(-1).expand(-1, -1, values.shape[2]))

    @property
    def scored(self) -> Mask:
        """True on the tokens of the whole texts that carry a score [batch, tokens of the longest text]."""
        return self.content if self.unrolled is None else self.by_token(self.content.float()) > 0

    @property
    def rows(self) -> "Batch":
        """The batch as the model reads it, with a row for each window."""
        if self.unrolled is None:
            return self
        cut = self.by_window
        types = None if self.token_type_ids is None else cut(self.token_type_ids)
        return Batch(self.unrolled.texts, cut(self.input_ids), cut(self.attention_mask), cut(self.content), types)

    def by_window(self, values: Tensor) -> Tensor:
        """Returns [windows of all texts, tokens of a window, …] from values [batch, tokens, …]."""
        if self.unrolled is None:
            return values
        real = self.unrolled.real
        windows = values.unflatten(1, (real.shape[1], -1)).flatten(0, 1)
        return windows if bool(real.all()) else windows[real.flatten()]

    def by_text(self, values: Tensor) -> Tensor:
        """Returns [batch, tokens, …] from values [windows of all texts, tokens of a window, …]; 0 on padding."""
        if self.unrolled is None:
            return values
        return filled(values, self.unrolled.real).flatten(1, 2)

    def part(self, rows: slice) -> "Batch":
        """Returns some rows of a batch without windows."""
        types = None if self.token_type_ids is None else self.token_type_ids[rows]
        return Batch(self.texts[rows], self.input_ids[rows], self.attention_mask[rows], self.content[rows], types)

    def repeat(self, times: int) -> "Batch":
        """The batch repeated `times` times: rows 0 … n−1, then rows 0 … n−1 again, and so on."""
        if times == 1:
            return self

        def tile(x: Tensor) -> Tensor:
            return x.repeat(times, 1)

        types, counts = (None if x is None else tile(x) for x in (self.token_type_ids, self.stands_for))
        masks = tile(self.attention_mask), tile(self.content)
        unrolled = self.unrolled
        if unrolled is not None:
            tiled = (tile(x) for x in (unrolled.real, unrolled.places, unrolled.share))
            unrolled = Unrolled(unrolled.texts * times, *tiled)
        return Batch(self.texts * times, tile(self.input_ids), *masks, types, counts, unrolled)

    def merge(self, alike: Mask) -> tuple["Batch", Int[Tensor, "batch merged"]]:
        """Merges the tokens that are `alike` in each text into one, and leaves hidden tokens out.

        The logits stay the same if the head reads the first token alone (`Model.can_merge`): tokens that share a
        hidden state at one layer share it at every later layer, and attention to n such tokens equals attention to one
        of them with log n added to its attention score.

        Args:
            alike: True on the tokens whose hidden states are equal within a text.

        Returns:
            The smaller batch, and for each of its tokens the position in the original batch [batch, merged].
        """
        alike = alike & self.attention_mask
        first = alike & (alike.cumsum(dim=1) == 1)
        seen = self.attention_mask & (first | ~alike)
        kept = seen.clone()
        kept[:, 0] = True  # the head reads the first token
        places = (~kept).to(torch.uint8).argsort(dim=1, stable=True)[:, : int(kept.sum(dim=1).max())]

        def take(x: Tensor) -> Tensor:
            return x.gather(1, places)

        counts = torch.where(first, alike.sum(dim=1, keepdim=True), seen.long())
        types = None if self.token_type_ids is None else take(self.token_type_ids)
        masks = take(seen), take(self.content & seen)
        return Batch(self.texts, take(self.input_ids), *masks, types, take(counts)), places

    @property
    def special(self) -> Mask:
        """True on special tokens, such as [CLS] and [SEP]."""
        return self.attention_mask & ~self.content


def collate(texts: Sequence[TokenizedText], pad_id: int, device: torch.device) -> Batch:
    """Returns one batch of texts, padded to the longest text.

    Args:
        texts: at least one.
        pad_id: token id of padding; no token attends to padding.
        device: the device of the batch.
    """
    length = max(len(text) for text in texts)

    def padded(rows: Iterable[Sequence[int]], value: int) -> Tensor:
        filled = [[*row, *[value] * (length - len(row))] for row in rows]
        return torch.tensor(filled, dtype=torch.long, device=device)

    return Batch(
        tuple(texts),
        padded((text.ids for text in texts), pad_id),
        padded(([int(i not in text.unattended) for i in range(len(text))] for text in texts), 0).bool(),
        padded(([int(word is not None) for word in text.word_ids] for text in texts), 0).bool(),
        padded((text.type_ids for text in texts), 0) if texts[0].type_ids else None,
    )


def unroll(texts: Sequence[TokenizedText], windows: Windows, size: int, pad_id: int, device: torch.device) -> Batch:
    """Returns one batch of texts as windows; see `Unrolled`.

    Args:
        texts: at least one.
        windows: how long texts are read.
        size: number of tokens of a window, special tokens included.
        pad_id: token id of padding.
        device: the device of the batch.
    """
    found = [window_places(text, size, windows.stride) for text in texts]
    pieces = [text.take(own) for text, all_own in zip(texts, found, strict=True) for own in all_own]
    rows = collate(pieces, pad_id, device)
    counts = [Counter(chain.from_iterable(all_own)) for all_own in found]
    most, length = max(map(len, found)), rows.input_ids.shape[1]
    real = torch.tensor([[number < len(all_own) for number in range(most)] for all_own in found])

    def padded(values: Iterable[Sequence[float]]) -> Tensor:
        return filled(torch.tensor([[*row, *[0] * (length - len(row))] for row in values]), real).flatten(1, 2)

    windows_of = [(count, own) for count, all_own in zip(counts, found, strict=True) for own in all_own]
    places = padded(own for _, own in windows_of)
    share = padded([1 / count[i] for i in own] for count, own in windows_of)
    real, places, share = real.to(device), places.to(device), share.to(device)
    whole = partial(filled, real=real)
    return Batch(
        tuple(texts),
        whole(rows.input_ids).flatten(1, 2),
        whole(rows.attention_mask).flatten(1, 2),
        whole(rows.content).flatten(1, 2),
        None if rows.token_type_ids is None else whole(rows.token_type_ids).flatten(1, 2),
        unrolled=Unrolled(rows.texts, real, places, share),
    )


def filled(values: Tensor, real: Bool[Tensor, "batch windows"]) -> Tensor:
    """Returns [batch, windows, …] from values [windows of all texts, …], with 0 where a text has no window."""
    if bool(real.all()):
        return values.unflatten(0, real.shape)
    filled = values.new_zeros(real.numel(), *values.shape[1:])
    return filled.index_put((real.flatten(),), values).unflatten(0, real.shape)


def buckets(items: Sequence[T], lengths: Sequence[int], budget: int, equal: bool = False) -> Iterator[list[T]]:
    """Yields groups of items of similar length, the longest first, each at most `budget` tokens when padded.

    The longest items come first so that a run that does not fit into memory fails at once.

    Args:
        items: anything.
        lengths: number of tokens of each item.
        budget: largest number of tokens of a group, padding included; a longer item forms its own group.
        equal: whether the items of a group must have the same length.
    """
    group: list[T] = []
    longest = 0
    for i in sorted(range(len(items)), key=lambda i: (-lengths[i], i)):
        if group and (longest * (len(group) + 1) > budget or (equal and lengths[i] != longest)):
            yield group
            group = []
        longest = lengths[i] if not group else longest
        group.append(items[i])
    if group:
        yield group
