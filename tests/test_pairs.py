"""Pairs of texts: tokens, types and places of both; scores and removal by text; files, results and highlights."""

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import pytest
import torch
import toys
from commands import World, command, make_world
from rich.console import Console

import textiba
from textiba.errors import EmptyTextError, InputError, SpecialTokenWarning, TruncationWarning
from textiba.evaluation.degradation import Degradation, degrade
from textiba.methods import Evidence, InputXGradient, Occlusion, PerSampleBottleneck, Random
from textiba.model.view import Model
from textiba.report import explore
from textiba.show.highlight import highlight_html, print_highlight
from textiba.texts.columns import Named
from textiba.texts.inputs import texts_from
from textiba.texts.sources import read_texts
from textiba.texts.text import Text
from textiba.texts.tokenizing import tokenize
from textiba.training.examples import check_pairs

MODEL = toys.model()
PAIR = Text("the actor, a man", 1, ((4, 9),), "one", pair="a woman was the Actor", pair_rationale=((2, 7), (16, 21)))


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return make_world(tmp_path_factory.mktemp("world"))


def explained(pairs: Any, method: Any = None, model: Model = MODEL, **how: Any) -> textiba.Attributions:
    return textiba.explain(model, method or Evidence(layer=1), pairs, toys.statistics(model), **how)


class TestTokens:
    @pytest.mark.parametrize("kind", ["bert", "roberta"])
    def test_ids_and_types_are_the_tokenizers(self, kind: str):
        tokenizer = toys.tokenizer_for(kind)
        [found] = tokenize([PAIR], tokenizer, 64)
        expected = tokenizer(PAIR.text, PAIR.pair)
        assert list(found.ids) == expected["input_ids"]
        assert list(found.type_ids) == expected.get("token_type_ids", [])

    def test_each_token_and_word_has_its_place_in_its_own_text(self):
        [found] = tokenize([PAIR], toys.tokenizer(), 64)
        words = ["the", "actor", ",", "a", "man", "a", "woman", "was", "the", "Actor"]
        spelt = [PAIR.whole[found.offsets[places[0]][0] : found.offsets[places[-1]][1]] for places in found.words]
        assert spelt == words
        assert [part for part in found.parts if part] == ["text"] * 5 + ["pair"] * 5
        assert [part is None for part in found.parts] == [word is None for word in found.word_ids]
        marked = [found.tokens[i] for i, flag in enumerate(found.rationale) if flag]
        assert marked == ["actor", "woman", "actor"]

    @pytest.mark.parametrize("side", ["right", "left"])
    @pytest.mark.parametrize("lengths", [(20, 4), (4, 20), (12, 12), (13, 12), (1, 30), (9, 11)])
    @pytest.mark.parametrize("limit", [7, 10, 15, 16])
    def test_the_longer_text_is_cut_first_as_the_tokenizers_library_does(
        self, lengths: tuple[int, int], limit: int, side: str
    ):
        tokenizer = toys.tokenizer()
        draw = np.random.default_rng(sum(lengths))
        first, second = (" ".join(draw.choice(toys.FILLER, length)) for length in lengths)
        tokenizer.truncation_side = side
        try:
            expected = tokenizer(first, second, truncation=True, max_length=limit)["input_ids"]
            with pytest.warns(TruncationWarning):
                [found] = tokenize([Text(first, pair=second)], tokenizer, limit)
        finally:
            tokenizer.truncation_side = "right"
        assert list(found.ids) == expected
        assert found.cut == sum(lengths) + 3 - limit

    def test_another_second_text_leaves_the_first_as_it_is(self):
        one, other = tokenize([PAIR, Text(PAIR.text, pair="a dog")], toys.tokenizer(), 64)
        count = 1 + 5
        assert one.ids[:count] == other.ids[:count]
        assert one.offsets[:count] == other.offsets[:count]

    def test_a_special_token_that_the_second_text_spells_out_is_told(self):
        with pytest.warns(SpecialTokenWarning, match=r"1 of 1 texts spell out \[SEP\]"):
            tokenize([Text("a dog", pair="the man [SEP] had")], toys.tokenizer(), 64)

    def test_pairs_and_single_texts_keep_their_order(self):
        mixed = ["a dog", PAIR, "the river", Text("the road", pair="the war")]
        found = tokenize(mixed, toys.tokenizer(), 64)
        assert [t.source.whole for t in found] == ["a dog", PAIR.whole, "the river", "the road\nthe war"]

    def test_what_is_no_pair_says_so(self):
        with pytest.raises(EmptyTextError, match="the second text of the pair is empty"):
            explained([("a dog", "  ")])
        with pytest.raises(InputError, match=r"a text is a string; got None"):
            explained([("a dog", None)])
        with pytest.raises(InputError, match="a pair of texts is a tuple of two strings|A pair of texts is a tuple"):
            explained([("a dog", "a man", "a war")])
        with pytest.raises(InputError, match="no room for a token of each text between 3 special ones; got 4"):
            tokenize([PAIR], toys.tokenizer(), 4)

    def test_a_template_has_no_place_for_a_pair(self):
        template = ("It is ", " .")
        with pytest.raises(InputError, match="a template has a place for one text, and these texts are pairs"):
            tokenize([PAIR], toys.tokenizer(), 64, template=template)


class TestScores:
    def test_a_tuple_is_a_pair(self):
        [by_tuple], [by_text] = explained([(PAIR.text, PAIR.pair)]), explained([PAIR])
        np.testing.assert_array_equal(by_tuple.scores, by_text.scores)

    @pytest.mark.parametrize("method", [Evidence(layer=1), PerSampleBottleneck(layer=1, steps=3), Occlusion()])
    def test_a_result_does_not_depend_on_batch_mates(self, method: Any):
        mixed = ["a dog on the road", PAIR, Text("the road", pair="the war and the man")]
        together = explained(mixed, method)
        for a, text in zip(together, mixed, strict=True):
            [alone] = explained([text], method)
            np.testing.assert_allclose(a.scores, alone.scores, rtol=1e-4, atol=1e-6)

    def test_the_totals_of_both_texts_give_the_total(self):
        [a] = explained([PAIR])
        assert list(a.totals) == ["text", "pair"]
        assert sum(a.totals.values()) == pytest.approx(a.total)
        own = [w.score for w in a.words() if w.part == "pair"]
        assert a.totals["pair"] == pytest.approx(sum(own))
        [single] = explained(["a dog"])
        assert single.totals == {"text": pytest.approx(single.total)}

    def test_the_evidence_of_both_texts_sums_to_the_difference_of_log_probabilities(self):
        [a] = explained([PAIR], Evidence(layer=1, nodes=40))
        details = toys.evidence_details(a)
        assert a.total + details.special == pytest.approx(details.opened - details.closed, abs=1e-3)

    def test_swapping_the_texts_of_a_symmetric_model_swaps_the_scores(self):
        classifier = toys.classifier(double=True)
        with torch.no_grad():  # no places, no token types: the model reads a bag of tokens
            classifier.bert.embeddings.position_embeddings.weight.zero_()
            classifier.bert.embeddings.token_type_embeddings.weight.zero_()
        model = Model(classifier, toys.tokenizer())
        [one] = explained([("the man", "a woman")], InputXGradient(), model)
        [other] = explained([("a woman", "the man")], InputXGradient(), model)
        scores = {w.text: (w.score, w.part) for w in one.words()}
        for word in other.words():
            score, part = scores[word.text]
            assert word.score == pytest.approx(score, abs=1e-9)
            assert {part, word.part} == {"text", "pair"}


class TestRemoval:
    @pytest.mark.parametrize("part", ["text", "pair", "both"])
    def test_tokens_of_one_text_are_removed(self, part: Any):
        found = explained([PAIR, ("a dog on a road", "the war")], Random())
        settings = Degradation(steps=(0, 0.5, 1), orders=("morf", "lerf"), part=part)
        curves = degrade(MODEL, found, settings)
        for row, a in enumerate(found):
            own = [i for i in a.text.content if part in ("both", a.text.parts[i])]
            ranked = sorted(own, key=lambda i: -a.scores[i])
            for step, count in enumerate(toys.nearest(share, len(own)) for share in (0, 0.5, 1)):
                left = a.text.drop(ranked[:count])
                p = MODEL.probabilities(MODEL.logits(MODEL.collate([left])))[0, a.target]
                assert curves["morf"].probability[row, step] == pytest.approx(float(p), abs=1e-5)
        assert {curve.part for curve in curves.values()} == {part}

    def test_a_single_text_has_no_second_one(self):
        found = explained(["a dog"], Random())
        with pytest.raises(InputError, match="part='pair' removes tokens of one text of a pair"):
            degrade(MODEL, found, Degradation(part="pair"))


class TestData:
    def test_columns_that_are_known_as_pairs_are_found(self, tmp_path: Path):
        rows = [{"premise": "a dog runs", "hypothesis": "a dog", "label": 0}]
        path = tmp_path / "pairs.jsonl"
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        csv = tmp_path / "pairs.csv"
        pandas.DataFrame(rows).to_csv(csv, index=False)
        table = tmp_path / "pairs.parquet"
        pandas.DataFrame(rows).to_parquet(table)
        for source in (path, csv, table):
            [text] = read_texts(source)
            assert (text.text, text.pair, text.label) == ("a dog runs", "a dog", 0)
        [text] = list(texts_from(pandas.DataFrame(rows)))
        assert text.pair == "a dog"

    def test_columns_by_name(self):
        rows = [{"a": "a dog runs", "b": "a dog", "why": [[2, 5]], "why not": [[0, 1]]}]
        names = {"text": "a", "pair": "b", "rationale": "why", "pair_rationale": "why not"}
        [text] = list(texts_from(rows, Named(**names)))
        assert text == Text("a dog runs", pair="a dog", rationale=((2, 5),), pair_rationale=((0, 1),))
        with pytest.raises(InputError, match=r"no column 'c'; the columns are"):
            list(texts_from(rows, Named(text="a", pair="c")))
        with pytest.raises(InputError, match=r"0 ≤ start < end ≤ 5"):
            list(texts_from([rows[0] | {"why not": [[0, 9]]}], Named(**names)))

    def test_a_question_and_a_sentence_are_a_pair_but_a_text_column_comes_first(self):
        rows = [{"question": "who is it", "sentence": "a dog"}]
        assert list(texts_from(rows)) == [Text("who is it", pair="a dog")]
        assert list(texts_from([rows[0] | {"text": "both"}])) == [Text("both")]
        assert list(texts_from([rows[0] | {"review": "both"}], Named(text="sentence"))) == [Text("a dog")]

    def test_a_column_of_values_is_not_read_as_labels(self):
        [text] = list(texts_from([{"sentence1": "a dog", "sentence2": "a man", "label": 3.8}], Named(value="label")))
        assert (text.pair, text.value, text.label) == ("a man", 3.8, None)

    def test_a_known_pair_can_be_read_as_single_texts(self):
        rows = [{"question": "who is it", "passage": "a dog"}]
        [text] = list(texts_from(rows, Named(text="question")))
        assert text == Text("who is it")
        with pytest.raises(InputError, match="no column is called"):
            list(texts_from(rows, Named(pair="")))

    def test_a_column_that_is_called_pair_may_be_empty_but_one_that_was_named_may_not(self):
        rows = [{"text": "a dog", "pair": None}, {"text": "a dog", "pair": "a man"}]
        assert [text.pair for text in texts_from(rows)] == [None, "a man"]
        with pytest.raises(InputError, match="number 0.*got None, a missing value"):
            list(texts_from(rows, Named(pair="pair")))
        with pytest.raises(EmptyTextError, match="the second text of the pair is empty"):
            list(texts_from([{"premise": "a dog", "hypothesis": ""}]))

    def test_training_texts_are_all_pairs_or_none(self):
        check_pairs([PAIR])
        check_pairs([Text("a dog", 0)])
        with pytest.raises(InputError, match="1 of 2 training texts are pairs"):
            check_pairs([PAIR, Text("a dog", 0)])


class TestResults:
    def test_a_pair_comes_back_from_a_file_and_from_json(self, tmp_path: Path):
        found = explained([PAIR, "a dog"])
        found.save(tmp_path / "found.parquet")
        for again in (
            textiba.Attributions.load(tmp_path / "found.parquet"),
            textiba.Attributions.from_dict(found.to_dict()),
        ):
            assert [a.text for a in again] == [a.text for a in found]

    def test_a_table_has_places_in_each_text(self):
        frame = explained([PAIR]).to_pandas()
        for row in frame.to_dict("records"):
            assert getattr(PAIR, row["part"])[row["start"] : row["end"]] == row["word"]
        assert frame[frame.marked].word.tolist() == ["actor", "woman", "Actor"]
        tokens = explained([PAIR]).to_pandas("token")
        assert set(tokens.part.dropna()) == {"text", "pair"}

    def test_both_texts_stand_beside_each_other(self):
        found = explained([PAIR])
        assert highlight_html(found).count('style="flex: 1 1 12em"') == 2
        console = Console(file=io.StringIO(), width=100, force_terminal=True, color_system="truecolor", record=True)
        print_highlight(found, console=console)
        plain = console.export_text()
        [line] = [line for line in plain.splitlines() if "woman was" in line]
        assert line.index("the") < line.index("a woman")
        assert "(text +" in plain.replace("−", "+")

    def test_marks_in_the_second_text_alone_are_explained_too(self):
        second = Text("a man", pair="a woman", pair_rationale=((2, 7),))
        assert "underlined: marked as the reason" in highlight_html(explained([second]))
        assert "underlined" not in highlight_html(explained([Text("a man", pair="a woman")]))

    def test_a_pipe_gets_one_text_below_the_other(self):
        out = io.StringIO()
        print_highlight(explained([PAIR]), console=Console(file=out, width=100))
        lines = out.getvalue().splitlines()
        first = next(n for n, line in enumerate(lines) if line.startswith(("the", "[the")))
        assert "woman" in lines[first + 1]


class TestCommands:
    def test_a_pair_in_quotes(self, world: World):
        answer = command(
            "explain", "the film was good", "--pair", "a dog", "-c", world.model, "-m", "saliency", "--json"
        )
        assert answer.code == 0, answer.err
        [row] = [json.loads(line) for line in answer.out.splitlines()]
        assert (row["text"], row["pair"]) == ("the film was good", "a dog")
        assert {word["part"] for word in row["words"]} == {"text", "pair"}
        assert command("explain", "--pair", "a dog", "--file", world.texts, "-c", world.model).code == 2

    def test_a_file_of_pairs_from_csv_to_page(self, world: World, tmp_path: Path):
        path = tmp_path / "odd.csv"
        path.write_text("statement one,statement two,gold\nthe film was good,a dog,good\nthe war,a bad film,bad\n")
        columns = {"text_column": "statement one", "pair_column": "statement two", "label_column": "gold"}
        config = world.sweep(data={"source": str(path), **columns}, methods=[{"name": "random"}])
        assert command("sweep", config, "-o", tmp_path / "run").code == 0
        for part in ("both", "pair"):
            assert command("degrade", tmp_path / "run", "--steps", "0,1", "--part", part).code == 0
        assert (tmp_path / "run" / "curves-delete-pair.parquet").is_file()
        assert command("report", tmp_path / "run").code == 0
        found = explore([tmp_path / "run"])
        assert {next(iter(group.values())).part for group in found.curves} == {"both", "pair"}
        assert len(found.removed) == 2
        assert (tmp_path / "run" / "page.html").is_file()
