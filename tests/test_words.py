"""Words and their places tile the text, whatever the kind of tokenizer."""

import random
from typing import Any

import pytest
from tokenizer_kinds import TOKENIZERS, wordpiece, words
from transformers import PreTrainedTokenizerFast

from textiba.texts.tokenizing import tokenize
from textiba.texts.tokens import TokenizedText

EMOJI = "the 👩\u200d🚀 was 🎬 good"
HEBREW = "\u05e9\u05dc\u05d5\u05dd the film"
TEXTS = (
    "the film was good.", EMOJI, HEBREW, "Great film\n\n\tBad plot  ", "  two  spaces. Then  three   ", "x",
    "cafe\u0301 \ufb01lm", "good\u200b\u200dfilm", "\xa0the\xa0film\xa0", "電影很好看。the film", "ภาพยนตร์ดีมาก",
    "a\x85b \u2028 c",
)  # fmt: skip


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
