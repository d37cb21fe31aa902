"""Faithfulness of attributions as an `evaluate` metric: means over texts of the metrics of MoRF and LeRF curves."""

from collections.abc import Sequence

import datasets
import evaluate
import numpy as np

from textiba.errors import InputError
from textiba.evaluation.metrics.faithfulness import AOPC_SHARES, aopc, areas, missing_steps

_INPUTS = """
Args:
    morf: for each text, the target's probability as tokens are removed, the most relevant first.
    lerf: the same with the least relevant tokens first.
    steps: the share of the tokens that is removed at each step of a curve, in increasing order.
    shares: values of k for comprehensiveness, sufficiency and log_odds.

Returns:
    The means over texts of area (LeRF − MoRF; higher is better), lerf (higher is better) and morf (lower is better). If
    0, all k and all 1 − k are among the steps, also comprehensiveness (higher is better), sufficiency and log_odds
    (lower is better).
"""
_CITATION = """
@inproceedings{deyoung2020eraser, title={ERASER: A Benchmark to Evaluate Rationalized NLP Models},
  author={DeYoung, Jay and Jain, Sarthak and Rajani, Nazneen Fatema and Lehman, Eric and Xiong, Caiming and
  Socher, Richard and Wallace, Byron C.}, booktitle={ACL}, year={2020}}
"""


class Faithfulness(evaluate.Metric):
    """See `textiba.evaluation.metrics.faithfulness` for the equations."""

    def _info(self) -> evaluate.MetricInfo:
        curve = datasets.Sequence(datasets.Value("float64"))
        return evaluate.MetricInfo(
            description=str(__doc__),
            citation=_CITATION,
            inputs_description=_INPUTS,
            features=datasets.Features({"morf": curve, "lerf": curve}),
        )

    def _compute(  # pyright: ignore[reportIncompatibleMethodOverride] - called with the names of the features
        self,
        morf: Sequence[Sequence[float]],
        lerf: Sequence[Sequence[float]],
        steps: Sequence[float],
        shares: Sequence[float] = AOPC_SHARES,
    ) -> dict[str, float]:
        if not len(morf):
            raise InputError("a mean over texts needs at least one text; got none. Add the curves of a text")
        for name, curves in (("morf", morf), ("lerf", lerf)):
            for n, curve in enumerate(curves):
                if len(curve) != len(steps):
                    raise InputError(
                        f"a curve has a value for each of the {len(steps)} steps; {name} of text {n} has {len(curve)}"
                    )
        first, last, places = (np.asarray(list(values), dtype=np.float64) for values in (morf, lerf, steps))
        found = areas(first, last, places)
        if not missing_steps(places, shares):
            found |= aopc(first, last, places, shares)
        return {name: float(values.mean()) for name, values in found.items()}
