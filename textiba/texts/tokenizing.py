"""Tokenizes texts: the tokenizer's own ids, cut to a maximal length, each with its place in the text and its word."""

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeGuard

from textiba.errors import EmptyTextError, InputError, SpecialTokenWarning, TruncationWarning, UnsupportedModelError
from textiba.texts.labels import with_index
from textiba.texts.rows import checked_again, checked_text
from textiba.texts.text import PARTS, Text
from textiba.texts.tokens import TokenizedText
from textiba.texts.values import shown
from textiba.texts.words import group_words


def tokenize(
    texts: Sequence[Text | str],
    tokenizer: Any,
    max_length: int | None,
    start: int = 0,
    labels: Sequence[str] | None = None,
    template: tuple[str, str] = ("", ""),
) -> list[TokenizedText]:
    """Tokenizes texts as the tokenizer itself does, and cuts them at `max_length` tokens.

    Texts are cut on the tokenizer's truncation side. If a pair is too long, its longer text is cut until both texts
    have the same length; then both are cut equally.

    Args:
        texts: strings, or texts and pairs with labels and rationales.
        tokenizer: a fast Hugging Face tokenizer.
        max_length: largest number of tokens, special tokens included; None keeps whole texts.
        start: number of the first text within the data, for messages.
        labels: the model's class names; the texts' labels become indices into these. None leaves labels unchanged.
        template: text before and after each text, such as a prompt; its tokens are never scored, removed or cut.

    Raises:
        EmptyTextError: a text has no word, or no token besides special ones.
        InputError: a text is not a string or not valid Unicode, its label is not a class of the model, or a pair is
            given together with a template.
        UnsupportedModelError: the tokenizer is a slow one.

    Warns:
        TruncationWarning: texts were cut.
        SpecialTokenWarning: a text spells out a special token, which the model then reads as one.
    """
    check_fast(tokenizer)
    items = [_item(text, f"text number {start + n} (counting from 0)", labels) for n, text in enumerate(texts)]
    out: list[TokenizedText] = []
    for place, row, table in _tables(items, tokenizer, template):
        where = f"text number {start + place} (counting from 0)"
        out.append(_tokenized(items[place], row, table, tokenizer, max_length, where, len(template[0])))
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


def padding_id(tokenizer: Any, config: Any, rows: int | None = None) -> int:
    """Returns the token id that pads the texts of a batch to one length.

    This is the padding token of the config, which some heads use to find a text's last token. If the config has none,
    it is the tokenizer's padding token; if the tokenizer has none either, it is 0. The attention mask hides padding, so
    any id of the vocabulary will do, except an end-of-text token: some heads read the state at such a token.

    Args:
        tokenizer: the model's tokenizer.
        config: the model's config.
        rows: number of rows of the model's embedding table, None if unknown; a padding token without a row is not used.
    """
    known = (getattr(config, "pad_token_id", None), tokenizer.pad_token_id)
    return next((int(found) for found in known if in_table(found, rows)), 0)


def in_table(token: object, rows: int | None) -> TypeGuard[int]:
    """Whether a value is a token id of a model whose embedding table has `rows` rows; `rows` is None if unknown."""
    return isinstance(token, int) and token >= 0 and (rows is None or token < rows)


def _item(text: Text | str, where: str, labels: Sequence[str] | None) -> Text:
    """The text as a checked `Text`, with its label as an index of `labels`."""
    if not isinstance(text, Text):
        return checked_text(text, None, None, None, None, where)
    checked_again(text, where)
    return text if labels is None else with_index(text, labels, where)


def _tables(items: Sequence[Text], tokenizer: Any, template: tuple[str, str]) -> Iterator[tuple[int, int, Any]]:
    """Yields, for each text, its number, its row in a table of tokens, and that table.

    Pairs and single texts are tokenized separately.
    """
    found: dict[int, tuple[int, Any]] = {}
    for paired in (False, True):
        places = [n for n, item in enumerate(items) if (item.pair is not None) == paired]
        if places and paired and any(template):
            raise InputError(
                "a template has a place for one text, and these texts are pairs; write both into one text, or use an "
                "outcome without a template"
            )
        if places:
            table = tokenizer(
                [items[n].text.join(template) for n in places],
                *([[items[n].pair for n in places]] if paired else []),
                return_offsets_mapping=True,
                return_special_tokens_mask=True,
                verbose=False,
            )
            found |= {place: (row, table) for row, place in enumerate(places)}
    return ((place, *found[place]) for place in range(len(items)))


def _tokenized(
    text: Text, row: int, table: Any, tokenizer: Any, max_length: int | None, where: str, before: int
) -> TokenizedText:
    parts = _parts(text, row, table, before)
    for part, name in zip(parts, PARTS, strict=False):
        if not part.positions:
            raise EmptyTextError(f"{where} has no token that the model knows: {shown(getattr(text, name))}")
    length = len(table["input_ids"][row])
    max_length = length if max_length is None else max_length
    room = max_length - (length - sum(len(part.positions) for part in parts))
    if room < len(parts):
        raise InputError(
            f"max_length leaves no room for a token{' of each text' if len(parts) > 1 else ''} between "
            f"{max_length - room} special ones; got {max_length}"
        )
    gone: set[int] = set()
    for part, kept in zip(parts, _kept([len(part.positions) for part in parts], room), strict=True):
        cut = len(part.positions) - kept
        gone |= set(part.positions[:cut] if _cuts_the_beginning(tokenizer) else part.positions[kept:])
    keep = [i for i in range(length) if i not in gone]
    place_of = {i: place for place, i in enumerate(keep)}
    ids = [table["input_ids"][row][i] for i in keep]
    types = table.get("token_type_ids")
    offsets: list[tuple[int, int]] = [(0, 0)] * len(keep)
    words: list[int | None] = [None] * len(keep)
    known, before_it = table.word_ids(row), 0  # before_it: number of words in the text before
    for part in parts:
        kept = [i for i in part.positions if i not in gone]
        spans, numbers = group_words(part.text, [part.spans[i] for i in kept], [known[i] for i in kept])
        for i, (begin, end), number in zip(kept, spans, numbers, strict=True):
            offsets[place_of[i]] = (begin + part.start, end + part.start)
            words[place_of[i]] = number + before_it
        before_it += numbers[-1] + 1
    return TokenizedText(
        source=text,
        ids=tuple(ids),
        type_ids=tuple(types[row][i] for i in keep) if types else (),
        tokens=tuple(tokenizer.convert_ids_to_tokens(ids)),
        offsets=tuple(offsets),
        word_ids=tuple(words),
        cut=len(gone),
    )


@dataclass(frozen=True, slots=True)
class _Part:
    """One text of a row: its characters, its start in `Text.whole`, its tokens' positions, and the row's offsets."""

    text: str
    start: int
    positions: list[int]
    spans: list[tuple[int, int]]


def _parts(text: Text, row: int, table: Any, before: int) -> list[_Part]:
    """Returns the text of a row, or both texts of a pair, without special tokens and tokens of the template."""
    special, spans = table["special_tokens_mask"][row], table["offset_mapping"][row]
    if text.pair is not None:
        sequence = table.sequence_ids(row)
        positions = [[i for i, part in enumerate(sequence) if part == n and not special[i]] for n in (0, 1)]
        return [
            _Part(text.text, 0, positions[0], spans),
            _Part(text.pair, text.pair_start, positions[1], spans),
        ]
    spans = [(begin - before, end - before) for begin, end in spans]
    own = [i for i, (begin, end) in enumerate(spans) if not special[i] and begin >= 0 and end <= len(text.text)]
    return [_Part(text.text, 0, own, spans)]


def _kept(lengths: Sequence[int], room: int) -> list[int]:
    """Returns the number of tokens to keep of each text; the longer text is cut first, as in the tokenizers library."""
    if sum(lengths) <= room or len(lengths) == 1:
        return [min(length, room) for length in lengths]
    short = min(lengths)
    if 2 * short <= room:
        return [length if length == short else room - short for length in lengths]
    half = room // 2
    longer = lengths[0] > lengths[1]
    return [room - half, half] if longer else [half, room - half]


def _cuts_the_beginning(tokenizer: Any) -> bool:
    return getattr(tokenizer, "truncation_side", "right") == "left"


def _warn_of_cuts(texts: Sequence[TokenizedText], tokenizer: Any, max_length: int | None, start: int) -> None:
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
        if found := [token for token, place in places if text.source.whole[place] == token]:
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
    """Returns the numbers of the first and last text in the data, for messages; empty if `start` is 0."""
    return f" (numbers {start} to {start + len(texts) - 1})" if start else ""
