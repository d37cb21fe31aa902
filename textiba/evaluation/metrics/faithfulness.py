"""Does the prediction rest on the tokens with the highest scores? Pure functions on probabilities.

All probabilities are of the target class. `whole` is the probability on the whole text. `removed` is the probability on
the text without its highest-scored tokens, and `kept` is the probability on the text's highest-scored tokens alone.
Both have a value for each of several shares of the text's tokens.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Bool, Float

from textiba.attribution import Curve
from textiba.errors import InputError, SettingError
from textiba.evaluation.metrics.checks import check_numbers

AOPC_SHARES = (0.01, 0.05, 0.1, 0.2, 0.5)  # DeYoung et al., ACL 2020, section 4
FLOOR = 1e-12  # smaller probabilities are raised to this value, so that their logarithm is finite
LOWER_IS_BETTER = ("morf", "sufficiency", "log_odds")  # for all other metrics of `from_curves` higher is better
_SAME_STEP = 1e-9  # steps closer than this are equal: 1 − 0.9 is not quite 0.1
_SAME_COUNT = 6  # decimals of a number of tokens: (1 − 0.95) · 10 is not quite 0.5
_CONSTANT = 1e-12  # values whose spread is below this share of their size are constant up to rounding


def top_count(share: float, tokens: int) -> int:
    """The number of tokens in the top share of a text: `share · tokens`, rounded; halves go to the even number.

    MoRF removes this number of tokens, and LeRF at the step 1 − share keeps this number, so that comprehensiveness and
    sufficiency concern the same tokens.

    Args:
        share: 0 … 1.
        tokens: number of the text's tokens that carry a score.
    """
    return round(round(share * tokens, _SAME_COUNT))


def auc(
    probability: Float[np.ndarray, "texts steps"], steps: Float[np.ndarray, " steps"]
) -> Float[np.ndarray, " texts"]:
    """The area under each text's curve by the trapezoid rule, divided by the span of the steps: a mean probability.

    For MoRF, lower is better; for LeRF, higher is better.

    Raises:
        InputError: fewer than two steps, or steps that do not rise.
    """
    if len(steps) < 2 or not (np.diff(steps) > 0).all():
        raise InputError(f"a curve has two or more steps, which rise; got {steps.tolist()}")
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
    """The mean over shares k of p(whole) − p(without the top k); higher is better.

    Source: DeYoung et al., *ERASER*, ACL 2020, section 4, which calls this mean over shares AOPC. The mean is over the
    given shares, as in ERASER's code; k = 0, where nothing is removed, is not counted.
    """
    return (whole[:, None] - removed).mean(axis=1)


def sufficiency(
    whole: Float[np.ndarray, " texts"], kept: Float[np.ndarray, "texts shares"]
) -> Float[np.ndarray, " texts"]:
    """The mean over shares k of p(whole) − p(only the top k); lower is better.

    Source: DeYoung et al., *ERASER*, ACL 2020, section 4, as AOPC; the mean is taken as in `comprehensiveness`.
    """
    return (whole[:, None] - kept).mean(axis=1)


def log_odds(
    whole: Float[np.ndarray, " texts"], removed: Float[np.ndarray, "texts shares"]
) -> Float[np.ndarray, " texts"]:
    """The mean over shares k of log(p(without the top k) / p(whole)), nats; lower is better.

    The literature uses this name, although the quantity is a ratio of probabilities. Probabilities below `FLOOR` count
    as `FLOOR`. Source: Shrikumar et al., ICML 2017; in this form Chen et al., ACL 2020 (arXiv 2004.02015).
    """
    ratio = np.log(np.maximum(removed, FLOOR)) - np.log(np.maximum(whole, FLOOR))[:, None]
    return ratio.mean(axis=1)


def sensitivity_n(
    scores: Float[np.ndarray, " tokens"],
    subsets: Bool[np.ndarray, "subsets tokens"],
    drops: Float[np.ndarray, " subsets"],
) -> float:
    """Pearson's correlation between the summed score of the removed tokens and the drop of the output, for one text.

    Source: Ancona et al., *Towards better understanding of gradient-based attribution methods*, ICLR 2018, section 4.

    Args:
        scores: scores of the content tokens.
        subsets: True on the tokens that a subset removes; each of the paper's subsets has n tokens.
        drops: output of the whole text minus output without the subset.

    Returns:
        −1 … 1, or NaN if all sums or all drops are equal.

    Raises:
        InputError: a score is NaN.
    """
    check_numbers(scores)
    return _pearson(subsets.astype(np.float64) @ scores.astype(np.float64), drops.astype(np.float64))


def rank_agreement(scores: Float[np.ndarray, " tokens"], reference: Float[np.ndarray, " tokens"]) -> float:
    """Spearman's ρ between two attributions of one text; equal scores share their mean rank.

    Returns:
        −1 … 1, or NaN if all scores of one attribution are equal.

    Raises:
        InputError: a score is NaN.
    """
    check_numbers(scores)
    check_numbers(reference)
    return _pearson(ranks(scores), ranks(reference))


def ranks(values: Float[np.ndarray, " values"]) -> Float[np.ndarray, " values"]:
    """Ranks, 1 for the lowest value; equal values share the mean of their ranks."""
    _, which, counts = np.unique(values, return_inverse=True, return_counts=True)
    return (np.cumsum(counts) - (counts - 1) / 2)[which]


def areas(
    morf: Float[np.ndarray, "texts steps"],
    lerf: Float[np.ndarray, "texts steps"],
    steps: Float[np.ndarray, " steps"],
) -> dict[str, Float[np.ndarray, " texts"]]:
    """The metrics that curves with any steps give: `area`, and the areas under `morf` and `lerf`.

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
    """The metrics that curves with the steps of `aopc_steps` give: `comprehensiveness`, `sufficiency`, `log_odds`.

    MoRF at step k has removed the top k, and LeRF at step 1 − k has only the top k left.

    Args:
        morf: most relevant first.
        lerf: least relevant first.
        steps: shares of removed tokens, which include 0, all k and all 1 − k.
        shares: values of k.

    Raises:
        SettingError: steps are missing; the message names them.
    """
    if missing := missing_steps(steps, shares):
        raise SettingError(
            f"comprehensiveness and sufficiency need the curves at 0, at the shares k {list(shares)} and at 1 − k; "
            f"add {', '.join(f'{s:g}' for s in missing)} to the steps (see aopc_steps)"
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
    """Every metric of a MoRF and a LeRF curve, by name, text by text.

    A step removes a whole number of tokens. For example, 1 % of a text of 30 tokens is 0 tokens, and this share then
    adds 0 to comprehensiveness and log-odds.

    Args:
        curves: the curves "morf" and "lerf", with steps in fractions that include the steps of `aopc_steps`.
        shares: values of k for comprehensiveness, sufficiency and log-odds.

    Returns:
        area, morf, lerf, comprehensiveness, sufficiency, log_odds. Lower is better for the metrics in
        `LOWER_IS_BETTER`.

    Raises:
        InputError: a curve is missing, or the two differ in their steps or their texts.
        SettingError: the curves are in counts, or lack a step; the message names the step.
    """
    morf, lerf = paired(curves)
    if morf.by != "fraction":
        raise SettingError(f"shares need curves in fractions; got by='{morf.by}'. Set by='fraction'")
    pair = morf.probability, lerf.probability, morf.steps
    return areas(*pair) | aopc(*pair, shares)


def paired(curves: Mapping[str, Curve]) -> tuple[Curve, Curve]:
    """The MoRF and the LeRF curve, after a check that they have the same texts and the same steps.

    Raises:
        InputError: a curve is missing, or the two differ in their steps or their texts.
    """
    if missing := {"morf", "lerf"} - curves.keys():
        raise InputError(f"this needs MoRF and LeRF; {sorted(missing)} is missing. Add it to `orders`")
    morf, lerf = curves["morf"], curves["lerf"]
    if morf.by != lerf.by or not np.array_equal(morf.steps, lerf.steps):
        raise InputError(
            f"MoRF and LeRF have the same steps; got {morf.steps.tolist()} by {morf.by} and {lerf.steps.tolist()} by "
            f"{lerf.by}. Make both with one call of degrade"
        )
    if morf.texts != lerf.texts or len(morf.probability) != len(lerf.probability):
        raise InputError(
            f"MoRF and LeRF are of the same texts in the same order; got {len(morf.probability)} and "
            f"{len(lerf.probability)} texts, which differ. Make both with one call of degrade"
        )
    return morf, lerf


def aopc_steps(shares: Sequence[float] = AOPC_SHARES, others: Sequence[float] = (1.0,)) -> tuple[float, ...]:
    """The steps of `Degradation` that `from_curves` needs: 0, all k, all 1 − k, and `others`, in increasing order."""
    return tuple(sorted({round(float(s), 9) for s in (0.0, *shares, *(1 - k for k in shares), *others)}))


def missing_steps(steps: Float[np.ndarray, " steps"], shares: Sequence[float] = AOPC_SHARES) -> tuple[float, ...]:
    """The steps that `aopc` needs and that are missing from `steps`."""
    return tuple(s for s in aopc_steps(shares, ()) if not np.isclose(steps, s, rtol=0, atol=_SAME_STEP).any())


def _index(steps: Float[np.ndarray, " steps"], step: float) -> int:
    return int(np.abs(steps - step).argmin())


def _pearson(a: Float[np.ndarray, " values"], b: Float[np.ndarray, " values"]) -> float:
    if any(np.ptp(x) <= _CONSTANT * np.abs(x).max() for x in (a, b)):
        return float("nan")
    a, b = a - a.mean(), b - b.mean()
    return float(a @ b / np.sqrt((a @ a) * (b @ b)))
