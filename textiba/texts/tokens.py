"""Texts as the model reads them: token ids, each with its place in the text."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from textiba.texts.text import Text


@dataclass(frozen=True, slots=True)
class TokenizedText:
    """A text as token ids, each with its place in the text.

    Attributes:
        source: the text that was tokenized.
        ids: token ids, special tokens included.
        type_ids: token type (segment) ids; empty for models without them.
        tokens: the vocabulary's strings for the ids.
        offsets: character spans in `source.whole`, end exclusive; (0, 0) for special tokens, and empty for tokens that
            are whitespace alone.
        word_ids: the number of each token's word, None for special tokens; the words of a pair's second text come
            after those of the first. See `textiba.texts.words`.
        cut: number of the text's tokens that did not fit and are missing.
        unattended: positions of tokens that keep their place but that no token attends to.
    """

    source: Text
    ids: tuple[int, ...]
    type_ids: tuple[int, ...]
    tokens: tuple[str, ...]
    offsets: tuple[tuple[int, int], ...]
    word_ids: tuple[int | None, ...]
    cut: int = 0
    unattended: frozenset[int] = frozenset()

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def content(self) -> tuple[int, ...]:
        """Positions of the tokens that carry a score: all but the special ones."""
        return tuple(i for i, word in enumerate(self.word_ids) if word is not None)

    @property
    def words(self) -> tuple[tuple[int, ...], ...]:
        """For each word, the positions of its tokens; words are in the order of their first tokens."""
        found: dict[int | None, list[int]] = {}
        for position in self.content:
            found.setdefault(self.word_ids[position], []).append(position)
        return tuple(map(tuple, found.values()))

    @property
    def parts(self) -> tuple[str | None, ...]:
        """For each token, "pair" if it is in the second text of a pair, otherwise "text"; None for special tokens."""
        return tuple(
            None if word is None else self.source.part(start)
            for (start, _), word in zip(self.offsets, self.word_ids, strict=True)
        )

    @property
    def rationale(self) -> tuple[bool, ...]:
        """For each token, whether it overlaps a span that a person marked."""
        spans = self.source.marked
        return tuple(
            word is not None and any(start < b and end > a for a, b in spans)
            for (start, end), word in zip(self.offsets, self.word_ids, strict=True)
        )

    def seed(self, seed: int) -> int:
        """Returns a seed that depends on `seed` and this text's token ids, but not on the other texts of a batch."""
        digest = hashlib.sha256(f"{seed}:{self.ids}".encode()).digest()
        return int.from_bytes(digest[:8], "big") >> 1

    def drop(self, positions: Iterable[int]) -> "TokenizedText":
        """Returns the text without the tokens at `positions`; the other tokens keep their ids, types and offsets."""
        gone = set(positions)
        return self.take([i for i in range(len(self)) if i not in gone])

    def take(self, positions: Sequence[int]) -> "TokenizedText":
        """Returns the tokens at `positions`, which are in increasing order, with their ids, types and offsets."""
        return replace(
            self,
            ids=tuple(self.ids[i] for i in positions),
            type_ids=tuple(self.type_ids[i] for i in positions) if self.type_ids else (),
            tokens=tuple(self.tokens[i] for i in positions),
            offsets=tuple(self.offsets[i] for i in positions),
            word_ids=tuple(self.word_ids[i] for i in positions),
            unattended=frozenset(new for new, old in enumerate(positions) if old in self.unattended),
        )

    def substitute(self, positions: Iterable[int], token_id: int) -> "TokenizedText":
        """Returns the text with `token_id` (such as [MASK]) at `positions`; length, types and offsets stay the same."""
        gone = set(positions)
        return replace(self, ids=tuple(token_id if i in gone else v for i, v in enumerate(self.ids)))

    def hide(self, positions: Iterable[int]) -> "TokenizedText":
        """Returns the text with the tokens at `positions` hidden from attention; ids and offsets stay the same."""
        return replace(self, unattended=self.unattended | frozenset(positions))
