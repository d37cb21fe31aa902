"""Do the scores depend on what the model has learnt? Its layers are randomised from the top down to find out.

Source: Adebayo et al., *Sanity Checks for Saliency Maps*, NeurIPS 2018, section 3: cascading randomisation.
"""

import copy
import warnings
from collections.abc import Sequence

import torch
from torch import nn

from textiba.attribution import content_scores
from textiba.benchmark.folder import Row
from textiba.benchmark.score import attribute
from textiba.encoder import LAYER_PATHS, Encoder
from textiba.errors import FewReviewsWarning
from textiba.methods import Method
from textiba.metrics import rank_agreement
from textiba.statistics import FeatureStatistics, estimate
from textiba.text import EncodedReview


def parts(encoder: Encoder) -> list[str]:
    """What is randomised, from the top down: the head, every layer, the embeddings."""
    return ["head", *(f"layer {i}" for i in reversed(range(encoder.n_layers))), "embeddings"]


def randomized(encoder: Encoder, depth: int, seed: int = 0) -> Encoder:
    """A copy of the model whose first `depth` parts from the top have fresh weights, drawn as before its training.

    Args:
        encoder: stays as it is.
        depth: how many of `parts`; 0 changes nothing.
        seed: of the weights.
    """
    model = copy.deepcopy(encoder.model)
    fresh = set(parts(encoder)[:depth])
    path = LAYER_PATHS[model.config.model_type]
    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(seed)
        for name, module in model.named_modules():
            if _part(name, path) in fresh:
                _reset(module, float(model.config.initializer_range))
    return Encoder(model, encoder.tokenizer, f"{encoder.name}, {depth} parts random", encoder.max_length)


def sanity_rows(
    encoder: Encoder,
    method: Method,
    reviews: Sequence[EncodedReview],
    statistics: FeatureStatistics | None,
    target: str | int,
    seed: int,
) -> list[Row]:
    """Spearman's ρ between the scores of the model and those of ever more randomised copies, review by review.

    A copy explains the class that the model itself was explained for, with feature statistics of its own.
    """
    original = [a for a, _ in attribute(encoder, method, reviews, statistics, target, seed)]
    out = []
    for depth, part in enumerate(parts(encoder), 1):
        copied = randomized(encoder, depth, seed)
        known = _statistics(copied, reviews) if method.needs_statistics else None
        for label in sorted({a.target for a in original}):
            places = [i for i, a in enumerate(original) if a.target == label]
            found = attribute(copied, method, [reviews[i] for i in places], known, label, seed)
            for i, (a, _) in zip(places, found, strict=True):
                rho = rank_agreement(content_scores(original[i]), content_scores(a))
                out.append({"depth": depth, "part": part, "index": i, "agreement": rho})
    return out


def _statistics(encoder: Encoder, reviews: Sequence[EncodedReview]) -> FeatureStatistics:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FewReviewsWarning)  # a rough scale serves a model that knows nothing
        return estimate(encoder, (encoder.forward(batch) for batch in encoder.batches(reviews)), "sanity check")


def _part(name: str, path: str) -> str:
    """The part of the model that a module belongs to."""
    if name.startswith(f"{path}."):
        return f"layer {name.removeprefix(path).split('.')[1]}"
    return "embeddings" if ".embeddings" in name else "head"


def _reset(module: nn.Module, spread: float) -> None:
    if isinstance(module, nn.LayerNorm):
        module.reset_parameters()
    elif isinstance(module, nn.Linear | nn.Embedding):
        module.weight.normal_(0, spread)
        if isinstance(module, nn.Linear) and module.bias is not None:
            module.bias.zero_()
