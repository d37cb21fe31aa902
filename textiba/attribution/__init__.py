"""Results: frozen values that hold raw scores. Nothing here computes scores, draws or writes files."""

from textiba.attribution.details import BitsDetails, Details, EvidenceDetails, GateDetails
from textiba.attribution.results import Attribution, Attributions, Curve, removal_way
from textiba.attribution.words import (
    Word,
    amount,
    class_name,
    content_scores,
    describe,
    explained_output,
    gold_name,
    top_words,
    word_scores,
    words,
)

__all__ = [
    "Attribution", "Attributions", "BitsDetails", "Curve", "Details", "EvidenceDetails", "GateDetails", "Word",
    "amount", "class_name", "content_scores", "describe", "explained_output", "gold_name", "removal_way", "top_words",
    "word_scores", "words",
]  # fmt: skip
