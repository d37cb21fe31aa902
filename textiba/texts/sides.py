"""Which columns one text is read from: the text, its tokens and its rationale."""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from textiba.errors import InputError
from textiba.texts.rationales import ABSENT, read_rationale, read_tokens
from textiba.texts.values import shown

TOKEN_COLUMNS = ("tokens", "post_tokens")  # the names under which a column of tokens is found: ERASER's, HateXplain's
SPAN_COLUMNS = ("evidence_starts", "evidence_ends")  # ERASER's names for the starts and ends of spans of tokens
MASK_COLUMN = "rationales"  # HateXplain's name for the masks of several annotators


@dataclass(frozen=True, slots=True)
class Side:
    """The columns of a single text, or of one text of a pair.

    Attributes:
        text: column of the text; None joins the tokens with single spaces.
        tokens: column of the tokens; None where there is none.
        rationale: column of the rationale, or of the starts of its spans; None where there is none.
        ends: column of the ends of the spans, if `rationale` has the starts.
        form: what the numbers of the rationale are; see `textiba.texts.rationales.read_rationale`.
        annotators: how several annotators are merged, "any" or "majority".
    """

    text: Hashable | None
    tokens: Hashable | None = None
    rationale: Hashable | None = None
    ends: Hashable | None = None
    form: str | None = None
    annotators: str = "majority"

    @property
    def main(self) -> Hashable:
        """The column that every row must have."""
        return self.tokens if self.text is None else self.text

    @property
    def used(self) -> list[Hashable]:
        """The columns that are read."""
        counted = self.rationale is not None and self.form != "characters"
        columns = (self.text, self.tokens if counted or self.text is None else None, self.rationale, self.ends)
        return [column for column in columns if column is not None]

    def read(self, row: Mapping[Any, Any], where: str) -> tuple[object, object]:
        """Returns the text, which is not checked, and its rationale as `read_rationale` gives it.

        Args:
            row: values by column; a column that is absent from this row counts as missing.
            where: names the row in errors.

        Raises:
            InputError: the tokens or the rationale have none of the known shapes, or do not fit the text.
        """
        tokens = None if self.tokens is None else row.get(self.tokens)
        text = " ".join(read_tokens(tokens, where)) if self.text is None else row.get(self.text)
        if self.rationale is None or not isinstance(text, str):
            return text, None
        ends = ABSENT if self.ends is None else row.get(self.ends)
        given = (row.get(self.rationale), ends, text, tokens, self.text is None)
        return text, read_rationale(*given, self.form, self.annotators, where)


def choose_side(
    known: Sequence[Hashable], text: Hashable | None, tokens: Hashable | None,
    given: Hashable | list[Hashable] | None, usual: str, form: str | None, annotators: str,
    taken: Sequence[Hashable], source: str,
) -> Side:  # fmt: skip
    """Returns the columns of a text; the columns of its rationale are those given, or else those with usual names.

    Args:
        known: all columns of the data.
        text: column of the text; None joins the tokens.
        tokens: column of the tokens; None where there is none.
        given: the columns of the rationale that the user named; None takes those with usual names, "" none.
        usual: the usual name of a column of rationales; the other usual names are for a text with tokens.
        form: what the numbers of the rationale are, if the user said it.
        annotators: how several annotators are merged.
        taken: columns that have another use.
        source: names the data in errors.

    Raises:
        InputError: the rationale counts tokens, and there is no column of tokens; or a mask has two columns.
    """
    starts, ends = None, None
    if given is not None:
        starts, ends = (None, None) if given == "" else span_columns(given, known)
    elif (column := usual_column(usual, known)) is not None:
        starts = column
    elif tokens is not None:
        spans = [column for name in SPAN_COLUMNS if (column := usual_column(name, known)) is not None]
        mask = usual_column(MASK_COLUMN, known)
        if len(spans) == 2 and not set(spans) & set(taken):
            starts, ends = spans
        elif mask is not None and mask not in taken:
            starts = mask
    if starts is None:
        return Side(text, tokens)
    if tokens is not None and ends is None and starts == usual_column(MASK_COLUMN, known):
        form = form or "mask"
    if ends is not None and form == "mask":
        raise InputError(f"{source}: a mask is one column; {starts!r} and {ends!r} are two, of starts and ends")
    if tokens is None and (form in ("tokens", "mask") or (ends is not None and form is None)):
        columns = f"{starts!r} counts" if ends is None else f"{starts!r} and {ends!r} count"
        raise InputError(
            f"{source}: {columns} tokens, and no column holds the tokens; the columns are {listed(known)}. Name the "
            "column of the tokens, tokens_column (--tokens-column) or pair_tokens_column; or, if characters are "
            "counted, set rationale_format: characters"
        )
    return Side(text, tokens, starts, ends, form, annotators)


def span_columns(given: Hashable | list[Hashable], known: Sequence[Hashable]) -> tuple[Hashable, Hashable | None]:
    """Returns the column of rationales, or of starts, and the column of ends, or None.

    Args:
        given: a column, or a tuple (or list) of two columns.
        known: all columns of the data, one of which may be a tuple itself (in pandas).

    Raises:
        InputError: a tuple that is neither a column nor two columns.
    """
    if not isinstance(given, tuple | list) or given in known:
        return given, None  # pyright: ignore[reportReturnType] - a list is never a column
    if len(given) != 2:
        raise InputError(f"a rationale has one column, or two, for starts and ends; got {len(given)}: {shown(given)}")
    return given[0], given[1]


def usual_column(name: str, known: Sequence[Hashable]) -> Hashable | None:
    """Returns the column with a usual name, or else the only column whose name differs from it in case alone."""
    if name in known:
        return name
    same = [column for column in known if isinstance(column, str) and column.casefold() == name]
    return same[0] if len(same) == 1 else None


def listed(columns: Sequence[Hashable]) -> str:
    """Returns a list of the first twenty columns for error messages."""
    more = f", … ({len(columns)} in all)" if len(columns) > 20 else ""
    return f"[{', '.join(shown(column) for column in columns[:20])}{more}]"
