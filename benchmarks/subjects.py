"""What is measured: the built-in model, and one of BERT-base's shape with random weights; and texts of one length."""

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
from textiba.errors import FewTextsWarning, TruncationWarning
from textiba.texts.batches import Batch
from textiba.texts.tokens import TokenizedText

SMALLEST_STD = 0.01


@dataclass(frozen=True, eq=False)
class Subject:
    """A model and all that its methods need.

    Attributes:
        name: in the tables.
        model: the model as the project sees it.
        statistics: of its features.
        readout: what `ReadoutBottleneck.weights` is for it.
        whole: the same model as others see it: plain Hugging Face, its weights requiring gradients.
    """

    name: str
    model: Model
    statistics: FeatureStatistics
    readout: str
    whole: Any

    @property
    def two_thirds(self) -> int:
        """The layer two thirds up."""
        return 2 * self.model.n_layers // 3

    @property
    def lower_half(self) -> range:
        """The layers of which it is asked that little but matrix products takes time."""
        return range(self.model.n_layers // 2)


def subject(name: str, folder: Path) -> Subject:
    """A subject by its name in the plan.

    Args:
        name: which.
        folder: a temporary one, for an untrained readout.
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
    """Bundled texts cut to that many tokens, special ones included; the same tokens when tokenized again."""
    whole = [text for text in tokenized(model, bundled_reviews()) if len(text) >= tokens]
    if len(whole) < count:
        raise ValueError(f"{len(whole)} of the bundled reviews have {tokens} tokens or more; {count} are wanted")
    return [Text(r.source.text[: r.offsets[r.content[tokens - 3]][1]], r.source.label) for r in whole[:count]]


def tokenized_texts_of(model: Model, tokens: int, count: int) -> list[TokenizedText]:
    """`texts_of`, tokenized."""
    return model.tokenize(texts_of(model, tokens, count))


def mixed_batches(model: Model, count: int, rounds: int) -> list[list[Batch]]:
    """For each round so many of the batches that all bundled reviews make, evenly spread from long to short."""
    batches = list(model.batches(tokenized(model, bundled_reviews())))
    chosen = [batches[(2 * i + 1) * len(batches) // (2 * count * rounds)] for i in range(count * rounds)]
    return [chosen[turn::rounds] for turn in range(rounds)]


def tokenized(model: Model, texts: Sequence[Text]) -> list[TokenizedText]:
    """Tokenized, cut where the model ends; that some are cut is no news here."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", TruncationWarning)
        return model.tokenize(texts)


def _whole(model: Model) -> Any:
    return copy.deepcopy(model.module).requires_grad_(True).eval()


def _untrained(own: Model, model: Model, statistics: FeatureStatistics, folder: Path) -> str:
    """A readout as the built-in one is, for another shape; what it says is nothing, what it costs is the same."""
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
