"""What the command line and configs ask of a model, and models that come in other libraries' objects."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import families
import numpy as np
import pytest
import toys
from transformers import AutoModel, AutoModelForCausalLM, AutoModelForMaskedLM, pipeline

import textiba
from textiba.cli.questions import question
from textiba.errors import InputError, SettingError, UnsupportedModelError
from textiba.model.outcomes import Above, Label, PooledClasses, Rather, Similarity
from textiba.model.questions import outcome_of
from textiba.model.tokens import MaskedToken, NextToken
from textiba.model.view import Model

NOTHING: dict[str, Any] = dict.fromkeys(("target", "label", "above", "following", "similar_to", "template"))


@pytest.mark.parametrize(
    ("given", "outcome", "target"),
    [
        ({}, None, "predicted"),
        ({"target": "positive"}, None, "positive"),
        ({"target": "positive:negative"}, Rather(this="positive", that="negative"), "1"),
        ({"label": "joy"}, Label(label="joy"), "1"),
        ({"label": "2", "target": "0"}, Label(label=2), "0"),
        ({"label": "²"}, Label(label="²"), "1"),
        ({"label": "size", "above": 2.0}, Above(threshold=2, label="size"), "1"),
        ({"above": 3.5}, Above(threshold=3.5), "1"),
        ({"similar_to": "a film"}, Similarity(to="a film"), "1"),
        ({"following": " good| bad"}, NextToken(candidates=(" good", " bad")), "predicted"),
        (
            {"following": "good|bad", "template": "{text} It was [MASK]."},
            MaskedToken(candidates=("good", "bad"), template="{text} It was [MASK]."),
            "predicted",
        ),
    ],
)
def test_options_become_an_outcome_and_a_target(given: Any, outcome: Any, target: str):
    assert question(*(given.get(name) for name in NOTHING)) == (outcome, target)


def test_two_questions_at_once_are_refused():
    with pytest.raises(InputError, match="one question at a time; got --label and --next"):
        question(None, "joy", None, " good| bad", None, None)
    with pytest.raises(InputError, match="--template goes with --next"):
        question(None, None, None, None, None, "{text}!")


def test_an_outcome_in_a_config():
    assert outcome_of(None) is None
    assert outcome_of({"kind": "above", "threshold": 3.5}) == Above(threshold=3.5)
    with pytest.raises(SettingError, match=r"an outcome has a kind, one of .*; got \{'threshold': 1\}"):
        outcome_of({"threshold": 1})


def test_a_prompt_is_read_and_neither_scored_nor_removed_nor_cut():
    module = families.tiny("gpt2", made_by=AutoModelForCausalLM)
    asked = Model(
        module, families.tokenizer(), max_length=9,
        outcome=NextToken(candidates=("w7", "w9"), template="w20 {text} w21 w22"),
    )  # fmt: skip
    [text] = asked.tokenize(["w5 w6"])
    assert text.tokens == ("[CLS]", "w20", "w5", "w6", "w21", "w22", "[SEP]")
    assert [text.tokens[i] for i in text.content] == ["w5", "w6"]
    assert [text.source.text[a:b] for a, b in (text.offsets[i] for i in text.content)] == ["w5", "w6"]
    with pytest.warns(textiba.TextibaWarning, match="longer than 9 tokens"):
        [long] = asked.tokenize(["w5 w6 w7 w8 w9 w10"])
    assert long.tokens == ("[CLS]", "w20", "w5", "w6", "w7", "w8", "w21", "w22", "[SEP]")
    [a] = textiba.explain(asked, textiba.Evidence(layer=0, nodes=20, closed="mask"), ["w5 w6"])
    assert np.isfinite(a.scores[[2, 3]]).all()
    assert np.isnan(a.scores[[0, 1, 4, 5, 6]]).all()
    assert asked.without(text, text.content, "delete").tokens == ("[CLS]", "w20", "w21", "w22", "[SEP]")


def test_a_masked_token_is_read_at_the_mask_of_the_template():
    module = families.tiny("bert", made_by=AutoModelForMaskedLM)
    outcome = MaskedToken(candidates=("w7", "w9"), template="{text} w20 [MASK] w21")
    asked = Model(module, families.tokenizer(), outcome=outcome)
    tokens = asked.tokenize(families.texts(5))
    masked = [asked.without(t, t.content[:1], "mask") for t in tokens]  # a mask in the text is not the template's
    logits = asked.logits(asked.collate(masked))
    for row, text in zip(logits, masked, strict=True):
        place = text.tokens.index("w20", len(text) - 5) + 1
        assert text.ids[place] == asked.tokenizer.mask_token_id
        alone = module(**asked.inputs(asked.collate([text]))).logits[0, place, [7, 9]]
        np.testing.assert_allclose(row.numpy(), alone.detach().numpy(), atol=1e-5)
    with pytest.raises(SettingError, match=r"a masked token needs a template with \[MASK\] exactly once"):
        asked.asking(MaskedToken(candidates=("w7", "w9"), template="{text}"))


def test_load_takes_a_pipeline_and_a_cross_encoder():
    classifier, tokenizer = toys.classifier(), toys.tokenizer()
    held = pipeline("text-classification", model=classifier, tokenizer=tokenizer)
    model = textiba.load(held, name="held")
    assert (model.name, model.labels) == ("held", ("LABEL_0", "LABEL_1", "LABEL_2"))
    reranker = SimpleNamespace(model=toys.classifier(labels=1), tokenizer=tokenizer)  # as CrossEncoder holds them
    assert textiba.load(reranker).labels == ("at most 0", "above 0")
    with pytest.raises(UnsupportedModelError, match="a text-classification pipeline is needed; got one for ner"):
        textiba.load(SimpleNamespace(task="ner", model=classifier, tokenizer=tokenizer))
    with pytest.raises(UnsupportedModelError, match="int holds no Hugging Face model"):
        textiba.load(3)


class Pooling:
    pooling_mode_mean_tokens = True


class Normalize:
    pass


def test_load_takes_a_setfit_model():
    module = families.tiny("bert", made_by=AutoModel)
    weight = np.linspace(-1, 1, 32)
    body = [SimpleNamespace(auto_model=module, tokenizer=families.tokenizer()), Pooling(), Normalize()]
    head = SimpleNamespace(coef_=weight[None], intercept_=np.array([0.3]), classes_=np.array([0, 1]))
    model = textiba.load(SimpleNamespace(model_body=body, model_head=head, labels=["no", "yes"]))
    assert isinstance(model.outcome, PooledClasses)
    [text] = model.tokenize(["w5 w8"])
    state = module(**model.inputs(model.collate([text]))).last_hidden_state[0].mean(dim=0).detach().numpy()
    z = weight @ (state / np.linalg.norm(state)) + 0.3
    p = model.probabilities(model.logits(model.collate([text])))[0]
    assert model.labels == ("no", "yes")
    assert float(p[1]) == pytest.approx(1 / (1 + np.exp(-z)), abs=1e-5)


@pytest.mark.parametrize(
    ("pooling", "named"),
    [
        ({"pooling_mode_max_tokens": True}, "max"),
        ({"pooling_mode_mean_tokens": True, "pooling_mode_cls_token": True}, "mean, first|first, mean"),
        ({"pooling_mode": "lasttoken"}, "lasttoken"),
        ({}, "none"),
    ],
)
def test_a_setfit_model_that_pools_otherwise_is_refused(pooling: dict[str, Any], named: str):
    module = families.tiny("bert", made_by=AutoModel)
    pools = type("Pooling", (), pooling)()
    body = [SimpleNamespace(auto_model=module, tokenizer=families.tokenizer()), pools]
    head = SimpleNamespace(coef_=np.ones((1, 32)), intercept_=np.array([0.3]), classes_=np.array([0, 1]))
    with pytest.raises(UnsupportedModelError, match=f"the mean of the tokens or the first token; got ({named})"):
        textiba.load(SimpleNamespace(model_body=body, model_head=head, labels=["no", "yes"]))


def test_a_folder_and_one_sentence(tmp_path: Path):
    families.tiny("deberta-v2").save_pretrained(tmp_path)
    families.tokenizer().save_pretrained(tmp_path)
    model = textiba.load(tmp_path)
    [a] = textiba.explain(model, "saliency", ["w5 w6 w9"])
    assert [w.text for w in a.words()] == ["w5", "w6", "w9"]
