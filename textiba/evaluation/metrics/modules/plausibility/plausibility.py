"""Plausibility of attributions as an `evaluate` metric: means over texts of their agreement with human rationales."""

from collections.abc import Sequence

import datasets
import evaluate
import numpy as np

from textiba.errors import InputError
from textiba.evaluation.metrics.plausibility import from_units

_INPUTS = """
Args:
    scores: for each text, the raw scores of its units (tokens or words); units that speak for the target score highest.
    rationales: for each text, 1 (or True) on the marked units and 0 on all others; at least one unit is marked.
    share: share of the units that token_f1 and iou choose; None chooses as many units as are marked.

Returns:
    The means over texts of top_share, auprc, token_f1 and iou: 0 … 1, higher is better.
"""
_CITATION = """
@inproceedings{schulz2020restricting, title={Restricting the Flow: Information Bottlenecks for Attribution},
  author={Schulz, Karl and Sixt, Leon and Tombari, Federico and Landgraf, Tim}, booktitle={ICLR}, year={2020}}
@inproceedings{deyoung2020eraser, title={ERASER: A Benchmark to Evaluate Rationalized NLP Models},
  author={DeYoung, Jay and Jain, Sarthak and Rajani, Nazneen Fatema and Lehman, Eric and Xiong, Caiming and
  Socher, Richard and Wallace, Byron C.}, booktitle={ACL}, year={2020}}
"""


class Plausibility(evaluate.Metric):
    """See `textiba.evaluation.metrics.plausibility` for the equations."""

    def _info(self) -> evaluate.MetricInfo:
        return evaluate.MetricInfo(
            description=str(__doc__),
            citation=_CITATION,
            inputs_description=_INPUTS,
            features=datasets.Features(
                {
                    "scores": datasets.Sequence(datasets.Value("float64")),
                    "rationales": datasets.Sequence(datasets.Value("int8")),
                }
            ),
        )

    def _compute(  # pyright: ignore[reportIncompatibleMethodOverride] - called with the names of the features
        self, scores: Sequence[Sequence[float]], rationales: Sequence[Sequence[int]], share: float | None = None
    ) -> dict[str, float]:
        if not len(scores):
            raise InputError("a mean over texts needs at least one text; got none. Add the scores of a text")
        found: list[dict[str, float]] = []
        for n, (values, marks) in enumerate(zip(scores, rationales, strict=True)):
            if len(values) != len(marks):
                raise InputError(f"a rationale has a mark for each score; text {n} has {len(marks)} for {len(values)}")
            if other := sorted({int(mark) for mark in marks} - {0, 1}):
                raise InputError(f"a mark is 0 or 1; text {n} has {other[0]}. Mark the units of the rationale with 1")
            found.append(from_units(np.asarray(values, dtype=np.float64), np.asarray(marks, dtype=bool), share))
        return {name: float(np.mean([row[name] for row in found])) for name in found[0]}
