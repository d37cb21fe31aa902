"""Outcomes at a place: a word's tag, and an answer as a span; the place follows removals."""

import copy
from functools import lru_cache
from typing import Any

import numpy as np
import pytest
import torch
import toys
from transformers import AutoModelForQuestionAnswering, AutoModelForTokenClassification

import textiba
from textiba.cli.questions import question
from textiba.errors import InputError, SettingError, UnsupportedModelError
from textiba.methods import Evidence, Occlusion, Saliency
from textiba.model.places import Answer, Tag
from textiba.model.view import Model

SENTENCES = ["the actor and a dog", "a man on the road to the town", "actors river"]
ASKED = ("what is the film", "the camera is a story of war")


@lru_cache
def module(made_by: Any) -> Any:
    config = copy.deepcopy(toys.CONFIGS["bert"])
    if made_by is AutoModelForTokenClassification:
        config.id2label, config.label2id = {0: "O", 1: "B-PER", 2: "I-PER"}, {"O": 0, "B-PER": 1, "I-PER": 2}
    with torch.random.fork_rng():
        torch.manual_seed(5)
        return made_by.from_config(config).eval()


def tagger(word: int = 1) -> Model:
    return Model(module(AutoModelForTokenClassification), toys.tokenizer(), outcome=Tag(word=word))


def reader(first: int = 5, last: int = 6) -> Model:
    return Model(module(AutoModelForQuestionAnswering), toys.tokenizer(), outcome=Answer(first=first, last=last))


class TestTag:
    def test_the_logits_are_those_of_the_words_first_token(self):
        model = tagger()
        assert (model.labels, model.reading.words) == (("O", "B-PER", "I-PER"), "tag of word 1")
        for text in model.tokenize(SENTENCES):
            output = model.module(**model.inputs(model.collate([text]))).logits[0]
            torch.testing.assert_close(model.logits(model.collate([text]))[0], output[text.words[1][0]])

    def test_a_word_of_several_tokens_is_read_at_its_first(self):
        [text] = tagger(0).tokenize([SENTENCES[2]])
        assert len(text.words[0]) > 1, "a word of one token shows nothing"
        logits = tagger(0).logits(tagger(0).collate([text]))[0]
        expected = tagger(0).module(**tagger(0).inputs(tagger(0).collate([text]))).logits[0, 1]
        torch.testing.assert_close(logits, expected)

    def test_the_place_follows_what_is_removed_before_it(self):
        model = tagger(4)
        [text] = model.tokenize([SENTENCES[1]])
        left = model.without(text, [1, 2], "delete")
        output = model.module(**model.inputs(model.collate([left]))).logits[0]
        torch.testing.assert_close(model.logits(model.collate([left]))[0], output[3])

    def test_a_mask_keeps_the_place_of_the_word_itself(self):
        model = tagger(0)
        [text] = model.tokenize([SENTENCES[2]])
        left = model.without(text, text.content, "delete")
        assert left.tokens == ("[CLS]", "[MASK]", "[SEP]") or left.ids[1] == model.tokenizer.mask_token_id
        assert len(left) == 3
        part = model.without(text, text.words[0][:1], "delete")
        assert len(part) == len(text) - 1, "while a token of the word is left, no mask is needed"

    @pytest.mark.parametrize("method", [Evidence(layer=1), Saliency(), Occlusion()])
    def test_results_name_the_tag_and_do_not_depend_on_batch_mates(self, method: Any):
        model = tagger()
        found = textiba.explain(model, method, SENTENCES, toys.statistics(model), target="B-PER")
        for a, sentence in zip(found, SENTENCES, strict=True):
            assert (a.labels[a.target], a.asked) == ("B-PER", "tag of word 1")
            [alone] = textiba.explain(model, method, [sentence], toys.statistics(model), target="B-PER")
            np.testing.assert_allclose(a.scores, alone.scores, rtol=1e-3, atol=1e-6)
        curves = textiba.degrade(model, found, textiba.Degradation(steps=(0, 0.5, 1)))
        assert np.isfinite(textiba.lerf_morf_area(curves)).all()

    def test_a_text_without_the_word_is_named(self):
        with pytest.raises(InputError, match=r"text number 1 .* has the words 0 to 1, .* about word 4"):
            textiba.explain(tagger(4), Saliency(), [SENTENCES[0], SENTENCES[2]])

    def test_a_classifier_has_no_tags(self):
        with pytest.raises(UnsupportedModelError, match="load the model with AutoModelForTokenClassification"):
            Model(toys.classifier(), toys.tokenizer(), outcome=Tag(word=0))


class TestAnswer:
    def test_the_probability_is_that_of_start_times_end(self):
        model = reader()
        [text] = model.tokenize([textiba.Text(ASKED[0], pair=ASKED[1])])
        output = model.module(**model.inputs(model.collate([text])))
        start, end = output.start_logits[0].softmax(0), output.end_logits[0].softmax(0)
        expected = start[text.words[5][0]] * end[text.words[6][-1]]
        p = model.probabilities(model.logits(model.collate([text])))[0, 1]
        assert float(p) == pytest.approx(float(expected), rel=1e-4)

    def test_padding_takes_no_share(self):
        model = reader()
        pairs = [ASKED, (ASKED[0], ASKED[1] + " and a man of the town on the road")]
        together = textiba.explain(model, Saliency(), pairs, target=1)
        for a, pair in zip(together, pairs, strict=True):
            [alone] = textiba.explain(model, Saliency(), [pair], target=1)
            assert a.probability == pytest.approx(alone.probability, rel=1e-4)

    @pytest.mark.parametrize("removal", ["delete", "mask", "attention"])
    def test_the_answer_itself_may_be_removed(self, removal: Any):
        found = textiba.explain(reader(), Saliency(), [ASKED], target=1)
        curves = textiba.degrade(reader(), found, textiba.Degradation(removal=removal, steps=(0, 0.5, 1)))
        assert np.isfinite(textiba.lerf_morf_area(curves)).all()

    def test_evidence_adds_up_to_the_log_odds(self):
        model = reader()
        [a] = textiba.explain(model, Evidence(layer=1, nodes=40), [ASKED], toys.statistics(model), target=1)
        details = toys.evidence_details(a)
        assert a.total + details.special == pytest.approx(details.opened - details.closed, abs=2e-3)

    def test_its_words_are_in_order(self):
        with pytest.raises(SettingError, match="last word does not come before its first; got 6 and 5"):
            Answer(first=6, last=5)


@pytest.mark.parametrize(
    ("given", "outcome", "target"),
    [
        ({"tag": "7:B-PER"}, Tag(word=7), "B-PER"),
        ({"tag": "7"}, Tag(word=7), "predicted"),
        ({"answer": "12-14"}, Answer(first=12, last=14), "1"),
        ({"answer": "12"}, Answer(first=12, last=12), "1"),
    ],
)
def test_places_on_the_command_line(given: dict[str, str], outcome: Any, target: str):
    assert question(None, None, None, None, None, None, **given) == (outcome, target)


@pytest.mark.parametrize("given", [{"tag": "B-PER"}, {"tag": "-1:O"}, {"answer": "3-x"}, {"answer": "²"}])
def test_a_place_that_is_no_number(given: dict[str, str]):
    with pytest.raises(InputError, match="words are counted from 0, such as --"):
        question(None, None, None, None, None, None, **given)
