"""Small tokenizers of every kind, and what the words of their texts say."""

from typing import Any

import toys
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

from textiba.texts.tokens import TokenizedText

CORPUS = ["the film was good and the plot was bad", "a great great movie, not slow", "good plot", "bad actors"] * 3


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
