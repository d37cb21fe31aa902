"""The settings of a tokenizer are kept: its cut, its special tokens, and the id that fills up a batch."""

import warnings
from types import SimpleNamespace
from typing import Any

import pytest
import torch
import toys
from tokenizer_kinds import TOKENIZERS, wordpiece, words
from transformers import BertTokenizerLegacy

from textiba.errors import EmptyTextError, InputError, SpecialTokenWarning, TruncationWarning, UnsupportedModelError
from textiba.texts.batches import collate
from textiba.texts.text import Text
from textiba.texts.tokenizing import padding_id, tokenize


class TestTruncation:
    """A cut is the tokenizer's own."""

    @pytest.mark.parametrize("side", ["left", "right"])
    @pytest.mark.parametrize("post", [True, False])
    @pytest.mark.parametrize("length", [3, 5, 9])
    def test_the_side_is_the_tokenizer_s(self, side: str, post: bool, length: int):
        tokenizer = wordpiece(post, truncation_side=side)
        text = "the film was with a plot and a river in the town"
        with pytest.warns(TruncationWarning, match=f"cut at the {'beginning' if side == 'left' else 'end'};"):
            [found] = tokenize([text], tokenizer, length)
        assert list(found.ids) == tokenizer(text, truncation=True, max_length=length)["input_ids"]
        assert len(found) == length
        assert found.cut == len(tokenizer(text)["input_ids"]) - length
        said = words(found)
        assert said == (text.split()[-len(said) :] if side == "left" else text.split()[: len(said)])
        assert found.words[0] == ((1,) if post else (0,))

    def test_a_cut_leaves_room_for_a_token(self):
        for length in (0, 1, 2):
            with pytest.raises(InputError, match=f"no room for a token between 2 special ones; got {length}"):
                tokenize(["the film"], wordpiece(), length)

    def test_messages_count_within_the_data(self):
        texts = ["film " * 9, "film", "film " * 8]
        with pytest.warns(TruncationWarning, match=r"^2 of 3 texts \(numbers 1024 to 1026\) are longer than 6 tokens"):
            tokenize(texts, wordpiece(), 6, start=1024)
        with pytest.raises(EmptyTextError, match=r"text number 2049 \(counting from 0\): the text is empty"):
            tokenize(["film", " "], wordpiece(), 6, start=2048)
        with pytest.raises(EmptyTextError, match=r"text number 2048 \(counting from 0\) has no token"):
            tokenize(["\u200b"], wordpiece(), 6, start=2048)
        with pytest.raises(InputError, match=r"text number 7 \(counting from 0\): .* lone surrogate"):
            tokenize([Text("film \ud800")], wordpiece(), 6, start=7)
        with pytest.raises(InputError, match=r"text number 8 \(counting from 0\): a label .*got 'good'"):
            tokenize([Text("film"), Text("film", "good")], wordpiece(), 6, start=7, labels=("negative", "positive"))


class TestSpecialTokensInATextsOwnWords:
    """A text that spells out a special token."""

    @pytest.mark.parametrize(
        ("kind", "text", "token"),
        [
            ("wordpiece", "good [SEP] bad", r"\[SEP\]"),
            ("wordpiece", "[CLS] [CLS] good", r"\[CLS\]"),
            ("wordpiece", "film [MASK]", r"\[MASK\]"),
            ("wordpiece", "[PAD] film", r"\[PAD\]"),
            ("byte level", "this is <s>struck</s> out", "</s>, <s>"),
            ("byte level", "good <mask> film", "<mask>"),
        ],
    )
    def test_it_is_read_as_the_tokenizer_reads_it_and_said(self, kind: str, text: str, token: str):
        tokenizer = TOKENIZERS[kind]
        with pytest.warns(
            SpecialTokenWarning, match=f"1 of 2 texts spell out {token}, .*; the first is number 1. To read"
        ):
            _, found = tokenize(["the film", text], tokenizer, 64)
        assert list(found.ids) == tokenizer(text)["input_ids"]
        assert len(found.content) == len(found) - 2, "it carries a score, as any token of the text"
        assert "".join(words(found)) == text.replace(" ", "")

    def test_the_message_counts_within_the_data(self):
        with pytest.warns(
            SpecialTokenWarning, match=r"1 of 2 texts \(numbers 9 to 10\) spell out .*first is number 10\."
        ):
            tokenize(["the film", "[SEP]"], wordpiece(), 64, start=9)

    def test_split_special_tokens_reads_the_characters(self):
        tokenizer = wordpiece()
        tokenizer.split_special_tokens = True
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            [found] = tokenize(["good [SEP] bad"], tokenizer, 64)
        assert "".join(words(found)) == "good[SEP]bad"
        assert tokenizer.sep_token_id not in [found.ids[i] for i in found.content]

    def test_a_word_that_the_vocabulary_lacks_is_no_special_token(self):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            [found] = tokenize(["the ß film"], wordpiece(), 64)
        assert "[UNK]" in found.tokens


class TestPadding:
    """The id that fills up a batch."""

    @pytest.mark.parametrize(
        ("tokens", "config", "wanted"),
        [(5, 7, 7), (None, 7, 7), (5, None, 5), (None, None, 0), (0, -1, 0), (None, -1, 0), (6, "absent", 6)],
    )
    def test_the_config_s_else_the_tokenizer_s_else_any(self, tokens: int | None, config: Any, wanted: int):
        settings = SimpleNamespace() if config == "absent" else SimpleNamespace(pad_token_id=config)
        assert padding_id(SimpleNamespace(pad_token_id=tokens, eos_token_id=9), settings) == wanted

    @pytest.mark.parametrize("kind", ["bert", "roberta", "distilbert", "electra"])
    def test_any_id_gives_the_same_logits_under_the_mask(self, kind: str):
        model = toys.model(kind)
        texts = model.tokenize(["a film with a plot and a scene", "a film", "the road in town"])
        for pad in (padding_id(model.tokenizer, model.module.config), 0, 9):
            batch = collate(texts, pad, torch.device("cpu"))
            for row, text in enumerate(texts):
                alone = model.logits(model.collate([text]))[0]
                torch.testing.assert_close(model.logits(batch)[row], alone, rtol=1e-5, atol=1e-5)

    def test_a_text_without_a_token_left_is_a_row_of_integers(self):
        [text] = tokenize(["the film"], wordpiece(post=False), 64)
        batch = collate([text.drop([0, 1])], 0, torch.device("cpu"))
        assert batch.input_ids.shape == (1, 0)
        assert batch.input_ids.dtype == torch.long


def test_a_slow_tokenizer_is_refused_with_the_reason():
    with pytest.raises(
        UnsupportedModelError, match="slow ones do not tell where in the text a token stands; got .*Legacy"
    ):
        tokenize(["the film"], BertTokenizerLegacy.__new__(BertTokenizerLegacy), 64)


def test_labels_become_indices():
    texts = [Text("the film", "Positive"), Text("a film", 0), Text("film")]
    found = tokenize(texts, wordpiece(), 64, labels=("negative", "positive"))
    assert [text.source.label for text in found] == [1, 0, None]
    assert [text.source.label for text in tokenize(texts, wordpiece(), 64)] == ["Positive", 0, None]


def test_no_text_gives_nothing():
    assert tokenize([], wordpiece(), 64) == []
