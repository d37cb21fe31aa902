"""The details that a method returns besides the scores."""

from dataclasses import dataclass

from textiba.types import LayerScores, StepTrace, TokenScores


@dataclass(frozen=True, eq=False)
class BitsDetails:
    """How the optimisation of a bottleneck ended.

    Attributes:
        gates: λ of each token [tokens], the mean over features where gates are per feature; 1 at special tokens that
            were left open.
        cross_entropy: cross-entropy of the target before each step and after the last step, nats, mean over the noise
            samples.
        information: information that passes before each step and after the last step, bits, sum over the gated tokens.
        converged: whether the loss had settled (see `PerSampleBottleneck.tolerance`).
        probability: probability of the target with the bottleneck in place, mean over the noise samples.
        special_bits: information that passes at special tokens, bits; 0 where they are left open.
        loss: cross-entropy + β · information after the last step, nats; the optimiser minimises this sum.
        by_layer: for a bottleneck at several layers, the bits of each token at each layer; None for a single layer.
    """

    gates: TokenScores
    cross_entropy: StepTrace
    information: StepTrace
    converged: bool
    probability: float
    special_bits: float
    loss: float
    by_layer: LayerScores | None = None


@dataclass(frozen=True, eq=False)
class GateDetails:
    """The gates that a readout network predicted; they were not optimised.

    Attributes:
        gates: λ of each token [tokens], the mean over features where gates are per feature; 1 at special tokens.
    """

    gates: TokenScores


@dataclass(frozen=True, eq=False)
class EvidenceDetails:
    """How evidence adds up: `sum(scores) + special + closed + residual = opened`.

    Attributes:
        closed: the explained output of the target with every gate closed, nats: log p(target), or its log-odds for a
            yes-or-no outcome and for labels that do not exclude each other.
        opened: the same output with every gate open, nats.
        special: evidence of special tokens, nats; 0 where they are left open.
        residual: the error of the numerical integration, opened − closed − special − sum(scores), in nats. With
            `Evidence.gradient = "lrp"` the residual also contains the effect of the modified gradient.
    """

    closed: float
    opened: float
    special: float
    residual: float


Details = BitsDetails | GateDetails | EvidenceDetails
