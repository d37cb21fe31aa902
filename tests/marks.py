"""What the tests of rationales share: one row whose tokens have two marked reasons, and the words that a text marks."""

from textiba.texts.text import Text

TOKENS = ["a", "dull", "plot", ",", "superb", "actors", "."]
JOINED = "a dull plot , superb actors ."
WRITTEN = "A  dull plot, superb actors."  # the same words, with other spaces
DULL, ACTORS = [1, 3], [4, 6]
MASK = [0, 1, 1, 0, 1, 1, 0]


def marked(text: Text) -> list[str]:
    """The words of the spans of a text."""
    return [text.text[start:end] for start, end in text.rationale]
