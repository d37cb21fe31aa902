"""What is measured: the built-in model, and one of BERT-base's shape with random weights; and reviews of one length."""

import copy
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import BertConfig, BertForSequenceClassification

from benchmarks.plan import BUILT_IN
from textiba import Encoder, FeatureStatistics, Review, bundled, estimate, load, load_statistics
from textiba.errors import FewReviewsWarning, TruncationWarning
from textiba.readout import OWN, fresh_readout, load_readout, readout_file
from textiba.text import Batch, EncodedReview

SMALLEST_STD = 0.01


@dataclass(frozen=True, eq=False)
class Subject:
    """A model and all that its methods need.

    Attributes:
        name: in the tables.
        encoder: the model as the project sees it.
        statistics: of its features.
        readout: what `Readout.weights` is for it.
        whole: the same model as others see it: plain Hugging Face, its weights requiring gradients.
    """

    name: str
    encoder: Encoder
    statistics: FeatureStatistics
    readout: str
    whole: Any

    @property
    def two_thirds(self) -> int:
        """The layer two thirds up."""
        return 2 * self.encoder.n_layers // 3

    @property
    def lower_half(self) -> range:
        """The layers of which it is asked that little but matrix products takes time."""
        return range(self.encoder.n_layers // 2)


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
        encoder = Encoder(BertForSequenceClassification(config), own.tokenizer, "bert-base shape", own.max_length)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FewReviewsWarning)
        passes = (encoder.forward(batch) for batch in encoder.batches(reviews_of(encoder, 32, 8)))
        statistics = estimate(encoder, passes, "a few bundled reviews, cut short")
    return Subject(
        "BERT-base shape", encoder, statistics, _untrained(own, encoder, statistics, folder), _whole(encoder)
    )


def texts_of(encoder: Encoder, tokens: int, count: int) -> list[Review]:
    """Bundled reviews cut to that many tokens, special ones included; the same tokens when tokenized again."""
    whole = [review for review in encoded(encoder, bundled()) if len(review) >= tokens]
    if len(whole) < count:
        raise ValueError(f"{len(whole)} of the bundled reviews have {tokens} tokens or more; {count} are wanted")
    return [Review(r.review.text[: r.offsets[r.content[tokens - 3]][1]], r.review.label) for r in whole[:count]]


def reviews_of(encoder: Encoder, tokens: int, count: int) -> list[EncodedReview]:
    """`texts_of`, tokenized."""
    return encoder.encode(texts_of(encoder, tokens, count))


def mixed_batches(encoder: Encoder, count: int, rounds: int) -> list[list[Batch]]:
    """For each round so many of the batches that all bundled reviews make, evenly spread from long to short."""
    batches = list(encoder.batches(encoded(encoder, bundled())))
    chosen = [batches[(2 * i + 1) * len(batches) // (2 * count * rounds)] for i in range(count * rounds)]
    return [chosen[turn::rounds] for turn in range(rounds)]


def encoded(encoder: Encoder, reviews: Sequence[Review]) -> list[EncodedReview]:
    """Tokenized, cut where the model ends; that some are cut is no news here."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", TruncationWarning)
        return encoder.encode(reviews)


def _whole(encoder: Encoder) -> Any:
    return copy.deepcopy(encoder.model).requires_grad_(True).eval()


def _untrained(own: Encoder, encoder: Encoder, statistics: FeatureStatistics, folder: Path) -> str:
    """A readout as the built-in one is, for another shape; what it says is nothing, what it costs is the same."""
    trained = load_readout(readout_file(own)).architecture
    shape = {
        "layers": tuple(range(encoder.n_layers)),
        "reads": tuple(range(encoder.n_layers + 1)),
        "features": encoder.model.config.hidden_size,
        "fingerprint": encoder.fingerprint,
    }
    file = folder / "untrained.safetensors"
    fresh_readout(trained.model_copy(update=shape), statistics, SMALLEST_STD).save(file)
    return str(file)
