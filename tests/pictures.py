"""Results made by hand, for whatever draws them: no model, no tokenizer."""

import itertools
import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from textiba.attribution import Attribution, BitsDetails, Curve, EvidenceDetails
from textiba.texts.sources import Text
from textiba.texts.tokens import TokenizedText

TEXT = Text("Never dull,\nalways wonderful.", 1, ((0, 10), (19, 28)), "r1", "plain")
WORDS = ("Never", "dull", ",", "always", "wonderful", ".")


def tokenized(text: Text = TEXT, cut: int = 0) -> TokenizedText:
    """Words and marks between [CLS] and [SEP]; words of more than six letters are two tokens."""
    rows: list[tuple[tuple[int, int], int | None]] = [((0, 0), None)]
    for word, match in enumerate(re.finditer(r"\w+|[^\w\s]", text.text)):
        start, end = match.span()
        middle = [start + 4] if end - start > 6 else []
        edges = [start, *middle, end]
        rows += [((a, b), word) for a, b in itertools.pairwise(edges)]
    rows.append(((0, 0), None))
    offsets, words = zip(*rows, strict=True)
    tokens = tuple(text.text[a:b] or "[X]" for a, b in offsets)
    return TokenizedText(text, tuple(range(len(rows))), (), tokens, offsets, words, cut)


def attribution(
    scores: Sequence[float] | None = None,
    unit: str = "nats",
    text: TokenizedText | None = None,
    **changes: Any,
) -> Attribution:
    """Scores for each token of the text (1, −1, 1, … when None), with NaN put at both ends."""
    text = text or tokenized()
    values = [(-1.0) ** i for i in range(len(text.content))] if scores is None else list(scores)
    if unit == "bits":
        values = [abs(v) for v in values]
        details: Any = BitsDetails(np.ones(1), np.ones(2), np.ones(2), True, 0.9, 0.0, 1.0)
    else:
        details = EvidenceDetails(-2.0, -0.1, 0.0, 0.0)
    beta = changes.pop("beta", 1e-3 if unit == "bits" else None)
    fields: dict[str, Any] = {
        "checkpoint": "fine-tuned",
        "method": "per_sample" if unit == "bits" else "evidence",
        "settings": {} if beta is None else {"beta": beta},
        "layer": 1,
        "target": 1,
        "probability": 0.9,
        "predicted": 1,
        "signed": unit != "bits",
        "details": details,
    }
    array = np.asarray([np.nan, *values, np.nan], dtype=np.float32)
    return Attribution(text=text, scores=array, unit=unit, **fields | changes)


def curves(texts: int = 5) -> dict[str, Curve]:
    """MoRF falls at once and LeRF at the end, the same for all texts: an area of 0.4."""
    steps = np.asarray([0.0, 0.5, 1.0])
    rows = {"morf": (0.9, 0.1, 0.1), "lerf": (0.9, 0.9, 0.1), "random": (0.9, 0.5, 0.1)}
    return {
        order: Curve(order, "delete", "fraction", steps, np.tile(row, (texts, 1)), np.ones((texts, 3)), "evidence", "m")
        for order, row in rows.items()
    }
