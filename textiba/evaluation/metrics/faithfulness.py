"""Does the prediction rest on what the attribution names? Pure functions on probabilities of the target.

A probability is that of the target class. `whole` is of the untouched text; `removed` and `kept` are of the text
without its highest-scored tokens, and with nothing but them, at several shares of its length.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Bool, Float

from textiba.attribution import Curve
from textiba.errors import InputError, SettingError
from textiba.evaluation.metrics.checks import check_numbers

AOPC_SHARES = (0.01, 0.05, 0.1, 0.2, 0.5)  # DeYoung et al., ACL 2020, section 4
FLOOR = 1e-12  # below this a probability counts as this much, so that its logarithm is finite
_SAME_STEP = 1e-9  # steps closer than this are one: 1 − 0.9 is not quite 0.1
_CONSTANT = 1e-12  # a spread below this share of the values is rounding


def auc(
    probability: Float[np.ndarray, "texts steps"], steps: Float[np.ndarray, " steps"]
) -> Float[np.ndarray, " texts"]:
    """The area under each text's curve by the trapezoid rule, divided by the span of the steps: a mean probability.

    Lower is better for MoRF, higher for LeRF.

    Raises:
        InputError: fewer than two steps, or steps that do not rise.
    """
    if len(steps) < 2 or not (np.diff(steps) > 0).all():
        raise InputError(f"steps rise, and are two or more; got {steps.tolist()}")
    return np.trapezoid(probability, steps, axis=1) / (steps[-1] - steps[0])


def area(
    morf: Float[np.ndarray, "texts steps"],
    lerf: Float[np.ndarray, "texts steps"],
    steps: Float[np.ndarray, " steps"],
) -> Float[np.ndarray, " texts"]:
    """∫ (LeRF − MoRF) of each text, divided by the span: −1 … 1, larger is better.

    Source: Schulz et al., ICLR 2020, section 4 (image degradation).

    Raises:
        InputError: fewer than two steps, or steps that do not rise.
    """
    return auc(lerf - morf, steps)


def comprehensiveness(
    whole: Float[np.ndarray, " texts"], removed: Float[np.ndarray, "texts shares"]
) -> Float[np.ndarray, " texts"]:
    """The mean over shares k of p(whole) − p(without the top k); larger is better.

    Source: DeYoung et al., *ERASER*, ACL 2020, section 4, as AOPC. Averaged over the shares given, as the benchmark's
    code does; a further k = 0, where nothing is removed, is not counted.
    """
    return (whole[:, None] - removed).mean(axis=1)


def sufficiency(
    whole: Float[np.ndarray, " texts"], kept: Float[np.ndarray, "texts shares"]
) -> Float[np.ndarray, " texts"]:
    """The mean over shares k of p(whole) − p(only the top k); smaller is better.

    Source: DeYoung et al., *ERASER*, ACL 2020, section 4, as AOPC; averaged as comprehensiveness is.
    """
    return (whole[:, None] - kept).mean(axis=1)


def log_odds(
    whole: Float[np.ndarray, " texts"], removed: Float[np.ndarray, "texts shares"]
) -> Float[np.ndarray, " texts"]:
    """The mean over shares k of log(p(without the top k) / p(whole)), nats; smaller is better.

    Named as in the literature, though it is a ratio of probabilities. Those below `FLOOR` count as `FLOOR`.
    Source: Shrikumar et al., ICML 2017; in this form Chen et al., ACL 2020 (arXiv 2004.02015).
    """
    ratio = np.log(np.maximum(removed, FLOOR)) - np.log(np.maximum(whole, FLOOR))[:, None]
    return ratio.mean(axis=1)


def sensitivity_n(
    scores: Float[np.ndarray, " tokens"],
    subsets: Bool[np.ndarray, "subsets tokens"],
    drops: Float[np.ndarray, " subsets"],
) -> float:
    """Pearson's correlation between the summed score of the tokens removed and the drop of the output, for one text.

    Source: Ancona et al., *Towards better understanding of gradient-based attribution methods*, ICLR 2018, section 4.

    Args:
        scores: of the content tokens.
        subsets: True on the tokens that a subset removes; the paper's subsets all have n of them.
        drops: output of the whole text minus output without the subset.

    Returns:
        −1 … 1, or NaN where the sums or the drops are all alike.

    Raises:
        InputError: a score is NaN.
    """
    check_numbers(scores)
    return _pearson(subsets.astype(np.float64) @ scores.astype(np.float64), drops.astype(np.float64))


def rank_agreement(scores: Float[np.ndarray, " tokens"], reference: Float[np.ndarray, " tokens"]) -> float:
    """Spearman's ρ between two attributions of one text; ties take their mean rank.

    Returns:
        −1 … 1, or NaN where all scores of one side are alike.

    Raises:
        InputError: a score is NaN.
    """
    check_numbers(scores)
    check_numbers(reference)
    return _pearson(ranks(scores), ranks(reference))


def ranks(values: Float[np.ndarray, " values"]) -> Float[np.ndarray, " values"]:
    """Ranks from 1, the lowest; equal values take the mean of the ranks they fill."""
    _, which, counts = np.unique(values, return_inverse=True, return_counts=True)
    return (np.cumsum(counts) - (counts - 1) / 2)[which]


def areas(
    morf: Float[np.ndarray, "texts steps"],
    lerf: Float[np.ndarray, "texts steps"],
    steps: Float[np.ndarray, " steps"],
) -> dict[str, Float[np.ndarray, " texts"]]:
    """What any curves tell: `area`, and the areas under `morf` and `lerf`.

    Raises:
        InputError: fewer than two steps, or steps that do not rise.
    """
    return {"area": area(morf, lerf, steps), "morf": auc(morf, steps), "lerf": auc(lerf, steps)}


def aopc(
    morf: Float[np.ndarray, "texts steps"],
    lerf: Float[np.ndarray, "texts steps"],
    steps: Float[np.ndarray, " steps"],
    shares: Sequence[float] = AOPC_SHARES,
) -> dict[str, Float[np.ndarray, " texts"]]:
    """What curves tell at the right steps: `comprehensiveness`, `sufficiency` and `log_odds`.

    The top k are gone from MoRF at step k, and alone are left of LeRF at step 1 − k.

    Args:
        morf: most relevant first.
        lerf: least relevant first.
        steps: shares removed, among them 0, all k and all 1 − k.
        shares: the k.

    Raises:
        SettingError: steps are missing; it says which.
    """
    if missing := missing_steps(steps, shares):
        raise SettingError(
            f"comprehensiveness and sufficiency are read off the curves at 0, at the shares {list(shares)} and at 1 − "
            f"these; add {', '.join(f'{s:g}' for s in missing)} to the steps (see aopc_steps)"
        )
    whole = morf[:, _index(steps, 0.0)]
    removed = morf[:, [_index(steps, share) for share in shares]]
    kept = lerf[:, [_index(steps, 1 - share) for share in shares]]
    return {
        "comprehensiveness": comprehensiveness(whole, removed),
        "sufficiency": sufficiency(whole, kept),
        "log_odds": log_odds(whole, removed),
    }


def from_curves(
    curves: Mapping[str, Curve], shares: Sequence[float] = AOPC_SHARES
) -> dict[str, Float[np.ndarray, " texts"]]:
    """Every metric that MoRF and LeRF hold, by name, text by text.

    A step removes a whole number of tokens: 1 % of a text of 30 is none, and its term of the mean is then 0 for
    comprehensiveness and log-odds.

    Args:
        curves: "morf" and "lerf", in fractions, with the steps of `aopc_steps` among theirs.
        shares: the k of comprehensiveness, sufficiency and log-odds.

    Returns:
        area, morf, lerf, comprehensiveness, sufficiency, log_odds.

    Raises:
        InputError: a curve is missing, or the two have other steps.
        SettingError: the curves are in counts, or lack a step; it says which.
    """
    if missing := {"morf", "lerf"} - curves.keys():
        raise InputError(f"the metrics need MoRF and LeRF; {sorted(missing)} is missing. Add it to `orders`")
    morf, lerf = curves["morf"], curves["lerf"]
    if {morf.by, lerf.by} != {"fraction"}:
        raise SettingError(f"shares are read off curves in fractions; got by='{morf.by}'. Set by='fraction'")
    if not np.array_equal(morf.steps, lerf.steps):
        raise InputError(f"MoRF and LeRF have the same steps; got {morf.steps.tolist()} and {lerf.steps.tolist()}")
    pair = morf.probability, lerf.probability, morf.steps
    return areas(*pair) | aopc(*pair, shares)


def aopc_steps(shares: Sequence[float] = AOPC_SHARES, others: Sequence[float] = (1.0,)) -> tuple[float, ...]:
    """Steps for `Degradation` off which `from_curves` can read: 0, all k, all 1 − k, and others, rising."""
    return tuple(sorted({round(float(s), 9) for s in (0.0, *shares, *(1 - k for k in shares), *others)}))


def missing_steps(steps: Float[np.ndarray, " steps"], shares: Sequence[float] = AOPC_SHARES) -> tuple[float, ...]:
    """Which of the steps that `aopc` reads are not there."""
    return tuple(s for s in aopc_steps(shares, ()) if not np.isclose(steps, s, rtol=0, atol=_SAME_STEP).any())


def _index(steps: Float[np.ndarray, " steps"], step: float) -> int:
    return int(np.abs(steps - step).argmin())


def _pearson(a: Float[np.ndarray, " values"], b: Float[np.ndarray, " values"]) -> float:
    if any(np.ptp(x) <= _CONSTANT * np.abs(x).max() for x in (a, b)):
        return float("nan")
    a, b = a - a.mean(), b - b.mean()
    return float(a @ b / np.sqrt((a @ a) * (b @ b)))
