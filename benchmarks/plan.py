"""The sizes of the measurements on each model: full sizes, and tiny sizes to try the code."""

from collections.abc import Mapping
from dataclasses import dataclass

BUILT_IN, BERT_BASE = "built-in", "BERT-base shape"
FILES = {BUILT_IN: "built-in", BERT_BASE: "bert-base"}  # the end of the names of their results


@dataclass(frozen=True, slots=True)
class Plan:
    """The sizes of the measurements on one model.

    Attributes:
        rounds: of each measurement, in which the compared methods take turns.
        tokens: of each text in the comparison of methods, special tokens included.
        together: the number of texts that a method gets together in that comparison.
        costly: a method with more passes for a text than this gets one text at a time.
        most_passes: a method with more passes for a text, forward and backward, is left out.
        side: of the square matrix product that gives the rate.
        batches: of mixed lengths in each round of the measurement by layer; each round takes other batches.
        steps: of per-sample gates, and nodes of evidence, in the measurement by layer.
        swept: the number of texts in the sweep over all layers.
        degraded: the number of texts in the degradation test; 0 leaves it out.
        literal: the number of these texts whose variants run one at a time.
        streamed: the numbers of texts of the two processes whose peak memory is compared; None leaves it out.
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
