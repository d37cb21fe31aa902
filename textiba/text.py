"""Texts as the model sees them: token ids with their place in the text, and padded batches of them."""

import hashlib
import warnings
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from textiba.data import Review
from textiba.errors import EmptyTextError, InputError, TruncationWarning
from textiba.types import Mask

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class EncodedReview:
    """A review as token ids, each with its place in the text.

    Attributes:
        review: the text it came from.
        ids: token ids, special tokens included.
        type_ids: token type (segment) ids.
        tokens: the vocabulary's strings for the ids.
        offsets: character spans in the text, end exclusive; (0, 0) for special tokens.
        word_ids: the tokenizer's word for each token, None for special tokens.
        cut: how many tokens of the text did not fit and are missing.
        hidden: positions of tokens that keep their place but that no token attends to.
    """

    review: Review
    ids: tuple[int, ...]
    type_ids: tuple[int, ...]
    tokens: tuple[str, ...]
    offsets: tuple[tuple[int, int], ...]
    word_ids: tuple[int | None, ...]
    cut: int = 0
    hidden: frozenset[int] = frozenset()

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def content(self) -> tuple[int, ...]:
        """Positions of the tokens that carry a score: all but the special ones."""
        return tuple(i for i, word in enumerate(self.word_ids) if word is not None)

    @property
    def rationale(self) -> tuple[bool, ...]:
        """For each token: does it overlap a span that a person marked?"""
        spans = self.review.rationale
        return tuple(
            word is not None and any(start < b and end > a for a, b in spans)
            for (start, end), word in zip(self.offsets, self.word_ids, strict=True)
        )

    def seed(self, seed: int) -> int:
        """A seed of this review's own, which no batch mate can change."""
        digest = hashlib.sha256(f"{seed}:{self.ids}".encode()).digest()
        return int.from_bytes(digest[:8], "big") >> 1

    def drop(self, positions: Iterable[int]) -> "EncodedReview":
        """Without the tokens at `positions`; what stays keeps its id, type and place in the text."""
        gone = set(positions)
        keep = [i for i in range(len(self)) if i not in gone]
        return replace(
            self,
            ids=tuple(self.ids[i] for i in keep),
            type_ids=tuple(self.type_ids[i] for i in keep) if self.type_ids else (),
            tokens=tuple(self.tokens[i] for i in keep),
            offsets=tuple(self.offsets[i] for i in keep),
            word_ids=tuple(self.word_ids[i] for i in keep),
            hidden=frozenset(new for new, old in enumerate(keep) if old in self.hidden),
        )

    def substitute(self, positions: Iterable[int], token_id: int) -> "EncodedReview":
        """With `token_id` (say [MASK]) at `positions`; length, types and places stay."""
        gone = set(positions)
        return replace(self, ids=tuple(token_id if i in gone else v for i, v in enumerate(self.ids)))

    def hide(self, positions: Iterable[int]) -> "EncodedReview":
        """With the tokens at `positions` hidden from attention; ids, length and places stay."""
        return replace(self, hidden=self.hidden | frozenset(positions))


@dataclass(frozen=True, eq=False)
class Batch:
    """Reviews padded to one length.

    Attributes:
        reviews: what the rows are.
        input_ids: [batch, tokens].
        attention_mask: True on real tokens, special ones included, and hidden ones not.
        content: True on the tokens that carry a score.
        token_type_ids: None where the model takes none.
        stands_for: how many tokens each of them counts as in attention; None for one.
    """

    reviews: tuple[EncodedReview, ...]
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
        return Batch(self.reviews * times, tile(self.input_ids), *masks, types, counts)

    def merge(self, alike: Mask) -> tuple["Batch", Int[Tensor, "batch merged"]]:
        """One token in place of all that are `alike` in each review, and their places; what is hidden is left out.

        To a transformer whose head reads the first token alone (`Encoder.can_merge`) it is the same run: tokens that
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
        return Batch(self.reviews, take(self.input_ids), *masks, types, take(counts)), places

    @property
    def special(self) -> Mask:
        """True on [CLS], [SEP] and their like."""
        return self.attention_mask & ~self.content


def encode(reviews: Sequence[Review | str], tokenizer: Any, max_length: int) -> list[EncodedReview]:
    """Tokenizes reviews, cutting them at `max_length` tokens with a warning that says how many were lost.

    Args:
        reviews: texts, or reviews with labels and rationales.
        tokenizer: a fast Hugging Face tokenizer.
        max_length: tokens, special ones included.

    Raises:
        EmptyTextError: a text without a single token of its own.
    """
    items = [Review(r) if isinstance(r, str) else r for r in reviews]
    empty = [n for n, item in enumerate(items) if not item.text.strip()]
    if empty:
        raise EmptyTextError(f"a review needs at least one word; number {empty[0]} is empty. Remove it and try again")
    table = tokenizer([item.text for item in items], return_offsets_mapping=True, verbose=False)
    out = [_encoded(item, n, table, tokenizer, max_length) for n, item in enumerate(items)]
    cut = [e for e in out if e.cut]
    if cut:
        warnings.warn(
            f"{len(cut)} of {len(out)} reviews are longer than {max_length} tokens and were cut there; "
            f"{sum(e.cut for e in cut)} tokens are not explained (at most {max(e.cut for e in cut)} of one review)",
            TruncationWarning,
            stacklevel=2,
        )
    return out


def collate(reviews: Sequence[EncodedReview], pad_id: int, device: torch.device) -> Batch:
    """Pads reviews to the longest."""
    length = max(len(r) for r in reviews)

    def padded(rows: Iterable[Sequence[int]], value: int) -> Tensor:
        return torch.tensor([[*row, *[value] * (length - len(row))] for row in rows], device=device)

    return Batch(
        tuple(reviews),
        padded((r.ids for r in reviews), pad_id),
        padded(([int(i not in r.hidden) for i in range(len(r))] for r in reviews), 0).bool(),
        padded(([int(w is not None) for w in r.word_ids] for r in reviews), 0).bool(),
        padded((r.type_ids for r in reviews), 0) if reviews[0].type_ids else None,
    )


def usable_length(config: Any, tokenizer: Any, asked: int | None) -> int:
    """The tokens that a review may have: what is asked for, or the model's own limit.

    Raises:
        InputError: more is asked for than the model accepts.
    """
    # RoBERTa counts positions from padding_idx + 1, so its table is longer than its texts.
    offset = config.pad_token_id + 1 if config.model_type == "roberta" else 0
    limit = min(int(config.max_position_embeddings) - offset, int(tokenizer.model_max_length))
    if asked is not None and not 3 <= asked <= limit:
        raise InputError(f"max_length is between 3 and {limit}, the model's own limit; got {asked}")
    return asked or limit


def buckets(items: Sequence[T], lengths: Sequence[int], budget: int) -> Iterator[list[T]]:
    """Groups of items alike in length, the longest first, each at most `budget` tokens when padded.

    The longest come first so that a run which does not fit into memory fails at once.
    """
    group: list[T] = []
    longest = 0
    for i in sorted(range(len(items)), key=lambda i: (-lengths[i], i)):
        if group and longest * (len(group) + 1) > budget:
            yield group
            group = []
        longest = lengths[i] if not group else longest
        group.append(items[i])
    if group:
        yield group


def _encoded(review: Review, row: int, table: Any, tokenizer: Any, max_length: int) -> EncodedReview:
    words = table.word_ids(row)
    content = [i for i, word in enumerate(words) if word is not None]
    if not content:
        raise EmptyTextError(f"review number {row} has no token the model knows: {review.text[:40]!r}")
    # The tokens of the text stand in one run between special tokens; a cut takes the run's end and leaves those.
    cut = max(0, len(words) - max_length)
    keep = [i for i in range(len(words)) if not content[-1] - cut < i <= content[-1]]
    ids = [table["input_ids"][row][i] for i in keep]
    types = table.get("token_type_ids")
    return EncodedReview(
        review=review,
        ids=tuple(ids),
        type_ids=tuple(types[row][i] for i in keep) if types else (),
        tokens=tuple(tokenizer.convert_ids_to_tokens(ids)),
        offsets=tuple(tuple(table["offset_mapping"][row][i]) for i in keep),
        word_ids=tuple(words[i] for i in keep),
        cut=cut,
    )
