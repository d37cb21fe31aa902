"""Occlusion: what the output loses when one token is left out.

Source: Zeiler, Fergus, ECCV 2014, on patches of an image; Li, Monroe, Jurafsky, 2016 (arXiv 1612.08220), on words.
"""

from typing import ClassVar, Literal

import torch

from textiba.attribution import Attribution
from textiba.bottleneck.statistics import FeatureStatistics
from textiba.methods.base import Passes, results
from textiba.methods.perturbation import Perturbation
from textiba.model.forward import ForwardPass
from textiba.model.view import Model
from textiba.types import Targets


class Occlusion(Perturbation):
    """TargetOutput of the whole text − output without the token, signed: positive speaks for the target.

    Attributes:
        output: of the target, that is compared; see `GradientMethod.output`.
        removal: "delete" (the text gets shorter) or "mask" ([MASK] takes the place).
    """

    name: ClassVar[str] = "occlusion"

    removal: Literal["delete", "mask"] = "delete"

    def _passes(self, layers: int, tokens: int) -> Passes:
        """A pass for each token."""
        return Passes(1.0 + tokens, 0.0)

    def _attribute(
        self,
        model: Model,
        forward: ForwardPass,
        targets: Targets,
        statistics: FeatureStatistics | None,
        seed: int,
    ) -> list[Attribution]:
        """Leaves out every token of every text once; nothing here is random. See `Method.attribute`."""
        texts = forward.batch.texts
        places = [(row, i) for row, text in enumerate(texts) for i in text.content]
        variants = [model.without(texts[row], [i], self.removal) for row, i in places]
        rows, columns = torch.tensor(places).T
        whole = model.target_output(forward.logits, targets, self.output).double().cpu()
        scores = torch.zeros(forward.batch.input_ids.shape, dtype=torch.float64)
        scores[rows, columns] = whole[rows] - model.target_outputs(variants, targets.cpu()[rows].tolist(), self.output)
        return results(self, None, model, forward, targets, scores, [None] * len(texts))
