"""The measured models: the built-in model, and a random model of BERT-base's shape; and texts of one length."""

import copy
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import BertConfig, BertForSequenceClassification

from benchmarks.plan import BUILT_IN
from textiba import FeatureStatistics, Model, Text, bundled_reviews, estimate_statistics, load, load_statistics
from textiba.bottleneck.readout import OWN, fresh_readout, load_readout, readout_file
from textiba.errors import FewTextsWarning, InputError, TruncationWarning
from textiba.texts.batches import Batch
from textiba.texts.tokens import TokenizedText

SMALLEST_STD = 0.01


@dataclass(frozen=True, eq=False)
class Subject:
    """A model with everything that its methods need.

    Attributes:
        name: of the model in the tables.
        model: the model.
        statistics: of its features.
        readout: the value of `ReadoutBottleneck.weights` for the model.
        whole: the same model for other libraries: plain Hugging Face, with weights that require gradients.
    """

    name: str
    model: Model
    statistics: FeatureStatistics
    readout: str
    whole: Any

    @property
    def two_thirds(self) -> int:
        """The layer at two thirds of the depth."""
        return 2 * self.model.n_layers // 3

    @property
    def lower_half(self) -> range:
        """The layers of bar b."""
        return range(self.model.n_layers // 2)


def subject(name: str, folder: Path) -> Subject:
    """The subject of a name in the plan.

    Args:
        name: `BUILT_IN` or `BERT_BASE`.
        folder: a temporary folder, for an untrained readout.
    """
    own = load("fine-tuned")
    if name == BUILT_IN:
        return Subject(name, own, load_statistics("fine-tuned"), OWN, _whole(own))
    with torch.random.fork_rng():
        torch.manual_seed(0)
        config = BertConfig(vocab_size=len(own.tokenizer))
        model = Model(BertForSequenceClassification(config), own.tokenizer, "bert-base shape", own.max_length)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FewTextsWarning)
        passes = (model.forward(batch) for batch in model.batches(tokenized_texts_of(model, 32, 8)))
        statistics = estimate_statistics(model, passes, "a few bundled reviews, cut short")
    return Subject("BERT-base shape", model, statistics, _untrained(own, model, statistics, folder), _whole(model))


def texts_of(model: Model, tokens: int, count: int) -> list[Text]:
    """Bundled reviews cut to that many tokens, special tokens included; tokenized again they give the same tokens."""
    whole = [text for text in tokenized(model, bundled_reviews()) if len(text) >= tokens]
    if len(whole) < count:
        raise InputError(
            f"the plan needs {count} bundled reviews of {tokens} tokens or more; there are {len(whole)}. Lower tokens, "
            "or the number of texts"
        )
    return [Text(r.source.text[: r.offsets[r.content[tokens - 3]][1]], r.source.label) for r in whole[:count]]


def tokenized_texts_of(model: Model, tokens: int, count: int) -> list[TokenizedText]:
    """`texts_of`, tokenized."""
    return model.tokenize(texts_of(model, tokens, count))


def mixed_batches(model: Model, count: int, rounds: int) -> list[list[Batch]]:
    """For each round `count` of the batches that all bundled reviews form, evenly spread from long to short."""
    batches = list(model.batches(tokenized(model, bundled_reviews())))
    chosen = [batches[(2 * i + 1) * len(batches) // (2 * count * rounds)] for i in range(count * rounds)]
    return [chosen[turn::rounds] for turn in range(rounds)]


def tokenized(model: Model, texts: Sequence[Text]) -> list[TokenizedText]:
    """The tokenized texts, cut at the model's limit without a warning."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", TruncationWarning)
        return model.tokenize(texts)


def _whole(model: Model) -> Any:
    return copy.deepcopy(model.module).requires_grad_(True).eval()


def _untrained(own: Model, model: Model, statistics: FeatureStatistics, folder: Path) -> str:
    """The file of an untrained readout for a model: its cost is that of a trained readout, its gates mean nothing."""
    trained = load_readout(readout_file(own)).architecture
    shape = {
        "layers": tuple(range(model.n_layers)),
        "reads": tuple(range(model.n_layers + 1)),
        "features": model.module.config.hidden_size,
        "fingerprint": model.fingerprint,
    }
    file = folder / "untrained.safetensors"
    fresh_readout(trained.model_copy(update=shape), statistics, SMALLEST_STD).save(file)
    return str(file)
