"""Occlusion: the drop of the output when one token is removed.

Source: Zeiler, Fergus, ECCV 2014, for image patches; Li, Monroe, Jurafsky, 2016 (arXiv 1612.08220), for words.
"""

from typing import ClassVar, Literal

import torch

from textiba.attribution import Attribution
from textiba.bottleneck.statistics import FeatureStatistics
from textiba.methods.base import Passes
from textiba.methods.perturbation import Perturbation, variant_outputs
from textiba.methods.results import results
from textiba.model.forward import ForwardPass
from textiba.model.view import Model
from textiba.types import Targets


class Occlusion(Perturbation):
    """Output of the whole text minus output without the token, signed: positive speaks for the target.

    Attributes:
        output: the target's output that is compared; see `GradientMethod.output`.
        removal: "delete" (the text gets shorter) or "mask" (each removed token becomes [MASK]).
    """

    name: ClassVar[str] = "occlusion"

    removal: Literal["delete", "mask"] = "delete"

    def _passes(self, layers: int, tokens: int) -> Passes:
        """One pass for each token."""
        return Passes(1.0 + tokens, 0.0)

    def _attribute(
        self,
        model: Model,
        forward: ForwardPass,
        targets: Targets,
        statistics: FeatureStatistics | None,
        seed: int,
    ) -> list[Attribution]:
        """Removes every token of every text once; `seed` is not used. See `Method.attribute`."""
        texts = forward.batch.texts
        places = [(row, i) for row, text in enumerate(texts) for i in text.content]
        variants = [model.without(texts[row], [i], self.removal) for row, i in places]
        rows, columns = torch.tensor(places).T
        whole = model.target_output(forward.logits, targets, self.output).double().cpu()
        scores = torch.zeros(len(texts), max(map(len, texts)), dtype=torch.float64)
        scores[rows, columns] = whole[rows] - variant_outputs(
            model, variants, targets.cpu()[rows].tolist(), self.output
        )
        return results(self, None, model, forward, targets, scores, [None] * len(texts))
