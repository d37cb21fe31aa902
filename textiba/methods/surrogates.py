"""What the surrogate methods share: LIME, Kernel SHAP and Partition SHAP, from their libraries.

A coalition says which tokens are present. The libraries choose coalitions, the model gives the output of each, and the
libraries turn outputs into scores. Each text is run on its own, with a random state of its own.
"""

import abc
from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from textiba.attribution import Attribution
from textiba.bottleneck.statistics import FeatureStatistics
from textiba.errors import missing_extra
from textiba.methods.base import results
from textiba.methods.perturbation import Perturbation
from textiba.model.forward import ForwardPass
from textiba.model.view import Model
from textiba.types import Targets

Worth = Callable[[Bool[Tensor, "coalitions tokens"]], Float[Tensor, " coalitions"]]

"""The target's output for each coalition of a text's content tokens."""


class Surrogate(Perturbation, abc.ABC):
    """A method that explains the outputs of coalitions of tokens."""

    @abc.abstractmethod
    def explain(self, worth: Worth, tokens: int, seed: int) -> Float[Tensor, " tokens"]:
        """The scores of one text's content tokens.

        Args:
            worth: the output of each coalition.
            tokens: of the text that carry a score.
            seed: the text's own.
        """

    def _attribute(
        self,
        model: Model,
        forward: ForwardPass,
        targets: Targets,
        statistics: FeatureStatistics | None,
        seed: int,
    ) -> list[Attribution]:
        """Explains the texts one by one. See `Method.attribute`."""
        texts = forward.batch.texts
        scores = torch.zeros(forward.batch.input_ids.shape, dtype=torch.float64)
        for i, (text, target) in enumerate(zip(texts, targets.tolist(), strict=True)):
            content = torch.tensor(text.content)

            def worth(
                present: Bool[Tensor, "coalitions tokens"],
                text: Any = text,
                target: int = target,
                content: Tensor = content,
            ) -> Float[Tensor, " coalitions"]:
                variants = [model.without(text, content[~row].tolist(), self.removal) for row in present]
                return model.target_outputs(variants, [target] * len(variants), self.output)

            scores[i, content] = self.explain(worth, len(content), text.seed(seed)).double()
        return results(self, None, model, forward, targets, scores, [None] * len(texts))


def fitted(explainer: Any, tokens: int, samples: int, seed: int) -> Float[Tensor, " tokens"]:
    """A Captum surrogate's weights. It draws from torch's global state, which is put back."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return explainer.attribute(torch.ones(1, tokens), n_samples=samples, perturbations_per_eval=samples)[0]


def captum_lime() -> tuple[Any, Any, Any]:
    """Captum's methods, its module on LIME, and its linear models."""
    try:
        import sklearn  # noqa: F401 - Captum looks for it only when it fits
        from captum import attr
        from captum._utils.models import linear_model
        from captum.attr._core import lime
    except ImportError as error:
        raise missing_extra("captum or scikit-learn", "baselines") from error
    return attr, lime, linear_model
