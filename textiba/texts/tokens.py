"""Texts as the model reads them: token ids, each with its place in the text."""

import hashlib
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from textiba.errors import EmptyTextError, InputError, SpecialTokenWarning, TruncationWarning, UnsupportedModelError
from textiba.texts.labels import with_index
from textiba.texts.rows import checked_text
from textiba.texts.text import Text
from textiba.texts.values import shown
from textiba.texts.words import group_words


@dataclass(frozen=True, slots=True)
class TokenizedText:
    """A text as token ids, each with its place in the text.

    Attributes:
        source: the text that was tokenized.
        ids: token ids, special tokens included.
        type_ids: token type (segment) ids; empty for models without them.
        tokens: the vocabulary's strings for the ids.
        offsets: character spans in the text, end exclusive; (0, 0) for special tokens, and empty for tokens that are
            whitespace alone.
        word_ids: the number of each token's word, None for special tokens; see `textiba.texts.words`.
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
    def rationale(self) -> tuple[bool, ...]:
        """For each token, whether it overlaps a span that a person marked."""
        spans = self.source.rationale
        return tuple(
            word is not None and any(start < b and end > a for a, b in spans)
            for (start, end), word in zip(self.offsets, self.word_ids, strict=True)
        )

    def seed(self, seed: int) -> int:
        """A seed for this text, made from `seed` and the token ids, so independent of the texts in its batch."""
        digest = hashlib.sha256(f"{seed}:{self.ids}".encode()).digest()
        return int.from_bytes(digest[:8], "big") >> 1

    def drop(self, positions: Iterable[int]) -> "TokenizedText":
        """Without the tokens at `positions`; the others keep their ids, types and places in the text."""
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


def tokenize(
    texts: Sequence[Text | str],
    tokenizer: Any,
    max_length: int,
    start: int = 0,
    labels: Sequence[str] | None = None,
    template: tuple[str, str] = ("", ""),
) -> list[TokenizedText]:
    """Tokenizes texts as the tokenizer itself does, and cuts them at `max_length` tokens on its truncation side.

    Args:
        texts: strings, or texts with labels and rationales.
        tokenizer: a fast Hugging Face tokenizer.
        max_length: tokens, special ones included.
        start: number of the first text within the data, for messages.
        labels: the model's class names: labels become indices of them. None leaves labels as they are.
        template: text before and after each text, such as a prompt; its tokens are never scored, removed or cut.

    Raises:
        EmptyTextError: a text has no word, or no token besides special ones.
        InputError: a text is no string or no Unicode, or its label is no class of the model.
        UnsupportedModelError: the tokenizer is a slow one.

    Warns:
        TruncationWarning: texts were cut.
        SpecialTokenWarning: a text spells out a special token, which the model then reads as one.
    """
    check_fast(tokenizer)
    items = [_item(text, f"text number {start + n} (counting from 0)", labels) for n, text in enumerate(texts)]
    if not items:
        return []
    table = tokenizer(
        [item.text.join(template) for item in items],
        return_offsets_mapping=True,
        return_special_tokens_mask=True,
        verbose=False,
    )
    out = [_tokenized(item, n, table, tokenizer, max_length, start, len(template[0])) for n, item in enumerate(items)]
    _warn_of_cuts(out, tokenizer, max_length, start)
    _warn_of_special_tokens(out, tokenizer, start)
    return out


def check_fast(tokenizer: Any) -> None:
    """Raises `UnsupportedModelError` unless the tokenizer is a fast one."""
    if not getattr(tokenizer, "is_fast", False):
        raise UnsupportedModelError(
            f"a fast tokenizer is needed, since slow ones do not tell where in the text a token stands; got "
            f"{type(tokenizer).__name__}. Load it with AutoTokenizer.from_pretrained(…), or convert it with "
            "transformers.convert_slow_tokenizer"
        )


def padding_id(tokenizer: Any, config: Any) -> int:
    """The token id that fills batches up to one length.

    The tokenizer's padding token, else the config's, which some heads look for to find a text's last token, else 0:
    the attention mask hides padding, so any id of the vocabulary will do. An end-of-text token will not, since some
    heads read the state at it.

    Args:
        tokenizer: of the model.
        config: of the model.
    """
    known = (tokenizer.pad_token_id, getattr(config, "pad_token_id", None))
    return next((int(found) for found in known if isinstance(found, int) and found >= 0), 0)


def _item(text: Text | str, where: str, labels: Sequence[str] | None) -> Text:
    """The text as a checked `Text`, with its label as an index of `labels`."""
    if not isinstance(text, Text):
        return checked_text(text, None, None, None, None, where)
    checked_text(text.text, text.label, text.rationale, text.id, text.kind, where)
    return text if labels is None else with_index(text, labels, where)


def _tokenized(
    text: Text, row: int, table: Any, tokenizer: Any, max_length: int, start: int, before: int
) -> TokenizedText:
    spans = [(begin - before, end - before) for begin, end in table["offset_mapping"][row]]
    # Added are the special tokens and those of the template.
    added = [
        bool(special) or begin < 0 or end > len(text.text)
        for special, (begin, end) in zip(table["special_tokens_mask"][row], spans, strict=True)
    ]
    content = [i for i, special in enumerate(added) if not special]
    where = f"text number {start + row} (counting from 0)"
    if not content:
        raise EmptyTextError(f"{where} has no token that the model knows: {shown(text.text)}")
    # The tokens of the text stand in one run between special tokens, which a cut leaves in place.
    cut = max(0, len(added) - max_length)
    if cut >= len(content):
        raise InputError(
            f"max_length leaves no room for a token between {len(added) - len(content)} special ones; got {max_length}"
        )
    gone = set(content[:cut] if _cuts_the_beginning(tokenizer) else content[len(content) - cut :])
    keep = [i for i in range(len(added)) if i not in gone]
    ids = [table["input_ids"][row][i] for i in keep]
    types = table.get("token_type_ids")
    offsets: list[tuple[int, int]] = [(0, 0)] * len(keep)
    words: list[int | None] = [None] * len(keep)
    places = [place for place, i in enumerate(keep) if not added[i]]
    kept = [keep[place] for place in places]
    known = table.word_ids(row)
    grouped = group_words(text.text, [spans[i] for i in kept], [known[i] for i in kept])
    for place, span, number in zip(places, *grouped, strict=True):
        offsets[place], words[place] = span, number
    return TokenizedText(
        source=text,
        ids=tuple(ids),
        type_ids=tuple(types[row][i] for i in keep) if types else (),
        tokens=tuple(tokenizer.convert_ids_to_tokens(ids)),
        offsets=tuple(offsets),
        word_ids=tuple(words),
        cut=cut,
    )


def _cuts_the_beginning(tokenizer: Any) -> bool:
    return getattr(tokenizer, "truncation_side", "right") == "left"


def _warn_of_cuts(texts: Sequence[TokenizedText], tokenizer: Any, max_length: int, start: int) -> None:
    cuts = [text.cut for text in texts if text.cut]
    if cuts:
        side = "beginning" if _cuts_the_beginning(tokenizer) else "end"
        warnings.warn(
            f"{len(cuts)} of {len(texts)} texts{_which(texts, start)} are longer than {max_length} tokens and were cut "
            f"at the {side}; {sum(cuts)} tokens are not explained (at most {max(cuts)} of one text)",
            TruncationWarning,
            stacklevel=3,
        )


def _warn_of_special_tokens(texts: Sequence[TokenizedText], tokenizer: Any, start: int) -> None:
    """Warns of special tokens that a text spells out, such as [SEP], or <s> in HTML."""
    special = set(tokenizer.all_special_ids)
    spelt: dict[int, list[str]] = {}
    for number, text in enumerate(texts, start):
        if special.isdisjoint(text.ids[i] for i in text.content):
            continue
        places = ((text.tokens[i], slice(*text.offsets[i])) for i in text.content if text.ids[i] in special)
        if found := [token for token, place in places if text.source.text[place] == token]:
            spelt[number] = found
    if spelt:
        first, tokens = next(iter(spelt)), sorted({token for found in spelt.values() for token in found})
        warnings.warn(
            f"{len(spelt)} of {len(texts)} texts{_which(texts, start)} spell out {', '.join(tokens)}, which the model "
            f"reads as its own special token; the first is number {first}. To read the characters instead, set "
            "tokenizer.split_special_tokens = True",
            SpecialTokenWarning,
            stacklevel=3,
        )


def _which(texts: Sequence[TokenizedText], start: int) -> str:
    """The numbers of texts that are a part of the data, for messages."""
    return f" (numbers {start} to {start + len(texts) - 1})" if start else ""
