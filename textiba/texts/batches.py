"""Batches: texts of like length, padded to one length."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from textiba.texts.tokens import TokenizedText
from textiba.types import Mask

T = TypeVar("T")

# Tokens in a batch, padding included. On a CPU small batches stay in its cache and are faster; see benchmarks/.
TOKEN_BUDGET = 512


@dataclass(frozen=True, eq=False)
class Batch:
    """Texts padded to one length.

    Attributes:
        texts: what the rows are.
        input_ids: [batch, tokens].
        attention_mask: True on real tokens, special ones included, and hidden ones not.
        content: True on the tokens that carry a score.
        token_type_ids: None where the model takes none.
        stands_for: how many tokens each of them counts as in attention; None for one.
    """

    texts: tuple[TokenizedText, ...]
    input_ids: Int[Tensor, "batch tokens"]
    attention_mask: Bool[Tensor, "batch tokens"]
    content: Bool[Tensor, "batch tokens"]
    token_type_ids: Int[Tensor, "batch tokens"] | None
    stands_for: Int[Tensor, "batch tokens"] | None = None

    def repeat(self, times: int) -> "Batch":
        """The whole batch, `times` times over: rows 0 … n−1, then again 0 … n−1."""
        if times == 1:
            return self

        def tile(x: Tensor) -> Tensor:
            return x.repeat(times, 1)

        types, counts = (None if x is None else tile(x) for x in (self.token_type_ids, self.stands_for))
        masks = tile(self.attention_mask), tile(self.content)
        return Batch(self.texts * times, tile(self.input_ids), *masks, types, counts)

    def merge(self, alike: Mask) -> tuple["Batch", Int[Tensor, "batch merged"]]:
        """One token in place of all that are `alike` in each text, and their places; what is hidden is left out.

        To a transformer whose head reads the first token alone (`Model.can_merge`) it is the same run: tokens that
        share a state at one layer share it at every later one, and attention to n of them is attention to one, its
        score raised by log n.
        """
        alike = alike & self.attention_mask
        first = alike & (alike.cumsum(dim=1) == 1)
        seen = self.attention_mask & (first | ~alike)
        kept = seen.clone()
        kept[:, 0] = True  # it is the one that is read
        places = (~kept).to(torch.uint8).argsort(dim=1, stable=True)[:, : int(kept.sum(dim=1).max())]

        def take(x: Tensor) -> Tensor:
            return x.gather(1, places)

        counts = torch.where(first, alike.sum(dim=1, keepdim=True), seen.long())
        types = None if self.token_type_ids is None else take(self.token_type_ids)
        masks = take(seen), take(self.content & seen)
        return Batch(self.texts, take(self.input_ids), *masks, types, take(counts)), places

    @property
    def special(self) -> Mask:
        """True on [CLS], [SEP] and their like."""
        return self.attention_mask & ~self.content


def collate(texts: Sequence[TokenizedText], pad_id: int, device: torch.device) -> Batch:
    """Pads texts to the longest."""
    length = max(len(r) for r in texts)

    def padded(rows: Iterable[Sequence[int]], value: int) -> Tensor:
        return torch.tensor([[*row, *[value] * (length - len(row))] for row in rows], device=device)

    return Batch(
        tuple(texts),
        padded((r.ids for r in texts), pad_id),
        padded(([int(i not in r.unattended) for i in range(len(r))] for r in texts), 0).bool(),
        padded(([int(w is not None) for w in r.word_ids] for r in texts), 0).bool(),
        padded((r.type_ids for r in texts), 0) if texts[0].type_ids else None,
    )


def buckets(items: Sequence[T], lengths: Sequence[int], budget: int, equal: bool = False) -> Iterator[list[T]]:
    """Groups of items alike in length, the longest first, each at most `budget` tokens when padded.

    Args:
        items: what is grouped.
        lengths: of each, in tokens.
        budget: tokens of a group, padding included; a longer item is a group of its own.
        equal: whether the items of a group must have one length.

    The longest come first so that a run which does not fit into memory fails at once.
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
