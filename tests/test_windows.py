"""Long texts in overlapping windows: their probabilities, scores and degradation, against windows that run alone."""

import math
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
import toys
from hypothesis import given
from hypothesis import strategies as st
from test_methods_contract import fast
from transformers import BertForQuestionAnswering, BertForTokenClassification

import textiba
from textiba.attribution import EvidenceDetails
from textiba.errors import InputError, SettingError
from textiba.methods import METHODS
from textiba.model import windows as windows_module
from textiba.model.outcomes import Above, Label, Labels
from textiba.model.places import Answer, Tag
from textiba.model.view import Model
from textiba.texts.text import Text
from textiba.texts.windows import Windows, window_places

SIZE = 16
PLAIN = toys.model()
WINDOWED = Model(toys.classifier(), toys.tokenizer(), "toy-bert", SIZE, windows=Windows(stride=4))
SHORT = toys.texts(3, seed=5, shortest=3, longest=8)
LONG = toys.texts(3, seed=6, shortest=30, longest=60)


def by_hand(model: Model, text: str) -> torch.Tensor:
    """The logits of each window of a text, each run alone through the model itself [windows, labels]."""
    [whole] = model.tokenize([text])
    rows = []
    for own in window_places(whole, SIZE, 4):
        ids, types = ([values[i] for i in own] for values in (whole.ids, whole.type_ids))
        with torch.no_grad():
            rows.append(model.module(input_ids=torch.tensor([ids]), token_type_ids=torch.tensor([types])).logits[0])
    return torch.stack(rows)


class TestPlaces:
    @given(st.integers(1, 80), st.integers(8, 30), st.integers(0, 12))
    def test_windows_cover_the_text_evenly(self, words: int, size: int, stride: int):
        [text] = toys.model().tokenize(["film"]) if words > 60 else toys.model().tokenize([" ".join(["film"] * words)])
        if len(text) > size and size - 2 <= stride:
            with pytest.raises(InputError, match="leaves room for"):
                window_places(text, size, stride)
            return
        found = window_places(text, size, stride)
        assert set().union(*found) == set(range(len(text)))
        if len(text) <= size:
            assert found == [tuple(range(len(text)))]
            return
        assert all(len(own) == size and own[0] == 0 and own[-1] == len(text) - 1 for own in found)
        shared = [len(set(a[1:-1]) & set(b[1:-1])) for a, b in pairwise(found)]
        assert min(shared) >= stride
        assert max(shared) - min(shared) <= 1

    def test_no_more_windows_than_needed(self):
        [text] = WINDOWED.tokenize([" ".join(["film"] * 34)])  # 14 of the first window, and 10 of each further one
        assert len(window_places(text, SIZE, 4)) == 3

    def test_the_longer_text_of_a_pair_is_divided_and_the_shorter_is_whole(self):
        for pair in (Text("a dog", pair=LONG[0]), Text(LONG[0], pair="a dog")):
            [text] = WINDOWED.tokenize([pair])
            short = {i for i, part in enumerate(text.parts) if part != ("pair" if pair.text == "a dog" else "text")}
            found = window_places(text, SIZE, 4)
            assert len(found) > 2
            assert all(short <= set(own) and len(own) == SIZE for own in found)

    def test_a_pair_without_room_is_refused_by_number(self):
        with pytest.raises(InputError, match=r"text number 1 .* room for 0 tokens, and windows share 4"):
            WINDOWED.tokenize([Text("a dog"), Text(LONG[0], pair=LONG[1])])

    @pytest.mark.parametrize(
        ("windows", "message"), [(Windows(stride=16), "fewer than 16; got"), (4, "textiba.Windows")]
    )
    @pytest.mark.usefixtures("unchecked")
    def test_windows_that_cannot_be(self, windows: Any, message: str):
        with pytest.raises(SettingError, match=message):
            Model(toys.classifier(), toys.tokenizer(), max_length=SIZE, windows=windows)


class TestPrediction:
    def test_the_mean_of_the_windows_probabilities(self):
        for text in LONG:
            expected = by_hand(WINDOWED, text).softmax(dim=1).mean(dim=0)
            logits = WINDOWED.logits(WINDOWED.collate(WINDOWED.tokenize([text])))
            torch.testing.assert_close(WINDOWED.probabilities(logits)[0], expected)

    def test_the_largest_of_the_windows_probabilities(self):
        model = Model(toys.classifier(), toys.tokenizer(), max_length=SIZE, windows=Windows(stride=4, combine="max"))
        each = by_hand(model, LONG[0])
        expected = each.softmax(dim=1).amax(dim=0)
        batch = model.collate(model.tokenize(LONG[:1]))
        torch.testing.assert_close(model.probabilities(model.logits(batch))[0], expected / expected.sum())
        labels = model.asking(Labels())
        torch.testing.assert_close(labels.probabilities(labels.logits(batch))[0], each.sigmoid().amax(dim=0))
        one = model.asking(Label(label=2))
        torch.testing.assert_close(one.probabilities(one.logits(batch))[0, 1], each[:, 2].sigmoid().max())

    def test_the_mean_for_labels_and_yes_or_no(self):
        each = by_hand(WINDOWED, LONG[0])
        batch = WINDOWED.collate(WINDOWED.tokenize(LONG[:1]))
        labels = WINDOWED.asking(Labels())
        torch.testing.assert_close(labels.probabilities(labels.logits(batch))[0], each.sigmoid().mean(dim=0))
        above = WINDOWED.asking(Above(threshold=0.5, label=1))
        found = above.probabilities(above.logits(batch))[0, 1]
        torch.testing.assert_close(found, (each[:, 1] - 0.5).sigmoid().mean())

    def test_results_say_how(self):
        [found] = textiba.explain(WINDOWED, textiba.Random(), LONG[:1])
        assert found.asked == "which class, mean over windows of 16 tokens that share 4"
        assert found.text.cut == 0

    def test_a_batch_of_many_lengths_is_as_each_alone(self):
        texts = [*LONG, *SHORT]
        together = WINDOWED.logits(WINDOWED.collate(WINDOWED.tokenize(texts)))
        alone = [WINDOWED.logits(WINDOWED.collate(WINDOWED.tokenize([text]))) for text in texts]
        torch.testing.assert_close(together, torch.cat(alone))


@pytest.mark.parametrize("name", sorted(METHODS))
class TestEveryMethod:
    def test_a_text_that_fits_has_the_same_scores(self, name: str):
        method, statistics = fast(name, PLAIN), toys.statistics(PLAIN)
        found = textiba.explain(WINDOWED, method, SHORT, statistics)
        expected = textiba.explain(PLAIN, method, SHORT, statistics)
        for a, b in zip(found, expected, strict=True):
            np.testing.assert_array_equal(a.scores, b.scores)
            assert a.probability == b.probability

    def test_a_long_text_has_a_score_for_each_token_whatever_its_batch(self, name: str):
        method, statistics = fast(name, PLAIN), toys.statistics(PLAIN)
        texts = [LONG[0], SHORT[0], LONG[1]]
        together = toys_attribute(method, texts)
        for text, found in zip(texts, together, strict=True):
            assert np.isfinite(found.scores[list(found.text.content)]).all()
            [alone] = textiba.explain(WINDOWED, method, [text], statistics)
            np.testing.assert_allclose(found.scores, alone.scores, atol=2e-4 * (1 + np.nanmax(np.abs(alone.scores))))

    def test_windows_a_few_at_a_time_give_the_same_scores(self, name: str, monkeypatch: pytest.MonkeyPatch):
        statistics = toys.statistics(PLAIN)
        [at_once] = textiba.explain(WINDOWED, fast(name, PLAIN), LONG[:1], statistics)
        monkeypatch.setattr(windows_module, "WINDOW_TOKENS", 2 * SIZE)
        [piece_by_piece] = textiba.explain(WINDOWED, fast(name, PLAIN), LONG[:1], statistics)
        size = np.nanmax(np.abs(at_once.scores))
        np.testing.assert_allclose(piece_by_piece.scores, at_once.scores, atol=2e-4 * (1 + size))


def toys_attribute(method: textiba.Method, texts: list[str]) -> list[textiba.Attribution]:
    forward = toys.forward(WINDOWED, texts)
    return method.attribute(WINDOWED, forward, WINDOWED.predict(forward), toys.statistics(PLAIN), 0)


class TestScores:
    def test_gradient_times_input_is_that_of_the_mean_over_windows(self):
        [text] = WINDOWED.tokenize(LONG[:1])
        places = window_places(text, SIZE, 4)
        embeddings = WINDOWED.module.bert.embeddings
        states = [
            embeddings(
                input_ids=torch.tensor([[text.ids[i] for i in own]]),
                token_type_ids=torch.tensor([[text.type_ids[i] for i in own]]),
            ).requires_grad_(True)
            for own in places
        ]
        batches = [PLAIN.collate([text.take(own)]) for own in places]
        logits = [PLAIN.run_from(batch, 0, state) for batch, state in zip(batches, states, strict=True)]
        mean = torch.cat(logits).softmax(dim=1).mean(dim=0)
        gradients = torch.autograd.grad(mean.max().log(), states)
        expected = np.zeros(len(text))
        for own, state, gradient in zip(places, states, gradients, strict=True):
            expected[list(own)] += (state * gradient).sum(dim=2)[0].detach().numpy()
        [found] = textiba.explain(WINDOWED, textiba.InputXGradient(), LONG[:1])
        content = list(text.content)
        np.testing.assert_allclose(found.scores[content], expected[content], atol=1e-5)

    @pytest.mark.parametrize("output", ["log_probability", "log_odds"])
    def test_evidence_sums_to_the_combined_output(self, output: Any):
        method = textiba.Evidence(nodes=30, output=output)
        for found in textiba.explain(WINDOWED, method, LONG, toys.statistics(PLAIN)):
            details = found.details
            assert isinstance(details, EvidenceDetails)
            p = float(by_hand(WINDOWED, found.text.source.text).softmax(dim=1).mean(dim=0).max())
            assert details.opened == pytest.approx(
                math.log(p) if output == "log_probability" else math.log(p / (1 - p)), abs=1e-4
            )
            assert abs(details.residual) < 0.02 * np.nansum(np.abs(found.scores))
            assert found.total + details.closed + details.residual == pytest.approx(details.opened, abs=1e-4)

    def test_a_token_has_one_gate_in_all_its_windows_and_the_mean_of_their_bits(self):
        method = textiba.PerSampleBottleneck(steps=0, initial_gate=0.7)
        [found] = textiba.explain(WINDOWED, method, LONG[:1], toys.statistics(PLAIN))
        text = found.text
        sums, counts = np.zeros(len(text)), np.zeros(len(text))
        for own in window_places(text, SIZE, 4):
            forward = PLAIN.forward(PLAIN.collate([text.take(own)]))
            [alone] = method.attribute(PLAIN, forward, PLAIN.predict(forward), toys.statistics(PLAIN))
            sums[list(own)] += np.nan_to_num(alone.scores)
            counts[list(own)] += 1
        content = list(text.content)
        np.testing.assert_allclose(found.scores[content], (sums / counts)[content], rtol=1e-4)
        assert toys.bits_details(found).gates[content] == pytest.approx(0.7)

    def test_a_planted_word_is_found_wherever_it_stands(self, planted: toys.Trained):
        model, statistics = planted
        long = Model(model.module, model.tokenizer, "planted", SIZE, windows=Windows(stride=4))
        filler = toys.texts(1, seed=2, shortest=60, longest=60)[0].split()
        texts = [" ".join([*filler[:place], "superb", *filler[place + 1 :]]) for place in range(60)]
        for method in (textiba.PerSampleBottleneck(), textiba.Evidence()):
            found = textiba.explain(long, method, texts, statistics, target=1)
            tops = [max(range(60), key=lambda i, a=a: a.words()[i].score) for a in found]
            hits = sum(top == place for place, top in enumerate(tops))
            assert hits >= 57, (method.name, tops)


class TestDegradation:
    def test_curves_are_of_the_combined_probability(self):
        settings = textiba.Degradation(steps=(0, 0.5, 1), orders=("morf",))
        found = textiba.explain(WINDOWED, textiba.Evidence(nodes=2), LONG, toys.statistics(PLAIN))
        curve = textiba.degrade(WINDOWED, found, settings)["morf"]
        assert curve.probability[:, 0] == pytest.approx([a.probability for a in found], abs=1e-5)
        first = found[0]
        content = np.asarray(first.text.content)
        gone = content[np.argsort(-first.scores[content], kind="stable")][: round(len(content) / 2)]
        rest = first.text.drop(gone.tolist())
        rows = [PLAIN.logits(PLAIN.collate([rest.take(own)])) for own in window_places(rest, SIZE, 4)]
        expected = torch.cat(rows).softmax(dim=1).mean(dim=0)[first.target]
        assert curve.probability[0, 1] == pytest.approx(float(expected), abs=1e-5)

    def test_scores_in_windows_are_not_degraded_without(self):
        found = textiba.explain(WINDOWED, textiba.Random(), LONG)
        with pytest.raises(InputError, match="mean over windows of 16 tokens"):
            textiba.degrade(PLAIN, found)


def test_a_rule_for_a_function_of_the_head_holds_when_windows_run_again(monkeypatch: pytest.MonkeyPatch):
    """RoBERTa's head calls `torch.tanh`, whose rule must hold in the backward pass too."""
    tokenizer = toys.tokenizer_for("roberta")
    model = Model(toys.classifier("roberta"), tokenizer, max_length=SIZE, windows=Windows(stride=4))
    method = textiba.Evidence(gradient="lrp", nodes=2)
    statistics = toys.statistics(toys.model("roberta"))
    [at_once] = textiba.explain(model, method, LONG[:1], statistics)
    monkeypatch.setattr(windows_module, "WINDOW_TOKENS", SIZE)
    [piece_by_piece] = textiba.explain(model, method, LONG[:1], statistics)
    np.testing.assert_allclose(piece_by_piece.scores, at_once.scores, atol=1e-5)


class TestTags:
    """A word's tag is read in the window that has most tokens on both sides of the word."""

    def model(self, word: int) -> Model:
        torch.manual_seed(0)
        tagger = BertForTokenClassification(toys.CONFIGS["bert"])  # type: ignore[arg-type]
        return Model(tagger, toys.tokenizer(), max_length=SIZE, windows=Windows(stride=4), outcome=Tag(word=word))

    def test_the_tag_is_that_of_the_central_window(self):
        for word in (0, 12, 29):
            model = self.model(word)
            [text] = model.tokenize(LONG[:1])
            position = text.words[word][0]
            margins = {
                own: min(own.index(position), SIZE - 1 - own.index(text.words[word][-1]))
                for own in window_places(text, SIZE, 4)
                if set(text.words[word]) <= set(own)
            }
            own = max(margins, key=lambda one, m=margins: m[one])
            ids, types = ([values[i] for i in own] for values in (text.ids, text.type_ids))
            with torch.no_grad():
                output = model.module(input_ids=torch.tensor([ids]), token_type_ids=torch.tensor([types]))
            [found] = textiba.explain(model, textiba.Evidence(closed="mask", nodes=2), LONG[:1])
            assert found.probability == pytest.approx(float(output.logits[0, own.index(position)].softmax(0).max()))
            assert {i for i in text.content if found.scores[i] != 0} <= set(own)
            assert "in the most central window of 16 tokens" in found.asked

    def test_an_answer_that_no_window_holds_is_refused(self):
        torch.manual_seed(0)
        answerer = BertForQuestionAnswering(toys.CONFIGS["bert"])  # type: ignore[arg-type]
        model = Model(
            answerer, toys.tokenizer(), max_length=SIZE, windows=Windows(stride=4), outcome=Answer(first=2, last=25)
        )
        with pytest.raises(InputError, match="no window of 16 tokens has all words of the question"):
            textiba.explain(model, textiba.Random(), LONG[:1])

    def test_an_answer_that_a_deletion_leaves_in_no_window_is_refused(self):
        """Windows begin at other places after a deletion, and the words of the answer may then lie in two of them."""
        torch.manual_seed(0)
        answerer = BertForQuestionAnswering(toys.CONFIGS["bert"])  # type: ignore[arg-type]
        outcome = Answer(first=9, last=15)
        model = Model(answerer, toys.tokenizer(), max_length=SIZE, windows=Windows(stride=4), outcome=outcome)
        [text] = model.tokenize([" ".join(["film"] * 40)])
        model.check_places([text])
        model.without(text, range(20, 25), "delete")
        with pytest.raises(InputError, match=r"with 6 tokens deleted: no window of 16 tokens has all words of the"):
            model.without(text, range(20, 26), "delete")
