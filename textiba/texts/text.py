"""`Text`: a text with its label and its human rationale."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Text:
    """A text, its gold label, and the spans that a person marked as the reason for the label.

    Attributes:
        text: the text.
        label: gold class: its index, or its name in the model's `id2label` (see `textiba.texts.labels`); None when
            unknown.
        rationale: character spans `(start, end)`, end exclusive, sorted and without overlap.
        id: a stable name within its source.
        kind: a category of the text (bundled reviews: plain, mixed, negation, irony, plot, names).
    """

    text: str
    label: int | str | None = None
    rationale: tuple[tuple[int, int], ...] = ()
    id: str = ""
    kind: str = ""
