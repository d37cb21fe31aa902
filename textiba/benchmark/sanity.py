"""The sanity check of scores: they should change when the model's layers are randomised from the top down.

Source: Adebayo et al., *Sanity Checks for Saliency Maps*, NeurIPS 2018, section 3: cascading randomisation.
"""

import copy
import warnings
from collections.abc import Sequence

import torch
from torch import nn
from transformers.pytorch_utils import Conv1D

from textiba.attribution import content_scores
from textiba.benchmark.folder import Row
from textiba.benchmark.score import attribute
from textiba.bottleneck.statistics import FeatureStatistics, estimate_statistics
from textiba.errors import FewTextsWarning, UnsupportedModelError
from textiba.evaluation.metrics import rank_agreement
from textiba.methods import Method
from textiba.model.families import is_norm
from textiba.model.view import Model
from textiba.texts.sources import Text


def parts(model: Model) -> list[str]:
    """The names of the randomised parts, from the top down: the head, each layer, the embeddings."""
    return ["head", *(f"layer {i}" for i in reversed(range(model.n_layers))), "embeddings"]


def randomized(model: Model, depth: int, seed: int = 0) -> Model:
    """A copy of the model whose top `depth` parts have new random weights, drawn as for an untrained model.

    Args:
        model: the model, which stays unchanged.
        depth: the number of randomised `parts`; 0 changes nothing.
        seed: seed of the weights.

    Raises:
        UnsupportedModelError: a part has weights in a module other than linear, embedding and norm.
    """
    module = copy.deepcopy(model.module)
    fresh = set(parts(model)[:depth])
    spread = float(getattr(module.config.get_text_config(), "initializer_range", 0.02))
    below = True
    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(seed)
        for name, part in module.named_modules():
            below = below and name != model.layers_path
            if _part(name, model.layers_path, below) in fresh:
                _reset(part, spread)
    name = f"{model.name}, {depth} parts random"
    return Model(module, model.tokenizer, name, model.max_length, outcome=model.outcome, windows=model.windows)


def sanity_rows(
    model: Model,
    method: Method,
    texts: Sequence[Text | str],
    statistics: FeatureStatistics | None,
    target: str | int,
    seed: int,
) -> list[Row]:
    """Spearman's ρ, text by text, between the scores on the model and those on more and more randomised copies of it.

    A copy explains the class that was explained on the model, and has its own feature statistics.

    Args:
        model: the trained model.
        method: the checked method.
        texts: the texts.
        statistics: feature statistics of the trained model.
        target: see `BenchmarkConfig.target`.
        seed: seed of the method and of the new weights.
    """
    original = [a for a, _ in attribute(model, method, texts, statistics, target, seed)]
    out = []
    for depth, part in enumerate(parts(model), 1):
        copied = randomized(model, depth, seed)
        known = _statistics(copied, texts) if method.needs_statistics else None
        for label in sorted({a.target for a in original}):
            places = [i for i, a in enumerate(original) if a.target == label]
            found = attribute(copied, method, [texts[i] for i in places], known, label, seed)
            for i, (a, _) in zip(places, found, strict=True):
                rho = rank_agreement(content_scores(original[i]), content_scores(a))
                out.append({"depth": depth, "part": part, "index": i, "agreement": rho})
    return out


def _statistics(model: Model, texts: Sequence[Text | str]) -> FeatureStatistics:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FewTextsWarning)  # a rough scale is enough for a random model
        return estimate_statistics(
            model, (model.forward(batch) for batch in model.batches(model.tokenize(texts))), "sanity check"
        )


def _part(name: str, path: str, below: bool) -> str:
    """The name of the part that a module belongs to.

    Args:
        name: the module's dotted path.
        path: dotted path of the list of layers.
        below: whether the model defines the module before its layers.
    """
    if name.startswith(f"{path}."):
        return f"layer {name.removeprefix(path).split('.')[1]}"
    return "embeddings" if below else "head"


def _reset(module: nn.Module, spread: float) -> None:
    if isinstance(module, nn.LayerNorm):
        module.reset_parameters()
    elif is_norm(module):
        nn.init.ones_(module.weight)  # type: ignore[arg-type]
    elif isinstance(module, nn.Linear | nn.Embedding | Conv1D):
        module.weight.normal_(0, spread)
        if not isinstance(module, nn.Embedding) and module.bias is not None:
            module.bias.zero_()
    elif trained := [name for name, _ in module.named_parameters(recurse=False)]:
        raise UnsupportedModelError(
            f"the sanity check randomises linear layers, embeddings and norms; {type(module).__name__} has the "
            f"weights {trained} too, which would stay trained. Leave sanity.methods empty for this model"
        )
