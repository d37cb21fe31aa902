"""Which method answers which outcome on which family: the table in docs/support.md, made here.

`TEXTIBA_WRITE=1 pytest -m families tests/test_support.py` writes the table anew.
"""

import os
import warnings
from functools import lru_cache
from pathlib import Path

import families
import numpy as np
import pytest
import torch
from transformers import AutoModel, AutoModelForCausalLM, AutoModelForMaskedLM

import textiba
from textiba.attribution import Attribution, EvidenceDetails, content_scores
from textiba.bottleneck.statistics import FeatureStatistics
from textiba.errors import FewTextsWarning, TextibaError
from textiba.methods import METHODS, Method
from textiba.model.outcomes import Above, Label, Labels, Rather, Similarity
from textiba.model.tokens import MaskedToken, NextToken
from textiba.model.view import Model
from textiba.show.summary import markdown_table

PAGE = Path(__file__).parent.parent / "docs" / "support.md"
FAMILIES = (
    "bert", "roberta", "xlm-roberta", "deberta-v2", "mpnet", "modernbert", "albert", "electra", "distilbert", "gpt2",
    "llama", "qwen3",
)  # fmt: skip
IN_SHORT = ("deberta-v2", "llama")  # what `make test` tries
OUTCOMES = ("classes", "labels", "label", "above", "rather", "similarity", "next", "masked")
CAUSAL = ("gpt2", "llama", "qwen3")  # these are asked for the next token, the others for a masked one
FAST = {"steps": 3, "samples": 4, "nodes": 20, "evaluations": 8}
TEXTS = families.texts(8, (7, 4))


@lru_cache(maxsize=8)
def asked(family: str, outcome: str) -> Model:
    """A tiny model of a family that is asked an outcome."""
    if outcome == "next":
        module = families.tiny(family, made_by=AutoModelForCausalLM)
        return Model(module, families.tokenizer(), outcome=NextToken(candidates=("w7", "w9")))
    if outcome == "masked":
        module = families.tiny(family, made_by=AutoModelForMaskedLM)
        template = MaskedToken(candidates=("w7", "w9"), template="{text} w4 [MASK]")
        return Model(module, families.tokenizer(), outcome=template)
    if outcome == "similarity":
        module = families.tiny(family, made_by=AutoModel)
        return Model(module, families.tokenizer(), outcome=Similarity(to="w5 w6"))
    chosen = {"labels": Labels(), "label": Label(label=1), "above": Above(label=2), "rather": Rather(this=2, that=0)}
    return Model(families.tiny(family), families.tokenizer(), outcome=chosen.get(outcome))


@lru_cache(maxsize=8)
def statistics(family: str, outcome: str) -> FeatureStatistics:
    model = asked(family, outcome)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FewTextsWarning)
        tokens = model.tokenize(families.texts(9, (12, 9, 7, 5)))
        return textiba.estimate_statistics(model, (model.forward(b) for b in model.batches(tokens)))


def fast(name: str) -> Method:
    fields = METHODS[name].model_fields
    settings = {k: v for k, v in FAST.items() if k in fields}
    return textiba.method(name, **settings)


def run(name: str, family: str, outcome: str, texts: list[str]) -> list[Attribution]:
    model = asked(family, outcome)
    return textiba.explain(model, fast(name), texts, statistics(family, outcome), seed=3)


def verdict(name: str, family: str, outcome: str) -> str:
    """Whether a method answers ("yes"), or refuses with a reason ("–"); a broken contract fails."""
    try:
        found = run(name, family, outcome, TEXTS)
    except TextibaError:
        return "–"
    again, alone = run(name, family, outcome, TEXTS), run(name, family, outcome, TEXTS[1:])
    for a, b in zip(found, again, strict=True):
        assert np.isfinite(content_scores(a)).all()
        assert np.array_equal(a.scores, b.scores, equal_nan=True), "the same seed gives the same scores"
    size = np.nanmax(np.abs(found[1].scores))
    assert np.nanmax(np.abs(found[1].scores - alone[0].scores)) <= 1e-3 * size + 1e-7, "batch mates change nothing"
    if name == "evidence":
        for a in found:
            assert isinstance(a.details, EvidenceDetails)
            size = float(np.abs(content_scores(a)).sum())  # scores of both signs may add up to almost nothing
            assert abs(a.details.residual) <= 0.01 * size + 2e-3, "evidence adds up"
    return "yes"


def answers(name: str, family: str) -> str:
    """Returns "yes" for a method that answers every outcome, "–" for none, else the outcomes that it answers."""
    other = "masked" if family in CAUSAL else "next"
    asked_for = [outcome for outcome in OUTCOMES if outcome != other]
    yes = [outcome for outcome in asked_for if verdict(name, family, outcome) == "yes"]
    return "yes" if len(yes) == len(asked_for) else ", ".join(yes) or "–"


@pytest.mark.parametrize("name", sorted(METHODS))
@pytest.mark.parametrize("family", IN_SHORT)
def test_a_method_answers_or_says_why_not(family: str, name: str):
    assert verdict(name, family, "classes") in ("yes", "–")


@pytest.mark.families
@pytest.mark.parametrize("family", FAMILIES)
def test_the_table_in_the_docs_is_what_was_tried(family: str):
    before = {key: value.clone() for key, value in asked(family, "classes").module.state_dict().items()}
    found = {f"`{name}`": answers(name, family) for name in METHODS}
    after = asked(family, "classes").module.state_dict()
    assert all(torch.equal(after[key], value) for key, value in before.items()), "the model is not changed"
    head, table = _table()
    if os.environ.get("TEXTIBA_WRITE"):
        table = {"method": list(found)} | {kind: table.get(kind, [""] * len(found)) for kind in FAMILIES}
        table[family] = list(found.values())
        PAGE.write_text(f"{head}{markdown_table(table)}\n", encoding="utf-8")
    assert dict(zip(table["method"], table[family], strict=True)) == found


def _table() -> tuple[str, dict[str, list[str]]]:
    """What stands before the table in the page, and the table's columns."""
    head, _, body = PAGE.read_text("utf-8").partition("| method")
    rows = [[cell.strip() for cell in row.strip("|").split("|")] for row in f"| method{body}".strip().splitlines()]
    return head, {title: [row[i] for row in rows[2:]] for i, title in enumerate(rows[0])}
