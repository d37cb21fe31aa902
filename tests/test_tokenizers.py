"""Tokenizers of every kind: their settings are kept, and their words and places tile the text."""

import random
import warnings
from types import SimpleNamespace
from typing import Any

import pytest
import torch
import toys
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import BertTokenizerLegacy, PreTrainedTokenizerFast

from textiba.errors import EmptyTextError, InputError, SpecialTokenWarning, TruncationWarning, UnsupportedModelError
from textiba.texts.batches import collate
from textiba.texts.text import Text
from textiba.texts.tokenizing import padding_id, tokenize
from textiba.texts.tokens import TokenizedText

CORPUS = ["the film was good and the plot was bad", "a great great movie, not slow", "good plot", "bad actors"] * 3
EMOJI = "the 👩\u200d🚀 was 🎬 good"
HEBREW = "\u05e9\u05dc\u05d5\u05dd the film"
TEXTS = (
    "the film was good.", EMOJI, HEBREW, "Great film\n\n\tBad plot  ", "  two  spaces. Then  three   ", "x",
    "cafe\u0301 \ufb01lm", "good\u200b\u200dfilm", "\xa0the\xa0film\xa0", "電影很好看。the film", "ภาพยนตร์ดีมาก",
    "a\x85b \u2028 c",
)  # fmt: skip


def wordpiece(post: bool = True, **settings: Any) -> PreTrainedTokenizerFast:
    """BERT's kind, of letters and the toys' words."""
    letters = [chr(c) for c in range(97, 123)]
    vocabulary = dict.fromkeys((*toys.VOCABULARY, *"[]", *letters, *(f"##{c}" for c in letters)))
    made = Tokenizer(models.WordPiece({t: i for i, t in enumerate(vocabulary)}, unk_token="[UNK]"))
    made.normalizer = normalizers.BertNormalizer(lowercase=True)
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    if post:
        made.post_processor = processors.TemplateProcessing(
            single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
        )
    names = {f"{name}_token": f"[{name.upper()}]" for name in ("unk", "pad", "cls", "sep", "mask")}
    return PreTrainedTokenizerFast(**{"tokenizer_object": made, "model_max_length": 64, **names, **settings})


def byte_level(trim: bool = True) -> PreTrainedTokenizerFast:
    """RoBERTa's kind: bytes, with a space at the beginning of tokens."""
    made = Tokenizer(models.BPE(unk_token="<unk>"))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=400, special_tokens=special, initial_alphabet=alphabet, show_progress=False
    )
    made.train_from_iterator(CORPUS, trainer)
    made.post_processor = processors.RobertaProcessing(
        ("</s>", 2), ("<s>", 0), trim_offsets=trim, add_prefix_space=False
    )
    names = dict(zip(("bos_token", "pad_token", "eos_token", "unk_token", "mask_token"), special, strict=True))
    return PreTrainedTokenizerFast(tokenizer_object=made, cls_token="<s>", sep_token="</s>", **names)


def unsplit() -> PreTrainedTokenizerFast:
    """Gemma's kind: no text is split beforehand, so its word ids are 0 throughout."""
    made = Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=True))
    made.normalizer = normalizers.Replace(" ", "▁")
    special = ["<pad>", "<s>", "<unk>", *(f"<0x{n:02X}>" for n in range(256))]
    alphabet = list("abcdefghijklmnopqrstuvwxyz▁.")
    trainer = trainers.BpeTrainer(
        vocab_size=330, special_tokens=special, initial_alphabet=alphabet, show_progress=False
    )
    made.train_from_iterator([word for line in CORPUS for word in line.split()], trainer)
    made.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    return PreTrainedTokenizerFast(tokenizer_object=made, pad_token="<pad>", bos_token="<s>", unk_token="<unk>")


TOKENIZERS = {
    "wordpiece": wordpiece(), "byte level": byte_level(), "byte level, untrimmed": byte_level(trim=False),
    "unsplit": unsplit(), "no special tokens": wordpiece(post=False),
}  # fmt: skip


def words(text: TokenizedText) -> list[str]:
    """What the words of a text say."""
    return [text.source.text[text.offsets[w[0]][0] : text.offsets[w[-1]][1]] for w in text.words]


@pytest.fixture(params=TOKENIZERS, scope="module")
def tokenizer(request: pytest.FixtureRequest) -> PreTrainedTokenizerFast:
    """Each kind of tokenizer in turn."""
    return TOKENIZERS[request.param]


@pytest.mark.parametrize("text", TEXTS)
def test_words_tile_the_text_in_its_order(tokenizer: PreTrainedTokenizerFast, text: str):
    [found] = tokenize([text], tokenizer, 64)
    assert list(found.ids) == tokenizer(text)["input_ids"]
    assert sorted(position for word in found.words for position in word) == list(found.content)
    at = 0
    for word in found.words:
        spans = [found.offsets[position] for position in word]
        start, end = spans[0][0], spans[-1][1]
        assert at <= start < end <= len(text), "words do not overlap, and none is empty"
        assert all(start <= a <= b <= end for a, b in spans)
        said = text[start:end]
        assert said == said.strip()
        assert " " not in said
        assert "\n" not in said
        at = end
    left = "".join(text[a:b] for a, b in zip((0, *ends(found)), (*starts(found), len(text)), strict=True))
    assert all(c.isspace() or c in "\u200b\u200d\u0301" for c in left), "no visible character is without a word"


def starts(text: TokenizedText) -> list[int]:
    """Where each word begins."""
    return [text.offsets[word[0]][0] for word in text.words]


def ends(text: TokenizedText) -> list[int]:
    """Where each word ends."""
    return [text.offsets[word[-1]][1] for word in text.words]


def test_special_tokens_have_neither_word_nor_place(tokenizer: PreTrainedTokenizerFast):
    [found] = tokenize(["the film"], tokenizer, 64)
    for position, word in enumerate(found.word_ids):
        assert (word is None) == (found.tokens[position] in ("[CLS]", "[SEP]", "<s>", "</s>"))
        assert word is not None or found.offsets[position] == (0, 0)


@pytest.mark.parametrize(
    ("kind", "text", "wanted"),
    [
        ("unsplit", "the film was good", ["the", "film", "was", "good"]),
        ("unsplit", "  the  film ", ["the", "film"]),
        ("unsplit", "good 👩\u200d🚀 plot", ["good", "👩\u200d🚀", "plot"]),
        ("byte level", "電影很好看", ["電", "影", "很", "好", "看"]),
        ("byte level", "カメラが good映画film", ["カ", "メ", "ラ", "が", "good", "映", "画", "film"]),
        ("byte level", "Good film.  Bad plot. ", ["Good", "film", ".", "Bad", "plot", "."]),
        ("byte level", EMOJI, ["the", "👩\u200d🚀", "was", "🎬", "good"]),
        ("byte level, untrimmed", "Good film.  Bad", ["Good", "film", ".", "Bad"]),
        ("byte level", HEBREW, ["\u05e9\u05dc\u05d5\u05dd", "the", "film"]),
        ("wordpiece", "the a\x85b film's", ["the", "a\x85b", "film", "'", "s"]),  # BERT removes the \x85
        ("no special tokens", "the film", ["the", "film"]),
    ],
)
def test_words(kind: str, text: str, wanted: list[str]):
    [found] = tokenize([text], TOKENIZERS[kind], 64)
    assert words(found) == wanted


def test_bert_s_words_are_the_tokenizer_s_own():
    tokenizer, draw = wordpiece(), random.Random(0)
    letters = "abcde fghi .,!'-  é\n\t 電影 ß İ ﬁ $ 5 \x00\x85\xa0"
    for _ in range(200):
        text = "x" + "".join(draw.choices(letters, k=30))
        [found] = tokenize([text], tokenizer, 64)
        table = tokenizer(text, return_offsets_mapping=True)
        grouped: dict[int, list[int]] = {}
        for position, word in enumerate(table.word_ids()):
            if word is not None:
                grouped.setdefault(word, []).append(position)
        assert found.words == tuple(map(tuple, grouped.values())), repr(text)
        assert found.offsets == tuple(map(tuple, table["offset_mapping"])), repr(text)


def test_a_token_without_a_place_joins_a_word_and_has_an_empty_span():
    [found] = tokenize(["Good film.  Bad "], TOKENIZERS["byte level"], 64)
    blank = [i for i, token in enumerate(found.tokens) if token == "Ġ"]
    assert [found.offsets[i] for i in blank] == [(12, 12), (12, 12), (15, 15)]
    assert found.word_ids[blank[0]] == found.word_ids[blank[1]] == found.word_ids[blank[1] + 1]
    assert found.word_ids[blank[2]] == found.word_ids[blank[2] - 1]
    [found] = tokenize(["ab"], SimpleTokenizer([(0, 0), (0, 0)]), 64)
    assert found.offsets == ((0, 0), (0, 0))
    assert found.words == ((0, 1),)


class SimpleTokenizer:
    """A fast tokenizer whose tokens have the given places and no words."""

    is_fast = True
    truncation_side = "right"
    all_special_ids = ()

    def __init__(self, offsets: list[tuple[int, int]]):
        self._offsets = offsets

    def __call__(self, texts: list[str], **_: Any) -> Any:
        ids = list(range(len(self._offsets)))
        table = {"input_ids": [ids], "offset_mapping": [self._offsets], "special_tokens_mask": [[0] * len(ids)]}
        return type("Table", (dict,), {"word_ids": lambda _self, _row: [None] * len(ids)})(table)

    def convert_ids_to_tokens(self, ids: list[int]) -> list[str]:
        return [f"t{i}" for i in ids]


@pytest.mark.parametrize(
    ("text", "offsets", "wanted"),
    [
        ("the film", [(0, 3), (3, 8)], ["the", "film"]),
        ("the film", [(0, 2), (2, 3), (4, 8)], ["the", "film"]),
        ("of the film", [(0, 6), (6, 11)], ["of the", "film"]),  # a token that spans words is not cut
        ("ab", [(0, 1), (0, 1), (1, 2)], ["ab"]),
        ("👩 x", [(0, 1), (0, 1), (1, 3)], ["👩", "x"]),
    ],
)
def test_words_of_a_tokenizer_without_word_ids(text: str, offsets: list[tuple[int, int]], wanted: list[str]):
    [found] = tokenize([text], SimpleTokenizer(offsets), 64)
    assert words(found) == wanted


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
