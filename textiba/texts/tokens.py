"""Texts as the model reads them: token ids, each with its place in the text."""

import hashlib
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from textiba.errors import EmptyTextError, TruncationWarning
from textiba.texts.sources import Text


@dataclass(frozen=True, slots=True)
class TokenizedText:
    """A text as token ids, each with its place in the text.

    Attributes:
        source: the text it came from.
        ids: token ids, special tokens included.
        type_ids: token type (segment) ids.
        tokens: the vocabulary's strings for the ids.
        offsets: character spans in the text, end exclusive; (0, 0) for special tokens.
        word_ids: the tokenizer's word for each token, None for special tokens.
        cut: how many tokens of the text did not fit and are missing.
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
    def rationale(self) -> tuple[bool, ...]:
        """For each token: does it overlap a span that a person marked?"""
        spans = self.source.rationale
        return tuple(
            word is not None and any(start < b and end > a for a, b in spans)
            for (start, end), word in zip(self.offsets, self.word_ids, strict=True)
        )

    def seed(self, seed: int) -> int:
        """A seed of this text's own, which no batch mate can change."""
        digest = hashlib.sha256(f"{seed}:{self.ids}".encode()).digest()
        return int.from_bytes(digest[:8], "big") >> 1

    def drop(self, positions: Iterable[int]) -> "TokenizedText":
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
            unattended=frozenset(new for new, old in enumerate(keep) if old in self.unattended),
        )

    def substitute(self, positions: Iterable[int], token_id: int) -> "TokenizedText":
        """With `token_id` (say [MASK]) at `positions`; length, types and places stay."""
        gone = set(positions)
        return replace(self, ids=tuple(token_id if i in gone else v for i, v in enumerate(self.ids)))

    def hide(self, positions: Iterable[int]) -> "TokenizedText":
        """With the tokens at `positions` hidden from attention; ids, length and places stay."""
        return replace(self, unattended=self.unattended | frozenset(positions))


def tokenize(texts: Sequence[Text | str], tokenizer: Any, max_length: int) -> list[TokenizedText]:
    """Tokenizes texts, cutting them at `max_length` tokens with a warning that says how many were lost.

    Args:
        texts: texts, or texts with labels and rationales.
        tokenizer: a fast Hugging Face tokenizer.
        max_length: tokens, special ones included.

    Raises:
        EmptyTextError: a text without a single token of its own.
    """
    items = [Text(r) if isinstance(r, str) else r for r in texts]
    empty = [n for n, item in enumerate(items) if not item.text.strip()]
    if empty:
        raise EmptyTextError(f"a text needs at least one word; number {empty[0]} is empty. Remove it and try again")
    table = tokenizer([item.text for item in items], return_offsets_mapping=True, verbose=False)
    out = [_tokenized(item, n, table, tokenizer, max_length) for n, item in enumerate(items)]
    cut = [e for e in out if e.cut]
    if cut:
        warnings.warn(
            f"{len(cut)} of {len(out)} texts are longer than {max_length} tokens and were cut there; "
            f"{sum(e.cut for e in cut)} tokens are not explained (at most {max(e.cut for e in cut)} of one text)",
            TruncationWarning,
            stacklevel=2,
        )
    return out


def _tokenized(text: Text, row: int, table: Any, tokenizer: Any, max_length: int) -> TokenizedText:
    words = table.word_ids(row)
    content = [i for i, word in enumerate(words) if word is not None]
    if not content:
        raise EmptyTextError(f"text number {row} has no token the model knows: {text.text[:40]!r}")
    # The tokens of the text stand in one run between special tokens; a cut takes the run's end and leaves those.
    cut = max(0, len(words) - max_length)
    keep = [i for i in range(len(words)) if not content[-1] - cut < i <= content[-1]]
    ids = [table["input_ids"][row][i] for i in keep]
    types = table.get("token_type_ids")
    return TokenizedText(
        source=text,
        ids=tuple(ids),
        type_ids=tuple(types[row][i] for i in keep) if types else (),
        tokens=tuple(tokenizer.convert_ids_to_tokens(ids)),
        offsets=tuple(tuple(table["offset_mapping"][row][i]) for i in keep),
        word_ids=tuple(words[i] for i in keep),
        cut=cut,
    )
