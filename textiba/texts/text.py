"""`Text`: a text, or a pair of texts, with its label and its human rationale."""

from dataclasses import dataclass

PARTS = ("text", "pair")
_BETWEEN = "\n"  # stands between the two texts of a pair where both are shown as one text
Spans = tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Text:
    """A text or a pair of texts, its gold label, and the spans that a person marked as the reason for the label.

    Attributes:
        text: the text; for a pair, the first text, such as a premise or a question.
        label: the gold class, as its index or as its name in the model's `id2label` (see `textiba.texts.labels`); None
            when unknown.
        rationale: character spans `(start, end)` in `text`, end exclusive, sorted and without overlap.
        id: a stable name within its source.
        kind: a category of the text (bundled reviews: plain, mixed, negation, irony, plot, names).
        pair: the second text of a pair, such as a hypothesis or a passage; None for a single text.
        pair_rationale: character spans in `pair`, in the same form as `rationale`.
        value: gold value for regression, such as the similarity of a pair; None when unknown.
        labels: the gold labels where several may hold at once, each in the form of `label`; () if none holds, and None
            when unknown.
        tags: the gold tags of the tokens of `text`, which are what single spaces separate; each in the form of
            `label`. None when unknown.
    """

    text: str
    label: int | str | None = None
    rationale: Spans = ()
    id: str = ""
    kind: str = ""
    pair: str | None = None
    pair_rationale: Spans = ()
    value: float | None = None
    labels: tuple[int | str, ...] | None = None
    tags: tuple[int | str, ...] | None = None

    @property
    def whole(self) -> str:
        """The text, or both texts of a pair with a line break between them. Offsets of tokens refer to `whole`."""
        return self.text if self.pair is None else f"{self.text}{_BETWEEN}{self.pair}"

    @property
    def pair_start(self) -> int:
        """The place in `whole` at which the second text begins; the end of `whole` for a single text."""
        return len(self.text) + (0 if self.pair is None else len(_BETWEEN))

    @property
    def marked(self) -> Spans:
        """The spans of both rationales, as places in `whole`."""
        return (*self.rationale, *((a + self.pair_start, b + self.pair_start) for a, b in self.pair_rationale))

    def inside(self, start: int, end: int) -> tuple[int, int]:
        """Converts a span in `whole` to positions in the text (`text` or `pair`) that contains the span."""
        before = self.pair_start if self.part(start) == PARTS[1] else 0
        return start - before, end - before

    def part(self, place: int) -> str:
        """Which text a place in `whole` belongs to: "text" or "pair"."""
        return PARTS[self.pair is not None and place >= self.pair_start]
