"""Texts as token ids: what carries a score, what is cut, and what a removal keeps."""

from dataclasses import replace
from typing import Any

import pytest
import torch
import toys

import textiba
from textiba.errors import EmptyTextError, InputError, SettingError, TruncationWarning
from textiba.model.view import Model
from textiba.texts.batches import buckets
from textiba.texts.sources import Text
from textiba.texts.tokens import TokenizedText

TEXT = "The  actor played,\nsadly; a superb FILM."


def tokenized(text: str = TEXT, **facts: object) -> TokenizedText:
    [found] = toys.model().tokenize([Text(text, **facts)])  # type: ignore[arg-type]
    return found


def test_special_tokens_carry_no_word_and_no_place():
    text = tokenized()
    assert (text.tokens[0], text.tokens[-1]) == ("[CLS]", "[SEP]")
    for end in (0, -1):
        assert text.word_ids[end] is None
        assert text.offsets[end] == (0, 0)
    assert text.content == tuple(range(1, len(text) - 1))


def test_offsets_give_back_the_text():
    text = tokenized("The actors filmed a superb film.")
    pieces = [text.source.text[slice(*text.offsets[i])] for i in text.content]
    assert pieces == ["The", "actor", "s", "film", "ed", "a", "superb", "film", "."]
    assert [text.tokens[i] for i in text.content][:3] == ["the", "actor", "##s"]
    words = [text.word_ids[i] for i in text.content]
    assert words[1] == words[2] != words[3]


def test_a_text_that_says_mask_or_unknown_words_still_gets_scores():
    text = tokenized("xyzzy film")
    assert [text.tokens[i] for i in text.content] == ["[UNK]", "film"]


def test_a_cut_is_told_with_its_number_and_keeps_the_end_token():
    model = toys.model()
    long, longer, short = (" ".join(["film"] * n) for n in (toys.MAX_LENGTH + 1, toys.MAX_LENGTH + 8, 3))
    with pytest.warns(
        TruncationWarning,
        match=r"2 of 3 texts are longer than 64 tokens and were cut at the end; 13 tokens .*\(at most 10 of one text\)",
    ):
        texts = model.tokenize([long, longer, short])
    assert [r.cut for r in texts] == [3, 10, 0]
    for text in texts[:2]:
        assert len(text) == toys.MAX_LENGTH
        assert text.tokens[0] == "[CLS]"
        assert text.tokens[-1] == "[SEP]"
        assert text.content == tuple(range(1, toys.MAX_LENGTH - 1))


def test_a_text_of_just_the_greatest_length_is_whole_and_silent():
    text = tokenized(" ".join(["film"] * (toys.MAX_LENGTH - 2)))
    assert (len(text), text.cut) == (toys.MAX_LENGTH, 0)


@pytest.mark.parametrize("text", ["", "   ", "\n\t "])
def test_an_empty_text_is_named_by_its_number(text: str):
    with pytest.raises(EmptyTextError, match=r"text number 1 \(counting from 0\): the text is empty, .*Remove it"):
        toys.model().tokenize(["a film", text])


def test_a_text_without_a_token_of_its_own():
    with pytest.raises(EmptyTextError, match=r"text number 0 \(counting from 0\) has no token that the model knows"):
        toys.model().tokenize(["\u200b"])  # a zero-width space, which the normalizer removes


def test_drop_keeps_id_type_and_place_of_what_stays():
    text = tokenized()
    gone = (2, 3)
    rest = text.drop(gone)
    keep = [i for i in range(len(text)) if i not in gone]
    for name in ("ids", "type_ids", "tokens", "offsets", "word_ids"):
        assert getattr(rest, name) == tuple(getattr(text, name)[i] for i in keep), name
    assert rest.source is text.source
    assert text.drop(()) == text


def test_drop_works_without_token_types():
    [text] = toys.model("distilbert").tokenize([TEXT])
    assert text.type_ids == ()
    assert text.drop([1]).type_ids == ()
    assert toys.model("distilbert").collate([text]).token_type_ids is None


def test_token_types_survive_removal():
    text = tokenized()
    typed = replace(text, type_ids=tuple(i % 2 for i in range(len(text))))
    assert typed.drop([1, 2]).type_ids == tuple(i % 2 for i in range(len(text)) if i not in (1, 2))
    assert typed.substitute([1, 2], 4).type_ids == typed.type_ids


def test_substitute_changes_ids_at_the_positions_and_nothing_else():
    text = tokenized()
    masked = text.substitute([1, 4], 77)
    assert [i for i, v in enumerate(masked.ids) if v == 77] == [1, 4]
    assert [v for i, v in enumerate(masked.ids) if i not in (1, 4)] == [
        v for i, v in enumerate(text.ids) if i not in (1, 4)
    ]
    for name in ("type_ids", "tokens", "offsets", "word_ids", "source"):
        assert getattr(masked, name) == getattr(text, name)


def test_hide_takes_tokens_from_attention_and_nothing_else():
    text = tokenized("a film with a plot")
    hidden = text.hide([2, 4])
    assert hidden.unattended == {2, 4}
    assert hidden.hide([3, 4]).unattended == {2, 3, 4}
    for name in ("ids", "type_ids", "tokens", "offsets", "word_ids", "source", "content"):
        assert getattr(hidden, name) == getattr(text, name)
    batch = toys.model().collate([hidden, tokenized("a film")])
    assert batch.attention_mask.tolist() == [[True, True, False, True, False, True, True], [True] * 4 + [False] * 3]
    assert batch.content[0].tolist() == [False, True, True, True, True, True, False]
    assert batch.special[0].tolist() == [True, False, False, False, False, False, True]


def test_hidden_tokens_stay_hidden_through_other_removals():
    hidden = tokenized("a film with a plot").hide([2, 4])
    dropped = hidden.drop([1, 2])
    assert dropped.unattended == {2}
    assert dropped.tokens[2] == "a"
    assert hidden.substitute([2, 3], 77).unattended == {2, 4}


def test_rationale_marks_the_tokens_that_overlap_a_span():
    text = "the actors filmed a superb film"
    # "ctor" inside a word, and "superb film" to the end; half-open, so the space before "superb" marks nothing of "a".
    spans = ((text.index("ctor"), text.index("ctor") + 4), (text.index(" superb"), len(text)))
    text = tokenized(text, rationale=spans)
    marked = [token for token, mark in zip(text.tokens, text.rationale, strict=True) if mark]
    assert marked == ["actor", "superb", "film"]
    assert not text.rationale[0]
    assert not text.rationale[-1]


def test_a_span_at_the_very_start_does_not_mark_special_tokens():
    text = tokenized("a film", rationale=((0, 1),))
    assert text.rationale == (False, True, False, False)


def test_seeds_are_stable_and_each_text_s_own():
    a, b = tokenized("a film"), tokenized("a plot")
    assert TokenizedText(Text("any"), (2, 8, 9, 3), (), (), (), ()).seed(0) == 1956431540734540688  # for good
    assert a.seed(0) == tokenized("a film", label=1, id="another name").seed(0)
    assert len({a.seed(0), a.seed(1), b.seed(0), b.seed(1)}) == 4
    assert all(0 <= a.seed(n) < 2**63 for n in range(50))


def test_collate_pads_and_marks():
    model = toys.model()
    long, short = model.tokenize(["a film with a plot", "a film"])
    batch = model.collate([short, long])
    pad = toys.tokenizer().pad_token_id
    assert batch.input_ids[0].tolist() == [*short.ids, pad, pad, pad]
    assert batch.attention_mask[0].tolist() == [True] * 4 + [False] * 3
    assert batch.content[0].tolist() == [False, True, True, False, False, False, False]
    assert batch.special[0].tolist() == [True, False, False, True, False, False, False]


def test_repeat_tiles_the_whole_batch():
    model = toys.model()
    batch = model.collate(model.tokenize(["a film with a plot", "a film"]))
    thrice = batch.repeat(3)
    assert batch.repeat(1) is batch
    assert thrice.texts == batch.texts * 3
    for name in ("input_ids", "attention_mask", "content", "token_type_ids"):
        rows = getattr(batch, name).tolist()
        assert getattr(thrice, name).tolist() == rows * 3, name


def test_buckets_lose_nothing_and_keep_to_the_budget():
    lengths = [3, 9, 1, 4, 4, 12, 2]
    groups = list(buckets(range(7), lengths, budget=12))
    assert groups == [[5], [1], [3, 4, 0], [6, 2]]
    assert list(buckets([], [], budget=12)) == []


class TestTokensWithoutEmbedding:
    """Tokens that were added to a tokenizer whose model was not resized."""

    def added(self, **tokens: Any) -> Model:
        tokenizer = toys.tokenizer.__wrapped__()
        for name in tokens:
            setattr(tokenizer, name, None)
        tokenizer.add_special_tokens(tokens)
        return Model(toys.classifier(), tokenizer)

    @pytest.mark.parametrize("text", ["blockbuster", "the blockbuster", "a film , blockbuster and all"])
    def test_a_text_with_one_is_refused_by_number(self, text: str):
        tokenizer = toys.tokenizer.__wrapped__()
        tokenizer.add_tokens(["blockbuster"])
        model, rows = Model(toys.classifier(), tokenizer), len(toys.VOCABULARY)
        assert len(model.tokenize(["the film"])) == 1
        with pytest.raises(
            InputError, match=rf"text number 4 .*'blockbuster' is number {rows}, and the model has {rows}"
        ):
            model.tokenize(["the film", text], start=3)

    def test_as_padding_it_is_not_taken(self):
        model = self.added(pad_token="<pad>")
        texts = model.tokenize(["the film", "the film was played in town"])
        together = model.logits(model.collate(texts))
        for text, row in zip(texts, together, strict=True):
            torch.testing.assert_close(model.logits(model.collate([text]))[0], row, rtol=1e-4, atol=1e-5)

    @pytest.mark.parametrize(
        ("method", "setting"),
        [
            (textiba.Occlusion(removal="mask"), "removal='mask'"),
            (textiba.IntegratedGradients(), "baseline='mask'"),
            (textiba.Evidence(closed="mask"), "closed='mask'"),
        ],
    )
    def test_as_mask_it_is_refused_by_the_methods_that_need_it(self, method: Any, setting: str):
        model = self.added(mask_token="<mask>")
        with pytest.raises(SettingError, match=f"{setting} needs a mask token that the model knows; .* Use "):
            textiba.explain(model, method, ["the film was played"])
