"""Which column of the data each field of a text is read from: by the user's names, or by the usual names."""

import difflib
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from textiba.errors import InputError, SettingError
from textiba.texts.golds import join_tokens
from textiba.texts.rationales import ANNOTATORS, FORMATS
from textiba.texts.rows import NO_PAIR, checked_text
from textiba.texts.sides import TOKEN_COLUMNS, Side, choose_side, listed, span_columns, usual_column
from textiba.texts.text import Text
from textiba.texts.values import is_missing

TEXT_COLUMNS = ("text", "sentence", "review")  # the names under which a column of texts is found
PAIR_COLUMNS = (  # the names under which two columns of pairs are found, if no other column has one of the names above
    ("premise", "hypothesis"), ("sentence1", "sentence2"), ("question1", "question2"), ("question", "passage"),
    ("query", "passage"), ("question", "sentence"), ("text1", "text2"), ("text_a", "text_b"),
)  # fmt: skip
GOLD_COLUMNS = {  # the names under which a column of gold answers is found
    "label": ("label",), "labels": ("labels",), "tags": ("tags", "ner_tags")
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Named:
    """The columns that the user named; None takes the usual names.

    Attributes:
        text: column of the texts; None takes `text`, `sentence` or `review`, or the first of two columns that are
            known as pairs (`PAIR_COLUMNS`), or joins the tokens if there is none of these; "" joins the tokens.
        label: column of the gold answers; None takes the usual name for `gold` (`GOLD_COLUMNS`), where there is one,
            and "" reads no labels.
        id: column of the ids; None takes `id`, where there is one, and "" reads no ids.
        pair: column of the second texts of pairs; None takes `pair`, where there is one, or the second of two columns
            that are known as pairs, and "" reads single texts.
        rationale: column of the rationales, or a tuple of two columns: the starts and the ends of the spans. None takes
            `rationale`, or else, if the text has tokens, `evidence_starts` and `evidence_ends`, or `rationales` as
            masks; "" reads none.
        pair_rationale: the same for the second text; None takes `pair_rationale`, and the other names if only the
            second text has tokens.
        value: column of the gold values for regression; None reads none.
        tokens: column of the text's tokens, which token spans and masks count; None takes `tokens` or `post_tokens`,
            where there is one, and "" reads none.
        pair_tokens: the same for the second text, whose tokens are joined if there is no column of second texts; None
            reads none.
        rationale_format: what the numbers of the rationales are: "characters", "tokens" or "mask"; see
            `textiba.texts.rationales`. If None, starts and ends in two columns count tokens, a list of numbers is a
            mask, and spans `[start, end]` count characters if there is a column of texts, and otherwise tokens.
        annotators: of a rationale by several annotators, what is taken: "any" takes what at least one annotator marked,
            "majority" what more than half of them marked. The default is "majority": a word that one annotator of three
            marked is not a reason on which people agree.
        gold: what the column of gold answers holds: the "label" of a text, a list of "labels" of which several may
            hold, or the "tags" of a text's tokens. The column of the texts then holds lists of tokens, and None takes
            `tokens`; no rationales and no second texts are read.

    Raises:
        SettingError: `rationale_format`, `annotators` or `gold` has another value.
    """

    text: Hashable | None = None
    label: Hashable | None = None
    id: Hashable | None = None
    pair: Hashable | None = None
    rationale: Hashable | list[Hashable] | None = None
    pair_rationale: Hashable | list[Hashable] | None = None
    value: Hashable | None = None
    tokens: Hashable | None = None
    pair_tokens: Hashable | None = None
    rationale_format: str | None = None
    annotators: str = "majority"
    gold: str = "label"

    def columns(self, known: Sequence[Hashable]) -> list[Hashable]:
        """The columns that are named, of all columns of the data or not."""
        named = [self.text, self.label, self.id, self.pair, self.value, self.tokens, self.pair_tokens]
        for given in (self.rationale, self.pair_rationale):
            named += () if given is None else span_columns(given, known)
        return [column for column in named if column not in (None, "")]

    def __post_init__(self):
        if self.rationale_format not in (None, *FORMATS):
            raise SettingError(f"rationale_format is one of {', '.join(FORMATS)}; got {self.rationale_format!r}")
        if self.annotators not in ANNOTATORS:
            raise SettingError(f"annotators is one of {', '.join(ANNOTATORS)}; got {self.annotators!r}")
        if self.gold not in GOLD_COLUMNS:
            raise SettingError(f"gold is one of {', '.join(GOLD_COLUMNS)}; got {self.gold!r}")


@dataclass(frozen=True, slots=True)
class Columns:
    """The columns that each field of a `Text` is read from; None where there is no such column."""

    first: Side
    label: Hashable | None
    id: Hashable | None
    kind: Hashable | None
    second: Side | None = None
    value: Hashable | None = None
    some_single: bool = False  # whether a row without a second text is a single text
    gold: str = "label"

    @property
    def used(self) -> list[Hashable]:
        """The columns that are read, each once."""
        columns = [*self.first.used, self.label, self.id, self.kind, self.value]
        columns += [] if self.second is None else self.second.used
        return list(dict.fromkeys(column for column in columns if column is not None))

    def text_of(self, row: Mapping[Any, Any], where: str, id: str = "") -> Text:  # noqa: A002 - the field's name
        """The `Text` of a row.

        Args:
            row: values by column; a column that is absent from this row counts as missing.
            where: names the row in errors, by file and number.
            id: the id that the row gets if it has none of its own.

        Raises:
            InputError: a value is not allowed in its field.
            EmptyTextError: the text has no word.
        """
        if self.first.main not in row:
            raise InputError(f"{where}: there is no {self.first.main!r}; the row has {listed(list(row))}")
        text, rationale = self.first.read(row, where)
        label, name, kind, gold = (
            None if column is None else row.get(column) for column in (self.label, self.id, self.kind, self.value)
        )
        pair, pair_rationale = (NO_PAIR, None) if self.second is None else self.second.read(row, where)
        if self.some_single and (is_missing(pair) or pair == ""):
            pair = NO_PAIR
        labels = label if self.gold == "labels" else None
        tags = None
        if self.gold == "tags":
            text, tags = join_tokens(text, where), label
        label = label if self.gold == "label" else None
        return checked_text(text, label, rationale, name, kind, where, id, pair, pair_rationale, gold, labels, tags)


def choose_columns(known: Sequence[Hashable], named: Named, source: str) -> Columns:
    """The columns to read: those that the user named, else those with the usual names, in upper or lower case.

    Args:
        known: all columns of the data.
        named: the columns that the user named.
        source: names the data in errors.

    Raises:
        InputError: a named column does not exist, or no column of texts is named and none has a usual name.
    """
    for column in named.columns(known):
        if column not in known:
            near = difflib.get_close_matches(str(column), [str(name) for name in known], 1)
            advice = f" Did you mean {near[0]!r}?" if near else ""
            raise InputError(f"{source}: there is no column {column!r}; the columns are {listed(known)}.{advice}")
    first, second, certain = _sides(known, named, source)
    name = usual_column("id", known) if named.id is None else named.id or None
    label = _gold_column(known, named, source)
    if label == named.value and named.label is None:
        label = None  # the column holds values, not classes
    chosen = Columns(
        first, label, name, usual_column("kind", known), second, named.value or None, not certain, named.gold
    )
    for column in chosen.used:
        if list(known).count(column) > 1:
            raise InputError(
                f"{source}: two columns are called {column!r}; rename one. The columns are {listed(known)}"
            )
    return chosen


def _gold_column(known: Sequence[Hashable], named: Named, source: str) -> Hashable | None:
    """Returns the column of the gold answers; None for none."""
    if named.label is not None:
        return None if named.label == "" else named.label
    found = [column for name in GOLD_COLUMNS[named.gold] if (column := usual_column(name, known)) is not None]
    if len(found) > 1:
        raise InputError(f"{source}: {listed(found)} may all hold the tags; name one: label_column")
    return found[0] if found else None


def _sides(known: Sequence[Hashable], named: Named, source: str) -> tuple[Side, Side | None, bool]:
    """Returns the columns of the texts, the columns of the second texts, and whether every row must be a pair."""
    others = named.columns(known)
    if named.gold == "tags":
        unread = {
            "pair_column": named.pair, "rationale_column": named.rationale, "pair_tokens_column": named.pair_tokens,
            "pair_rationale_column": named.pair_rationale,
        }  # fmt: skip
        if wrong := [name for name, column in unread.items() if column not in (None, "")]:
            raise InputError(f"{source}: tags are read of single texts without rationales; leave {wrong[0]} out")
        return Side(_tagged_column(known, named, source)), None, True
    tokens, pair_tokens = named.tokens or None, named.pair_tokens or None
    if named.tokens is None:
        usual = (usual_column(name, known) for name in TOKEN_COLUMNS)
        tokens = next((column for column in usual if column is not None and column not in others), None)
    text, pair, certain = _text_columns(known, named, tokens, source)
    query = usual_column("query", known)
    if text is None and pair is None and query is not None and not others:  # ERASER's questions about documents
        text, tokens, pair_tokens = query, None, tokens
    first = choose_side(
        known, text, tokens, named.rationale, "rationale", named.rationale_format, named.annotators, others, source
    )
    if pair is None and pair_tokens is None:
        return first, None, certain
    second = choose_side(
        known, pair, pair_tokens, named.pair_rationale, "pair_rationale", named.rationale_format, named.annotators,
        others if tokens is None else known, source,
    )  # fmt: skip
    return first, second, certain or pair_tokens is not None


def _tagged_column(known: Sequence[Hashable], named: Named, source: str) -> Hashable:
    """Returns the column of the lists of tokens that have tags."""
    usual = (usual_column(name, known) for name in TOKEN_COLUMNS)
    given = named.text or named.tokens
    column = next((column for column in usual if column is not None), None) if given is None else given
    if column is None:
        raise InputError(
            f"{source}: no column is called {' or '.join(map(repr, TOKEN_COLUMNS))}; the columns are {listed(known)}. "
            "Name the column of the lists of tokens: text_column"
        )
    return column


def _text_columns(
    known: Sequence[Hashable], named: Named, tokens: Hashable | None, source: str
) -> tuple[Hashable | None, Hashable | None, bool]:
    """Returns the columns of the texts and of the second texts, None for joined tokens or where there is none; and
    whether every row must be a pair.
    """
    pair = usual_column("pair", known) if named.pair is None else named.pair
    pair = None if pair == "" else pair
    certain = named.pair is not None  # a column found by the name `pair` may be empty, as in an export
    if named.text == "":
        if tokens is None:
            raise InputError(
                f"{source}: an empty text_column makes the texts from tokens, and no column holds tokens; the columns "
                f"are {listed(known)}. Name it: tokens_column (--tokens-column)"
            )
        return None, pair, certain
    if named.text is not None:
        return named.text, pair, certain
    found = [column for name in TEXT_COLUMNS if (column := usual_column(name, known)) is not None and column != pair]
    pairs = [tuple(usual_column(name, known) for name in names) for names in PAIR_COLUMNS]
    pairs = [(first, second) for first, second in pairs if None not in (first, second)]
    if named.pair is None and len(pairs) == 1 and not set(found) - set(pairs[0]):  # QNLI has a question and a sentence
        return *pairs[0], True
    if not found and tokens is not None:
        return None, pair, certain
    if not found:
        raise InputError(
            f"{source}: no column is called {', '.join(map(repr, TEXT_COLUMNS))}; the columns are {listed(known)}. "
            "Name the column of the texts: text_column (--text-column); for pairs, pair_column (--pair-column) too"
        )
    if len(found) > 1 and str(found[0]).casefold() != TEXT_COLUMNS[0]:
        raise InputError(f"{source}: {listed(found)} may all hold the texts; name one: text_column (--text-column)")
    return found[0], pair, certain
