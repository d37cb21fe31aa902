"""textiba: how many bits of each token a text transformer used, at which layer, and in which direction.

    >>> import textiba
    >>> model = textiba.load("fine-tuned")
    >>> statistics = textiba.load_statistics("fine-tuned")
    >>> [bits] = textiba.explain(model, textiba.PerSampleBottleneck(), ["A dull plot, and yet I loved it."], statistics)
    >>> max(bits.words(), key=lambda word: word.score).text  # doctest: +SKIP

The import is light: torch, plots, spaCy and the report are loaded when they are first used.
"""

import importlib
from typing import TYPE_CHECKING, Any

import textiba.show  # registers how notebooks show results

if TYPE_CHECKING:
    from textiba.attribution import Attribution, Attributions, Curve, Word
    from textiba.bottleneck.statistics import FeatureStatistics, estimate_statistics, load_statistics
    from textiba.checkpoints.load import load
    from textiba.errors import TextibaError, TextibaWarning
    from textiba.evaluation.degradation import Degradation, degrade, lerf_morf_area
    from textiba.evaluation.profile import layer_profile
    from textiba.methods import (
        LIME,
        LRP,
        Attention,
        AttentionRollout,
        Evidence,
        EvidenceMean,
        GradCAM,
        Gradient,
        GuidedBackprop,
        InputXGradient,
        IntegratedGradients,
        Jiang2020,
        JointBottleneck,
        KernelSHAP,
        Method,
        Occlusion,
        PartitionSHAP,
        PerSampleBottleneck,
        Random,
        ReadoutBottleneck,
        Saliency,
        Schulz2020,
        SmoothGrad,
        SmoothGradXInput,
        TwoSided,
        list_methods,
        method,
    )
    from textiba.model.view import Model
    from textiba.runs.stream import explain, stream, sweep_grid
    from textiba.texts.sources import Text, bundled_reviews, imdb, movie_rationales
    from textiba.texts.windows import Windows

# Where each public name lives; its module is imported when the name is first used.
_HOME = {
    **dict.fromkeys(
        (
            "Attribution",
            "Attributions",
            "Curve",
            "Word",
        ),
        "attribution",
    ),
    **dict.fromkeys(
        (
            "FeatureStatistics",
            "estimate_statistics",
            "load_statistics",
        ),
        "bottleneck.statistics",
    ),
    **dict.fromkeys(("load",), "checkpoints.load"),
    **dict.fromkeys(
        (
            "TextibaError",
            "TextibaWarning",
        ),
        "errors",
    ),
    **dict.fromkeys(
        (
            "Degradation",
            "degrade",
            "lerf_morf_area",
        ),
        "evaluation.degradation",
    ),
    **dict.fromkeys(("layer_profile",), "evaluation.profile"),
    **dict.fromkeys(
        (
            "Attention",
            "AttentionRollout",
            "Evidence",
            "EvidenceMean",
            "GradCAM",
            "Gradient",
            "GuidedBackprop",
            "InputXGradient",
            "IntegratedGradients",
            "Jiang2020",
            "JointBottleneck",
            "KernelSHAP",
            "LIME",
            "LRP",
            "Method",
            "Occlusion",
            "PartitionSHAP",
            "PerSampleBottleneck",
            "Random",
            "ReadoutBottleneck",
            "Saliency",
            "Schulz2020",
            "SmoothGrad",
            "SmoothGradXInput",
            "TwoSided",
            "list_methods",
            "method",
        ),
        "methods",
    ),
    **dict.fromkeys(("Model",), "model.view"),
    **dict.fromkeys(
        (
            "explain",
            "stream",
            "sweep_grid",
        ),
        "runs.stream",
    ),
    **dict.fromkeys(
        (
            "Text",
            "bundled_reviews",
            "imdb",
            "movie_rationales",
        ),
        "texts.sources",
    ),
    **dict.fromkeys(("Windows",), "texts.windows"),
}

__all__ = sorted(_HOME)  # pyright: ignore[reportUnsupportedDunderAll]
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """Loads a public name, or the package `textiba.methods`, when it is first used."""
    if name == "methods":
        return importlib.import_module("textiba.methods")
    if name not in _HOME:
        raise AttributeError(f"module 'textiba' has no attribute '{name}'")
    return getattr(importlib.import_module(f"textiba.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return [*__all__, "__version__", "methods"]
