"""Evidence averaged over layers and over closed states.

The closed state decides in which degradation test evidence does well: the features' mean suits deletion, and the state
of an all-[MASK] text suits masking. Evidence also differs between layers. The mean of several evidences is again
evidence: nats for or against the target. The scores, the special tokens' evidence and the residual sum to log p(target)
minus the mean of log p(target) with closed gates. Averaging over baselines is the idea of expected gradients (Erion et
al., Nature Machine Intelligence 2021); this method averages over layers too.
"""

from dataclasses import replace
from typing import ClassVar, Literal

import numpy as np
from pydantic import Field, field_validator

from textiba.attribution import Attribution, EvidenceDetails
from textiba.bottleneck.statistics import FeatureStatistics
from textiba.methods.base import Method, Passes, low_layers
from textiba.methods.evidence import Evidence
from textiba.model.forward import ForwardPass
from textiba.model.view import Model
from textiba.types import Targets


class EvidenceMean(Method):
    """Nats of evidence per token, signed: the mean of `Evidence` at every layer with every closed state.

    Attributes:
        layers: indices into hidden_states; None takes a sixth, a third and a half of the depth (1, 2, 3 of 6).
        closed: the closed states; see `Evidence.closed`.
        nodes: number of nodes of each quadrature.
        gate_special: see `Evidence.gate_special`.
    """

    name: ClassVar[str] = "evidence_mean"
    unit: ClassVar[str] = "nats"
    signed: ClassVar[bool] = True

    layers: tuple[int, ...] | None = Field(default=None, min_length=1)
    closed: tuple[Literal["mean", "mask"], ...] = Field(default=("mean", "mask"), min_length=1)
    nodes: int = Field(default=3, ge=1, le=200)
    gate_special: bool = False

    @field_validator("layers", "closed")
    @classmethod
    def _each_once(cls, values: tuple | None) -> tuple | None:
        if values is not None and len(set(values)) < len(values):
            raise ValueError("each value is averaged once; remove the repeated ones")
        return values

    def at_depth(self, layers: int) -> "EvidenceMean":
        """See `Method.at_depth`."""
        return self if self.layers is not None else self.model_copy(update={"layers": low_layers(layers)})

    @property
    def layers_used(self) -> tuple[int, ...]:
        """See `Method.layers_used`."""
        return self.layers or ()

    @property
    def needs_statistics(self) -> bool:
        """See `Method.needs_statistics`."""
        return "mean" in self.closed

    @property
    def evidences(self) -> tuple[Evidence, ...]:
        """The `Evidence` methods whose scores are averaged."""
        return tuple(
            Evidence(layer=layer, closed=closed, nodes=self.nodes, gate_special=self.gate_special)
            for layer in self.layers_used
            for closed in self.closed
        )

    def _passes(self, layers: int, tokens: int) -> Passes:
        """The passes of all evidences together; the plain pass, which they share, is counted once."""
        each = [evidence.passes(layers, tokens) for evidence in self.evidences]
        return Passes(1 + sum(p.forward - 1 for p in each), sum(p.backward for p in each))

    def _attribute(
        self,
        model: Model,
        forward: ForwardPass,
        targets: Targets,
        statistics: FeatureStatistics | None,
        seed: int,
    ) -> list[Attribution]:
        """Averages scores and details over all evidences; `seed` is not used. See `Method.attribute`."""
        found = [e.attribute(model, forward, targets, statistics, seed) for e in self.evidences]
        return [self._mean(same) for same in zip(*found, strict=True)]

    def _mean(self, same: tuple[Attribution, ...]) -> Attribution:
        scores = np.mean([a.scores for a in same], axis=0, dtype=np.float32)
        scores.setflags(write=False)
        details = [a.details for a in same if isinstance(a.details, EvidenceDetails)]
        means = {
            name: float(np.mean([getattr(d, name) for d in details]))
            for name in ("closed", "opened", "special", "residual")
        }
        return replace(
            same[0],
            method=self.name,
            settings=self.model_dump(mode="json"),
            layer=None,
            scores=scores,
            details=EvidenceDetails(**means),
        )
