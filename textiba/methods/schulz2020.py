"""The bottleneck with the settings of Schulz et al., ICLR 2020.

Facts and defaults are from BioroboticsLab/IBA (`IBA/pytorch.py`).
"""

import math
from dataclasses import replace
from typing import ClassVar

from pydantic import Field

from textiba.attribution import Attribution
from textiba.bottleneck.statistics import FeatureStatistics
from textiba.methods.base import LayerMethod, Passes, require
from textiba.methods.per_sample import PerSampleBottleneck
from textiba.model.forward import ForwardPass
from textiba.model.view import Model
from textiba.types import Targets

INITIAL_LOGIT = 5.0  # logit of every gate before the first step: λ = 0.9933


class Schulz2020(LayerMethod):
    """Bits per token with the settings of Schulz et al., ICLR 2020, and feature statistics of a data set.

    Each feature of every token, special tokens included, has a gate, because the paper's gates cover the whole feature
    map. Adam starts from λ = 0.9933 with learning rate 1; σ is at least 0.01. The paper smooths an image's gates over
    space with a Gaussian; this method does not smooth. Scores come from the gates after the last step; in the original
    code they come from the gates before the last step.

    Attributes:
        layer: index into hidden_states of the layer where the bottleneck sits; None takes two thirds of the depth
            (layer 4 of 6, 8 of 12).
        beta: weight of the KL's *mean* over tokens and features; the default 10 is a weight of 10 / k on the KL's sum,
            with k the number of gated elements.
        steps: number of Adam steps.
        samples: noise draws per step.
    """

    name: ClassVar[str] = "schulz2020"
    unit: ClassVar[str] = "bits"
    signed: ClassVar[bool] = False
    depth: ClassVar[float] = 2 / 3

    beta: float = Field(default=10.0, ge=0)
    steps: int = Field(default=10, ge=1)
    samples: int = Field(default=10, ge=1)

    @property
    def needs_statistics(self) -> bool:
        """See `Method.needs_statistics`."""
        return True

    @property
    def per_sample(self) -> PerSampleBottleneck:
        """The `PerSampleBottleneck` with these settings."""
        return PerSampleBottleneck(
            layer=self.place,
            beta=self.beta,
            beta_on="mean",
            gates="feature",
            gate_special=True,
            steps=self.steps,
            learning_rate=1.0,
            samples=self.samples,
            antithetic=False,
            initial_gate=1 / (1 + math.exp(-INITIAL_LOGIT)),
            min_std=0.01,
        )

    def _passes(self, layers: int, tokens: int) -> Passes:
        """The same as `PerSampleBottleneck`: the layers below the bottleneck are not run again at each step."""
        return self.per_sample.passes(layers, tokens)

    def _attribute(
        self,
        model: Model,
        forward: ForwardPass,
        targets: Targets,
        statistics: FeatureStatistics | None,
        seed: int,
    ) -> list[Attribution]:
        """Optimises the gates of all texts of the batch at once; see `Method.attribute`."""
        require(statistics, model, self.name)
        found = self.per_sample.attribute(model, forward, targets, statistics, seed)
        return [replace(a, method=self.name, settings=self.model_dump(mode="json")) for a in found]
