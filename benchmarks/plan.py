"""How much is run on each model: sizes for the record, and tiny ones to try the suite out."""

from collections.abc import Mapping
from dataclasses import dataclass

BUILT_IN, BERT_BASE = "built-in", "BERT-base shape"
FILES = {BUILT_IN: "built-in", BERT_BASE: "bert-base"}  # how the names of their results end


@dataclass(frozen=True, slots=True)
class Plan:
    """Sizes of a run on one model.

    Attributes:
        rounds: of each interleaved measurement.
        tokens: of each text where methods are compared, special ones included.
        together: texts that a method is given at once there.
        costly: a method that takes more passes a text than this is given one text at a time.
        most_passes: a method that takes more, forward and backward, is left out.
        side: of the square matrix product that gives the rate.
        batches: of mixed lengths, by layer, in each round; every round takes others.
        steps: of per-sample gates, and nodes of evidence, by layer.
        swept: texts that all layers are swept over.
        degraded: texts of the degradation test; 0 leaves it out.
        literal: of these, how many have their variants run one at a time.
        streamed: texts of the two processes whose peak memory is taken; None leaves it out.
    """

    rounds: int
    tokens: int = 128
    together: int = 4
    costly: int = 20
    most_passes: int = 1000
    side: int = 2048
    batches: int = 4
    steps: int = 3
    swept: int = 6
    degraded: int = 100
    literal: int = 10
    streamed: tuple[int, int] | None = (500, 5000)


FULL: Mapping[str, Plan] = {
    BUILT_IN: Plan(rounds=3),
    BERT_BASE: Plan(rounds=3, most_passes=50, batches=1, steps=2, swept=2, degraded=0, streamed=None),
}
QUICK: Mapping[str, Plan] = {
    BUILT_IN: Plan(
        rounds=1, tokens=16, together=2, most_passes=20, side=512, batches=1, steps=1, swept=2, degraded=2, literal=1,
        streamed=(5, 50),
    ),
    BERT_BASE: Plan(
        rounds=1, tokens=16, together=2, most_passes=4, side=512, batches=1, steps=1, swept=2, degraded=0,
        streamed=None,
    ),
}  # fmt: skip
