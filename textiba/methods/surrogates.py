"""Base class of the surrogate methods: LIME, Kernel SHAP and Partition SHAP, computed by other libraries.

A coalition says which tokens of a text are present. The library chooses coalitions, the model gives the output of each
coalition, and the library computes scores from the outputs. Each text is explained separately, with its own seed.
"""

import abc
from collections.abc import Callable
from typing import Any, ClassVar

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from textiba.attribution import Attribution
from textiba.bottleneck.statistics import FeatureStatistics
from textiba.errors import missing_extra
from textiba.methods.perturbation import Perturbation, variant_outputs
from textiba.methods.results import results
from textiba.model.forward import ForwardPass
from textiba.model.view import Model
from textiba.types import Targets

Worth = Callable[[Bool[Tensor, "coalitions tokens"]], Float[Tensor, " coalitions"]]
"""The target's output for each coalition of a text's content tokens."""


class Surrogate(Perturbation, abc.ABC):
    """A method that explains the outputs of coalitions of tokens."""

    needs: ClassVar[str] = "baselines"

    @abc.abstractmethod
    def explain(self, worth: Worth, tokens: int, seed: int) -> Float[Tensor, " tokens"]:
        """Returns the scores of one text's content tokens.

        Args:
            worth: function that returns the target's output for each coalition.
            tokens: number of the text's tokens that carry a score.
            seed: the text's own seed.
        """

    def _attribute(
        self,
        model: Model,
        forward: ForwardPass,
        targets: Targets,
        statistics: FeatureStatistics | None,
        seed: int,
    ) -> list[Attribution]:
        """Explains the texts one by one; see `Method.attribute`."""
        texts = forward.batch.texts
        scores = torch.zeros(len(texts), max(map(len, texts)), dtype=torch.float64)
        for i, (text, target) in enumerate(zip(texts, targets.tolist(), strict=True)):
            content = torch.tensor(text.content)

            def worth(
                present: Bool[Tensor, "coalitions tokens"],
                text: Any = text,
                target: int = target,
                content: Tensor = content,
            ) -> Float[Tensor, " coalitions"]:
                variants = [model.without(text, content[~row].tolist(), self.removal) for row in present]
                return variant_outputs(model, variants, [target] * len(variants), self.output)

            scores[i, content] = self.explain(worth, len(content), text.seed(seed)).double()
        return results(self, None, model, forward, targets, scores, [None] * len(texts))


def fitted(explainer: Any, tokens: int, samples: int, seed: int) -> Float[Tensor, " tokens"]:
    """Returns the weights of a Captum surrogate. Torch's global random state is seeded, and restored afterwards."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return explainer.attribute(torch.ones(1, tokens), n_samples=samples, perturbations_per_eval=samples)[0]


def captum_lime() -> tuple[Any, Any, Any]:
    """Returns Captum's attribution methods, its LIME module and its linear models.

    Raises:
        MissingExtraError: Captum or scikit-learn is not installed.
    """
    try:
        import sklearn  # noqa: F401 - Captum imports it only when it fits a model
        from captum import attr
        from captum._utils.models import linear_model
        from captum.attr._core import lime
    except ImportError as error:
        raise missing_extra("captum or scikit-learn", "baselines") from error
    return attr, lime, linear_model
