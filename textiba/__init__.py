"""textiba: how many bits of each token a text transformer used, at which layer, and in which direction.

    >>> import textiba
    >>> encoder = textiba.load("fine-tuned")
    >>> statistics = textiba.load_statistics("fine-tuned")
    >>> [bits] = textiba.explain(encoder, textiba.PerSample(), ["A dull plot, and yet I loved it."], statistics)
    >>> max(bits.words(), key=lambda word: word.score).text  # doctest: +SKIP

Importing it changes nothing and is light; plots, spaCy and the report load when they are used.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from textiba.attribution import Attribution, Attributions, Curve, Word
    from textiba.checkpoints import load, load_statistics
    from textiba.data import Review, bundled, imdb, movie_rationales
    from textiba.degradation import Degradation, area, degrade
    from textiba.encoder import Encoder
    from textiba.errors import TextibaError, TextibaWarning
    from textiba.methods import Evidence, EvidenceMean, Joint, Method, PerSample, Random, Readout, TwoSided, build
    from textiba.profile import layer_profile
    from textiba.statistics import FeatureStatistics, estimate
    from textiba.sweep import explain, grid, stream

_HOME = {
    "Attribution": "attribution",
    "Attributions": "attribution",
    "Curve": "attribution",
    "Degradation": "degradation",
    "Encoder": "encoder",
    "Evidence": "methods",
    "EvidenceMean": "methods",
    "FeatureStatistics": "statistics",
    "Joint": "methods",
    "Method": "methods",
    "PerSample": "methods",
    "Random": "methods",
    "Readout": "methods",
    "Review": "data",
    "TextibaError": "errors",
    "TextibaWarning": "errors",
    "TwoSided": "methods",
    "Word": "attribution",
    "area": "degradation",
    "build": "methods",
    "bundled": "data",
    "degrade": "degradation",
    "estimate": "statistics",
    "explain": "sweep",
    "grid": "sweep",
    "imdb": "data",
    "layer_profile": "profile",
    "load": "checkpoints",
    "load_statistics": "checkpoints",
    "movie_rationales": "data",
    "stream": "sweep",
}

__all__ = sorted(_HOME)  # pyright: ignore[reportUnsupportedDunderAll]
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """Loads a public name when it is first used."""
    if name not in _HOME:
        raise AttributeError(f"module 'textiba' has no attribute '{name}'")
    return getattr(importlib.import_module(f"textiba.{_HOME[name]}"), name)
