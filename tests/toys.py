"""Tiny random models, a tiny tokenizer and texts: all that the tests need, made in memory in milliseconds."""

import copy
import math
import random
import warnings
from collections.abc import Iterator, Sequence
from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from torch import Tensor
from torch.nn import functional
from transformers import (
    AutoModelForSequenceClassification,
    BertConfig,
    DistilBertConfig,
    ElectraConfig,
    PretrainedConfig,
    PreTrainedTokenizerFast,
    RobertaConfig,
)

from textiba.attribution import Attribution, BitsDetails, EvidenceDetails
from textiba.bottleneck.readout import Architecture, ReadoutNetwork, fresh_readout
from textiba.bottleneck.statistics import FeatureStatistics, estimate_statistics
from textiba.errors import FewTextsWarning
from textiba.methods import Method
from textiba.model.forward import ForwardPass
from textiba.model.view import Model
from textiba.texts.batches import Batch
from textiba.texts.sources import Text
from textiba.texts.tokens import TokenizedText

# [PAD] is not the first, so that nothing may rest on its being 0.
SPECIAL = ("[UNK]", "[PAD]", "[CLS]", "[SEP]", "[MASK]")
SPECIAL_TOKENS = {f"{token[1:-1].lower()}_token": token for token in SPECIAL}  # by their names in a tokenizer
FILLER: tuple[str, ...] = (
    "the", "a", "film", "plot", "actor", "scene", "camera", "story", "music", "script", "night",
    "house", "dog", "river", "town", "man", "woman", "child", "war", "road", "and", "but",
    "with", "of", "in", "on", "was", "had", "saw", "played",
)  # fmt: skip
PIECES = ("##s", "##ed", "##ly", "film", "act")
CUES = ("dreadful", "superb")
VOCABULARY = tuple(dict.fromkeys((*SPECIAL, ".", ",", *FILLER, *PIECES, *CUES)))
MAX_LENGTH = 64
_TEMPORARY = TemporaryDirectory(prefix="textiba-toys-", ignore_cleanup_errors=True)

Trained = tuple[Model, FeatureStatistics]

_SIZE = {
    "vocab_size": len(VOCABULARY),
    "pad_token_id": VOCABULARY.index("[PAD]"),
    "initializer_range": 0.3,  # large, so that the logits of a random model differ from text to text
}
_BERT = {
    "hidden_size": 32,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "intermediate_size": 48,
    "hidden_dropout_prob": 0.1,
    "attention_probs_dropout_prob": 0.1,
}
CONFIGS: dict[str, PretrainedConfig] = {
    "bert": BertConfig(**_SIZE, **_BERT, max_position_embeddings=MAX_LENGTH),
    "roberta": RobertaConfig(**_SIZE, **_BERT, max_position_embeddings=MAX_LENGTH + 2, type_vocab_size=1),
    "distilbert": DistilBertConfig(
        **_SIZE, dim=32, n_layers=3, n_heads=4, hidden_dim=48, dropout=0.1, max_position_embeddings=MAX_LENGTH
    ),
    "electra": ElectraConfig(**_SIZE, **_BERT, embedding_size=16, max_position_embeddings=MAX_LENGTH),
}


@lru_cache
def tokenizer(types: bool = True) -> PreTrainedTokenizerFast:
    """A WordPiece tokenizer as BERT's: lower case, `[CLS] … [SEP]`, and token types where asked."""
    wordpiece = Tokenizer(models.WordPiece({t: i for i, t in enumerate(VOCABULARY)}, unk_token="[UNK]"))
    wordpiece.normalizer = normalizers.BertNormalizer(lowercase=True)
    wordpiece.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    wordpiece.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[(t, VOCABULARY.index(t)) for t in ("[CLS]", "[SEP]")],
    )
    inputs = ["input_ids", "token_type_ids", "attention_mask"] if types else ["input_ids", "attention_mask"]
    return PreTrainedTokenizerFast(
        tokenizer_object=wordpiece, model_input_names=inputs, model_max_length=MAX_LENGTH, **SPECIAL_TOKENS
    )


def tokenizer_for(kind: str) -> PreTrainedTokenizerFast:
    """The tokenizer of a toy: with token types where its family has embeddings for them."""
    return tokenizer(types=kind in ("bert", "electra"))


def classifier(
    kind: str = "bert", labels: int = 3, seed: int = 0, double: bool = False, biases: bool = True, **changes: Any
) -> Any:
    """A fresh sequence classifier with random weights and, unless left out, biases; `changes` go to its config."""
    config = copy.deepcopy(CONFIGS[kind])
    config.update(changes)
    config.num_labels = labels
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        made = AutoModelForSequenceClassification.from_config(config)
        with torch.no_grad():  # biases are 0 in a fresh model, and code that drops one would pass
            for name, parameter in made.named_parameters() if biases else ():
                if name.endswith("bias"):
                    parameter.normal_(0, config.initializer_range)
    return made.double() if double else made


@lru_cache
def model(kind: str = "bert", labels: int = 3, seed: int = 0, double: bool = False) -> Model:
    """The view on `classifier(…)`; nothing changes it, so the tests share it."""
    return Model(classifier(kind, labels, seed, double), tokenizer_for(kind), name=f"toy-{kind}")


def texts(count: int, seed: int = 0, shortest: int = 3, longest: int = 20) -> list[str]:
    """Texts of filler words, of different lengths."""
    draw = random.Random(seed)
    return [" ".join(draw.choices(FILLER, k=draw.randint(shortest, longest))) for _ in range(count)]


def forward(model: Model, texts: Sequence[Text | str]) -> ForwardPass:
    """The whole model over all texts in one batch, in the given order."""
    return model.forward(model.collate(model.tokenize(texts)))


def passes(model: Model, texts: Sequence[Text | str], budget: int = 256) -> Iterator[ForwardPass]:
    """The whole model over the texts, in batches."""
    return (model.forward(batch) for batch in model.batches(model.tokenize(texts), budget))


@lru_cache
def statistics(model: Model) -> FeatureStatistics:
    """Of a toy's features over forty texts."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FewTextsWarning)
        return estimate_statistics(model, passes(model, texts(40, seed=99)), "toy texts")


@lru_cache
def readout(model: Model) -> ReadoutNetwork:
    """A readout network for a toy, for layers 0, 1 and 2, with random weights instead of open gates."""
    architecture = Architecture(
        layers=(0, 1, 2), reads=(0, 1, 2, 3), widths=(12, 8), features=32, limit=6.0, initial_gate=0.9, beta=1e-3,
        fingerprint=model.fingerprint,
    )  # fmt: skip
    with torch.random.fork_rng():
        torch.manual_seed(3)
        network = fresh_readout(architecture, statistics(model), min_std=0.01)
        for parameter in network.parameters():
            torch.nn.init.normal_(parameter, std=0.3)
    return network.eval().requires_grad_(False)


@lru_cache
def readout_file(model: Model) -> str:
    """Where `readout(model)` is saved."""
    path = Path(_TEMPORARY.name) / f"{model.fingerprint}.safetensors"
    readout(model).save(path)
    return str(path)


def attribute(
    model: Model, method: Method, texts: Sequence[Text | str], target: int | None = None, seed: int = 0
) -> list[Attribution]:
    """A method over one batch, for the predicted class or a given one."""
    made = forward(model, texts)
    targets = model.predict(made) if target is None else torch.full((len(texts),), target)
    return method.attribute(model, made, targets, statistics(model), seed)


def scored(text: TokenizedText, values: Sequence[float], target: int = 0, **changes: Any) -> Attribution:
    """An attribution made by hand: `values` are the scores of the content tokens."""
    scores = np.full(len(text), np.nan, dtype=np.float32)
    scores[list(text.content)] = values
    facts: dict[str, Any] = {
        "checkpoint": "toy",
        "method": "by_hand",
        "settings": {},
        "layer": 1,
        "target": target,
        "probability": 0.5,
        "predicted": target,
        "unit": "bits",
        "signed": False,
    }
    return Attribution(text=text, scores=scores, **{**facts, **changes})


def bits_details(attribution: Attribution) -> BitsDetails:
    """The details of an optimised bottleneck."""
    assert isinstance(attribution.details, BitsDetails)
    return attribution.details


def evidence_details(attribution: Attribution) -> EvidenceDetails:
    """The details of evidence."""
    assert isinstance(attribution.details, EvidenceDetails)
    return attribution.details


def nearest(share: float | str, tokens: int) -> int:
    """The whole number nearest to `share · tokens` in decimal arithmetic; of two as near, the even number.

    The slow and literal rival of `top_count`.
    """
    exact = Decimal(str(share)) * tokens
    return min(range(tokens + 1), key=lambda count: (abs(exact - count), count % 2))


def without_token(monkeypatch: pytest.MonkeyPatch, model: Model, name: str) -> None:
    """Takes a special token, "mask" or "pad", from a toy's tokenizer until the end of the test."""
    monkeypatch.setitem(model.tokenizer._special_tokens_map, f"{name}_token", None)
    assert getattr(model.tokenizer, f"{name}_token_id") is None


def arguments(batch: Batch) -> dict[str, Tensor]:
    """A batch as a Hugging Face model takes it; the rival of `Model.inputs`."""
    types = {} if batch.token_type_ids is None else {"token_type_ids": batch.token_type_ids}
    return {"input_ids": batch.input_ids, "attention_mask": batch.attention_mask.long(), **types}


def with_state(bert: Any, text: TokenizedText, layer: int, state: Tensor) -> Tensor:
    """Logits [1, labels] of one text, the whole BERT being run with `state` [tokens, features] hooked in at `layer`.

    The slow and literal rival of `Model.run_from`.
    """
    layers = bert.bert.encoder.layer
    if layer < len(layers):
        handle = layers[layer].register_forward_pre_hook(lambda _m, args: (state[None], *args[1:]))
    else:
        handle = layers[-1].register_forward_hook(lambda _m, _args, _output: state[None])
    try:
        return bert(input_ids=torch.tensor([text.ids]), token_type_ids=torch.tensor([text.type_ids])).logits
    finally:
        handle.remove()


def planted_cases(count: int, seed: int) -> list[tuple[Text, int]]:
    """Texts of filler with one cue word, which alone decides the label; and the cue's place among the words."""
    draw = random.Random(seed)
    cases = []
    for n in range(count):
        words = draw.choices(FILLER, k=draw.randint(6, 14))
        place, label = draw.randrange(len(words)), draw.randrange(2)
        words[place] = CUES[label]
        cases.append((Text(" ".join(words), label, id=f"planted-{seed}-{n}"), place))
    return cases


def train_planted(steps: int = 100, size: int = 32) -> Model:
    """A tiny BERT that has learnt the planted cues, and to be of two minds without one; raises if it has not."""
    bert = classifier("bert", labels=2, biases=False, initializer_range=0.05, hidden_dropout_prob=0.0)
    reference = Model(bert, tokenizer())
    optimizer = torch.optim.AdamW(bert.parameters(), lr=2e-3)
    bert.train()
    late: list[float] = []
    with torch.random.fork_rng():
        torch.manual_seed(0)
        for step in range(steps):
            planted = [text for text, _ in planted_cases(size, seed=1000 + step)]
            neutral = texts(size // 4, seed=1000 + step, shortest=6, longest=14)
            batch = reference.collate(reference.tokenize([*planted, *neutral]))
            wanted = torch.tensor([[1 - r.label, r.label] for r in planted] + [[0.5, 0.5]] * len(neutral))  # type: ignore[operator]
            mask, types = batch.attention_mask.long(), batch.token_type_ids
            logits = bert(batch.input_ids, attention_mask=mask, token_type_ids=types).logits
            loss = functional.cross_entropy(logits, wanted, label_smoothing=0.02)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            late.append(functional.cross_entropy(logits[:size].detach(), wanted[:size]).item())
    if not sum(late[-5:]) / 5 < math.log(2) / 4:
        raise AssertionError(f"the toy did not learn its task: cross-entropies {late[-5:]}")
    return Model(bert, tokenizer(), name="planted")
