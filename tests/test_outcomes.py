"""What a model is asked: labels that are not exclusive, values, margins, tokens, similarity; and methods on each."""

from typing import Any

import families
import numpy as np
import pytest
import torch
import toys
from transformers import AutoModel, AutoModelForCausalLM

import textiba
from textiba.attribution import EvidenceDetails, content_scores
from textiba.errors import SettingError, TargetError, UnsupportedModelError
from textiba.methods import Evidence, PerSampleBottleneck
from textiba.model.outcomes import Above, Classes, Label, Labels, Outcome, PooledClasses, Rather, Similarity
from textiba.model.questions import make_outcome
from textiba.model.tokens import NextToken
from textiba.model.view import Model
from textiba.show.highlight import facts

TEXTS = toys.texts(3, seed=21, shortest=6)


def model(labels: int = 3, outcome: Outcome | None = None, **config: Any) -> Model:
    return Model(toys.classifier(labels=labels, **config), toys.tokenizer(), outcome=outcome)


def evidence(asked: Model, target: int | str, **settings: Any) -> list[Any]:
    method = Evidence(layer=1, nodes=20, **settings)
    return textiba.explain(asked, method, TEXTS, toys.statistics(asked), target)


@pytest.mark.parametrize(
    ("labels", "problem", "expected"),
    [
        (3, None, Classes()),
        (3, "single_label_classification", Classes()),
        (3, "multi_label_classification", Labels()),
        (1, None, Above()),
        (1, "regression", Above()),
    ],
)
def test_the_outcome_is_told_by_head_and_config(labels: int, problem: str | None, expected: Outcome):
    assert model(labels, problem_type=problem).outcome == expected


def test_labels_that_are_not_exclusive_have_a_sigmoid_each():
    many = model(problem_type="multi_label_classification")
    batch = many.collate(many.tokenize(TEXTS))
    logits = many.module(**many.inputs(batch)).logits
    torch.testing.assert_close(many.probabilities(many.logits(batch)), logits.sigmoid())
    for a in textiba.explain(many, textiba.Saliency(), TEXTS, target=2):
        assert a.probability == pytest.approx(float(logits.sigmoid()[TEXTS.index(a.text.source.text), 2]), abs=1e-6)


def test_a_label_s_scores_do_not_change_when_the_other_labels_weights_do():
    one = toys.classifier(problem_type="multi_label_classification")
    other = toys.classifier(problem_type="multi_label_classification")
    with torch.no_grad():
        other.classifier.weight[[0, 2]] += 1.5
        other.classifier.bias[[0, 2]] -= 0.5
    for method in (Evidence(layer=1), PerSampleBottleneck(layer=1, steps=3), textiba.Occlusion(), textiba.LRP()):
        found = [
            textiba.explain(asked, method, TEXTS, toys.statistics(asked), target=1)
            for asked in (Model(one, toys.tokenizer()), Model(other, toys.tokenizer()))
        ]
        for a, b in zip(*found, strict=True):
            np.testing.assert_allclose(content_scores(a), content_scores(b), rtol=1e-4, atol=1e-6)


def test_one_label_is_asked_by_name_or_index():
    named = {"id2label": {0: "joy", 1: "anger", 2: "fear"}, "label2id": {"joy": 0, "anger": 1, "fear": 2}}
    by_name = model(outcome=Label(label="Anger"), **named)
    assert (by_name.labels, by_name.reading.words) == (("not anger", "anger"), "label anger")
    batch = by_name.collate(by_name.tokenize(TEXTS))
    z = by_name.module(**by_name.inputs(batch)).logits[:, 1]
    torch.testing.assert_close(by_name.logits(batch), torch.stack([torch.zeros_like(z), z], dim=1))
    assert model(outcome=Label(label=1), **named).labels == by_name.labels
    with pytest.raises(TargetError, match=r"one of \['joy', 'anger', 'fear'\], or an index from 0 to 2; got 'hope'"):
        model(outcome=Label(label="hope"), **named)
    with pytest.raises(TargetError, match="got -1"):
        model(outcome=Label(label=-1), **named)


def test_the_evidence_of_a_reranker_sums_to_the_difference_of_its_logits():
    reranker = model(labels=1)
    statistics = toys.statistics(reranker)
    for a in evidence(reranker, "above 0"):
        batch = reranker.collate([a.text])
        state = reranker.run_to(batch, 1)
        blank = torch.where(batch.content.unsqueeze(-1), statistics.mean[1].float(), state)
        z = [float(reranker.run_from(batch, 1, s)[0, 1]) for s in (blank, state)]
        assert isinstance(a.details, EvidenceDetails)
        assert (a.details.closed, a.details.opened) == pytest.approx(z, abs=1e-5)
        assert a.total == pytest.approx(z[1] - z[0], rel=0.01, abs=1e-3)
        assert a.asked == "above 0"


def test_a_value_is_above_a_threshold_in_units_of_a_scale():
    asked = model(labels=1, outcome=Above(threshold=0.4, scale=2))
    batch = asked.collate(asked.tokenize(TEXTS))
    value = asked.module(**asked.inputs(batch)).logits[:, 0]
    torch.testing.assert_close(asked.probabilities(asked.logits(batch))[:, 1], ((value - 0.4) / 2).sigmoid())


def test_the_evidence_for_a_rather_than_b_is_the_difference_of_the_two_evidences():
    whole = model()
    margin = whole.asking(Rather(this=2, that=0))
    for_two, for_zero = (evidence(whole, t) for t in (2, 0))
    for a, two, zero in zip(evidence(margin, 1), for_two, for_zero, strict=True):
        np.testing.assert_allclose(content_scores(a), content_scores(two) - content_scores(zero), atol=1e-4)
    assert margin.labels == ("LABEL_0", "LABEL_2")
    with pytest.raises(SettingError, match="two classes; got 'LABEL_1' twice"):
        whole.asking(Rather(this=1, that="label_1"))


def test_the_next_token_of_a_causal_language_model():
    module = families.tiny("gpt2", made_by=AutoModelForCausalLM)
    asked = Model(module, families.tokenizer(), outcome=NextToken(candidates=("w7", "w9")))
    tokens = asked.tokenize(families.texts(4))
    batch = asked.collate(tokens)
    for i, text in enumerate(tokens):
        alone = module(input_ids=torch.tensor([text.ids])).logits[0, -1, [7, 9]]
        torch.testing.assert_close(asked.logits(batch)[i], alone, rtol=0, atol=1e-5)
    assert asked.labels == ("w7", "w9")
    with pytest.raises(SettingError, match="a candidate must be a single token of the model; 'w7 w8' is"):
        asked.asking(NextToken(candidates=("w7 w8", "w9")))


def test_similarity_to_another_text_by_an_encoder_without_a_head():
    module = families.tiny("bert", made_by=AutoModel)
    asked = Model(module, families.tokenizer(), outcome=Similarity(to="w5 w6 w7", threshold=0.2, scale=0.5))
    [text] = asked.tokenize(["w8 w6"])

    def embedded(ids: tuple[int, ...]) -> torch.Tensor:
        return module(input_ids=torch.tensor([ids])).last_hidden_state[0].mean(dim=0)

    cosine = torch.cosine_similarity(embedded(text.ids), embedded((2, 5, 6, 7, 3)), dim=0)
    z = asked.logits(asked.collate([text]))[0, 1]
    assert float(z) == pytest.approx(float((cosine - 0.2) / 0.5), abs=1e-5)


@pytest.mark.parametrize(
    "outcome",
    [
        Similarity(to="w5 w6 w7"),
        PooledClasses(weights=((1.0,) * 32, (0.5, -0.5) * 16), bias=(0.0, 0.0), names=("no", "yes")),
    ],
)
def test_padding_is_no_part_of_a_mean(outcome: Outcome):
    asked = Model(families.tiny("bert", made_by=AutoModel), families.tokenizer(), outcome=outcome)
    texts = asked.tokenize(["w8 w6", "w9 w10 w11 w12 w13 w14 w15"])
    together = asked.logits(asked.collate(texts))
    alone = torch.cat([asked.logits(asked.collate([text])) for text in texts])
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-5)


def test_another_text_that_is_too_long_is_cut_at_the_models_limit():
    module = families.tiny("bert", made_by=AutoModel)
    limit = Model(module, families.tokenizer(), outcome=Similarity(to="w5")).max_length
    long = "w5 w6 w7 " * 200
    cut = " ".join(long.split()[: limit - 2])
    logits = []
    for to in (long, cut):
        asked = Model(module, families.tokenizer(), outcome=Similarity(to=to))
        logits.append(asked.logits(asked.collate(asked.tokenize(["w8 w6"]))))
    torch.testing.assert_close(*logits)


def test_several_values_need_to_know_which_one_is_asked_about():
    with pytest.raises(UnsupportedModelError, match=r"predicts 3 values by regression.*Above\(label='LABEL_0'"):
        model(problem_type="regression")
    asked = model(problem_type="regression", outcome=Above(label="LABEL_2", threshold=0.5))
    assert asked.labels == ("at most 0.5", "above 0.5")


@pytest.mark.parametrize(("label", "place"), [("LABEL_2", 2), (1, 1)])
def test_the_value_is_the_output_that_was_named(label: str | int, place: int):
    asked = model(problem_type="regression", outcome=Above(label=label, threshold=0.5, scale=2))
    batch = asked.collate(asked.tokenize(TEXTS))
    value = asked.module(**asked.inputs(batch)).logits[:, place]
    torch.testing.assert_close(asked.logits(batch)[:, 1], (value - 0.5) / 2)


@pytest.mark.parametrize("label", [np.int64(1), np.uint8(1), 1, "LABEL_1", "label_1"])
def test_a_label_by_any_whole_number_or_name(label: Any):
    assert model().find_label(label) == 1
    assert [a.target for a in textiba.explain(model(), textiba.Random(), TEXTS, target=label)] == [1] * len(TEXTS)


@pytest.mark.parametrize("label", [True, 3, -1, np.int64(-1), "²"])
def test_what_is_no_label(label: Any):
    with pytest.raises(TargetError, match="a label must be one of"):
        model().find_label(label)


@pytest.mark.parametrize("pooling", ["mean", "first"])
def test_a_linear_head_on_pooled_states(pooling: Any):
    module = families.tiny("bert", made_by=AutoModel)
    weights = torch.randn(2, 32, generator=torch.Generator().manual_seed(0))
    head = {"weights": tuple(map(tuple, weights.tolist())), "bias": (0.1, -0.2), "names": ("no", "yes")}
    asked = Model(module, families.tokenizer(), outcome=PooledClasses(**head, pooling=pooling, normalize=True))
    [text] = asked.tokenize(["w8 w6"])
    states = module(input_ids=torch.tensor([text.ids])).last_hidden_state[0]
    pooled = states.mean(dim=0) if pooling == "mean" else states[0]
    expected = weights @ (pooled / pooled.norm()) + torch.tensor([0.1, -0.2])
    torch.testing.assert_close(asked.logits(asked.collate([text]))[0], expected, rtol=1e-4, atol=1e-5)


def test_a_model_without_a_head_needs_an_outcome():
    with pytest.raises(UnsupportedModelError, match=r"GPT2LMHeadModel has no classification head.*NextToken"):
        Model(families.tiny("gpt2", made_by=AutoModelForCausalLM), families.tokenizer())


def test_gold_labels_are_of_the_models_classes_only():
    asked = model(outcome=Label(label=1))
    with pytest.raises(TargetError, match="the model's classes; this model was asked: label LABEL_1"):
        textiba.explain(asked, textiba.Random(), [textiba.Text("a film", 1)], target="gold")


@pytest.mark.parametrize(("label", "said"), [(1, "gold 1"), ("spam", "gold spam"), (None, "above 0.5")])
def test_a_label_of_the_data_is_not_called_by_an_outcomes_name(label: Any, said: str):
    asked = model(outcome=Above(threshold=0.5))
    [a] = textiba.explain(asked, textiba.Random(), [textiba.Text("a film", label)])
    assert said in f"{facts(a)} {asked.reading.words}"
    assert "gold above" not in facts(a)


def test_an_outcome_by_its_name():
    assert make_outcome("above", threshold=3.5) == Above(threshold=3.5)
    with pytest.raises(SettingError, match=r"an outcome must be one of \['above', 'answer', 'classes'.*; got 'clases'"):
        make_outcome("clases")


ASKED = {
    "labels": Labels(),
    "label": Label(label=1),
    "above": Above(threshold=0.1, label=2),
    "rather": Rather(this=2, that=0),
}


@pytest.mark.parametrize("kind", sorted(ASKED))
@pytest.mark.parametrize("name", sorted(textiba.methods.METHODS))
def test_every_method_answers_every_outcome_or_says_why_not(name: str, kind: str):
    asked = toys.model().asking(ASKED[kind])
    fast = {"steps": 2, "samples": 4, "nodes": 2, "evaluations": 8}
    fields = textiba.methods.METHODS[name].model_fields
    settings = {k: v for k, v in fast.items() if k in fields} | ({"layer": 1} if "layer" in fields else {})
    if name == "integrated_gradients":
        settings["steps"] = 3
    method = textiba.method(name, **settings)
    if name == "readout":
        with pytest.raises(TargetError, match="a readout explains the predicted one of a model's classes"):
            textiba.explain(asked, textiba.method(name, weights=toys.readout_file(toys.model())), TEXTS)
        return
    found = textiba.explain(asked, method, TEXTS, toys.statistics(asked))
    assert [a.asked for a in found] == [asked.reading.words] * len(TEXTS)
    assert all(np.isfinite(content_scores(a)).all() for a in found)
    assert any(np.abs(content_scores(a)).max() > 0 for a in found)
    curves = textiba.degrade(asked, found, textiba.Degradation(steps=(0, 0.5, 1)))
    assert np.isfinite(textiba.lerf_morf_area(curves)).all()


@pytest.mark.parametrize("outcome", [None, Labels(), Rather(this=0, that=1), Label(label=1), Above(label=0)])
@pytest.mark.parametrize("head", [1, 2, 5])
def test_a_head_of_another_size_than_the_config_s_labels_is_refused(head: int, outcome: Outcome | None):
    module = toys.classifier(labels=3)
    module.classifier = torch.nn.Linear(32, head)
    with pytest.raises(
        UnsupportedModelError, match=rf"{head} logit\(s\), and the config names 3 label.* 0 to {head - 1}"
    ):
        Model(module, toys.tokenizer(), outcome=outcome)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (["bad", "good"], ("bad", "good")),
        (("bad", "good"), ("bad", "good")),
        ({"0": "bad", "1": "good"}, ("bad", "good")),
        ({"good": 1, "bad": 0}, ("bad", "good")),
        ({0: "0", 1: "1"}, ("0", "1")),
        ({0: None, 1: "good"}, ("LABEL_0", "good")),
    ],
)
def test_names_of_labels_are_read_as_people_write_them(given: Any, expected: tuple[str, ...]):
    module = toys.classifier(labels=2)
    module.config.id2label = given
    assert Model(module, toys.tokenizer()).labels == expected


@pytest.mark.parametrize("given", [None, {1: "bad", 2: "good"}, {"bad": 1, "good": 2.5}, {0: "bad", -1: "good"}])
def test_labels_that_the_config_does_not_tell_are_refused(given: Any):
    module = toys.classifier(labels=2)
    module.config.id2label = given
    with pytest.raises(UnsupportedModelError, match=r"id2label.*model\.config\.id2label"):
        Model(module, toys.tokenizer())
