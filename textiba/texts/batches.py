"""Batches: texts of similar length, padded to one length."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from textiba.texts.tokens import TokenizedText
from textiba.types import Mask

T = TypeVar("T")

# Tokens in a batch, padding included. Small batches stay in a CPU's cache and run faster; see benchmarks/.
TOKEN_BUDGET = 512


@dataclass(frozen=True, eq=False)
class Batch:
    """Texts padded to one length.

    Attributes:
        texts: one for each row.
        input_ids: [batch, tokens].
        attention_mask: True on the tokens that others attend to, which are all tokens but padding and hidden tokens.
        content: True on the tokens that carry a score.
        token_type_ids: None for models without token types.
        stands_for: the number of tokens that each token counts as in attention; None where each counts as one.
    """

    texts: tuple[TokenizedText, ...]
    input_ids: Int[Tensor, "batch tokens"]
    attention_mask: Bool[Tensor, "batch tokens"]
    content: Bool[Tensor, "batch tokens"]
    token_type_ids: Int[Tensor, "batch tokens"] | None
    stands_for: Int[Tensor, "batch tokens"] | None = None

    def repeat(self, times: int) -> "Batch":
        """The batch repeated `times` times: rows 0 … n−1, then rows 0 … n−1 again, and so on."""
        if times == 1:
            return self

        def tile(x: Tensor) -> Tensor:
            return x.repeat(times, 1)

        types, counts = (None if x is None else tile(x) for x in (self.token_type_ids, self.stands_for))
        masks = tile(self.attention_mask), tile(self.content)
        return Batch(self.texts * times, tile(self.input_ids), *masks, types, counts)

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
