"""Occlusion: what the output loses when one token is left out.

Source: Zeiler, Fergus, ECCV 2014, on patches of an image; Li, Monroe, Jurafsky, 2016 (arXiv 1612.08220), on words.
"""

from typing import ClassVar, Literal

import torch

from textiba.attribution import Attribution
from textiba.encoder import Encoder
from textiba.forward import ForwardPass
from textiba.methods.base import Passes, results
from textiba.methods.output import target_output
from textiba.methods.removal import Removal, variant_outputs
from textiba.statistics import FeatureStatistics
from textiba.types import Targets


class Occlusion(Removal):
    """Output of the whole review − output without the token, signed: positive speaks for the target.

    Attributes:
        output: of the target, that is compared: "log_probability" (nats), "probability" or "logit".
        removal: "delete" (the text gets shorter) or "mask" ([MASK] takes the place).
    """

    name: ClassVar[str] = "occlusion"

    removal: Literal["delete", "mask"] = "delete"

    def passes(self, layers: int, tokens: int) -> Passes:
        """A pass for each token."""
        return Passes(1.0 + tokens, 0.0)

    def attribute(
        self,
        encoder: Encoder,
        forward: ForwardPass,
        targets: Targets,
        statistics: FeatureStatistics | None = None,
        seed: int = 0,
    ) -> list[Attribution]:
        """Leaves out every token of every review once; nothing here is random. See `Method.attribute`."""
        reviews = forward.batch.reviews
        places = [(row, i) for row, review in enumerate(reviews) for i in review.content]
        variants = [encoder.without(reviews[row], [i], self.removal) for row, i in places]
        rows, columns = torch.tensor(places).T
        whole = target_output(forward.logits, targets, self.output).double().cpu()
        scores = torch.zeros(forward.batch.input_ids.shape, dtype=torch.float64)
        scores[rows, columns] = whole[rows] - variant_outputs(
            encoder, variants, targets.cpu()[rows].tolist(), self.output
        )
        return results(self, None, encoder, forward, targets, scores, [None] * len(reviews))
