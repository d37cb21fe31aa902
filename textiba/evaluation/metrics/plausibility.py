"""Does the attribution agree with a human rationale? Pure functions on the units of one text: tokens or words.

Scores are ranked as they are, with their sign: evidence for the target comes first. To rank by strength in either
direction, pass absolute values.
"""

import numpy as np
from jaxtyping import Bool, Float

from textiba.attribution import Attribution, word_scores, words
from textiba.errors import InputError, SettingError
from textiba.evaluation.metrics.checks import check_numbers


def top(scores: Float[np.ndarray, " units"], count: int) -> Bool[np.ndarray, " units"]:
    """True on the `count` highest scores; of several equal scores, the first in the text is chosen.

    Raises:
        InputError: a score is NaN, or there are fewer than `count` scores.
    """
    check_numbers(scores)
    if not 0 <= count <= len(scores):
        raise InputError(f"the number of units to choose is between 0 and {len(scores)}; got {count}")
    chosen = np.zeros(len(scores), dtype=bool)
    chosen[np.argsort(-scores, kind="stable")[:count]] = True
    return chosen


def top_share(scores: Float[np.ndarray, " units"], marked: Bool[np.ndarray, " units"]) -> float:
    """Of the n highest-scored units, the share within the rationale, which has n units: 0 … 1; higher is better.

    This is the bounding-box ratio of Schulz et al., ICLR 2020, section 4, for text: the rationale is the box.

    Raises:
        InputError: nothing is marked, or a score is NaN.
    """
    _check_marked(marked)
    return float(marked[top(scores, int(marked.sum()))].mean())


def auprc(scores: Float[np.ndarray, " units"], marked: Bool[np.ndarray, " units"]) -> float:
    """Average precision, `Σ (R_i − R_{i−1}) P_i` over the distinct scores, highest first: 0 … 1; higher is better.

    The result equals sklearn.metrics.average_precision_score. ERASER (DeYoung et al., ACL 2020, section 4) interpolates
    the same points linearly, which overestimates the area.

    Raises:
        InputError: nothing is marked, or a score is NaN.
    """
    _check_marked(marked)
    check_numbers(scores)
    order = np.argsort(-scores, kind="stable")
    # Units of equal score are chosen together: only the last unit of each group is a point of the curve.
    last = np.append(np.flatnonzero(np.diff(scores[order])), len(order) - 1)
    found = np.cumsum(marked[order])[last]
    precision, recall = found / (last + 1), found / found[-1]
    return float(np.diff(recall, prepend=0.0) @ precision)


def token_f1(chosen: Bool[np.ndarray, " units"], marked: Bool[np.ndarray, " units"]) -> float:
    """`2 |chosen ∩ marked| / (|chosen| + |marked|)`: 0 … 1; higher is better (DeYoung et al., ACL 2020, section 4).

    Raises:
        InputError: nothing is marked.
    """
    _check_marked(marked)
    return float(2 * (chosen & marked).sum() / (chosen.sum() + marked.sum()))


def iou(chosen: Bool[np.ndarray, " units"], marked: Bool[np.ndarray, " units"]) -> float:
    """`|chosen ∩ marked| / |chosen ∪ marked|` over all units at once: 0 … 1; higher is better.

    ERASER's "IOU F1" matches single spans by this ratio.

    Raises:
        InputError: nothing is marked.
    """
    _check_marked(marked)
    return float((chosen & marked).sum() / (chosen | marked).sum())


def from_units(
    scores: Float[np.ndarray, " units"], marked: Bool[np.ndarray, " units"], share: float | None = None
) -> dict[str, float]:
    """Every metric, by name: top_share, auprc, token_f1, iou.

    Args:
        scores: raw scores of the units.
        marked: the rationale.
        share: share of the units that token_f1 and iou choose; the number is rounded, and at least one unit is chosen;
            ERASER takes the mean length of a rationale in the data set. None chooses as many units as are marked;
            token_f1 is then equal to top_share.

    Raises:
        InputError: nothing is marked, or a score is NaN.
        SettingError: the share is not above 0 and at most 1.
    """
    _check_marked(marked)
    if share is not None and not 0 < share <= 1:
        raise SettingError(f"the share of units to choose is above 0 and at most 1; got {share}")
    chosen = top(scores, int(marked.sum()) if share is None else max(1, round(share * len(scores))))
    return {
        "top_share": top_share(scores, marked),
        "auprc": auprc(scores, marked),
        "token_f1": token_f1(chosen, marked),
        "iou": iou(chosen, marked),
    }


def from_attribution(attribution: Attribution, share: float | None = None, part: str = "both") -> dict[str, float]:
    """`from_units` on the words of a text with a rationale.

    Args:
        attribution: its signed scores are summed over the tokens of a word.
        share: see `from_units`.
        part: of a pair, the text whose words are judged: "text" or "pair" if people marked only one of them; else
            "both".

    Raises:
        InputError: nothing is marked.
        SettingError: the share is not above 0 and at most 1.
    """
    scores, marked = words_and_rationale(attribution)
    own = np.array([part in ("both", word.part) for word in words(attribution)], dtype=bool)
    return from_units(scores[own], marked[own], share)


def words_and_rationale(
    attribution: Attribution,
) -> tuple[Float[np.ndarray, " words"], Bool[np.ndarray, " words"]]:
    """The score of each word, and whether a person marked it; in the order of `Attribution.words`."""
    return word_scores(attribution), word_rationale(attribution)


def word_rationale(attribution: Attribution) -> Bool[np.ndarray, " words"]:
    """For each word, in the order of `Attribution.words`: whether one of its tokens overlaps a marked span."""
    marked = attribution.text.rationale
    return np.array([any(marked[i] for i in positions) for positions in attribution.text.words], dtype=bool)


def _check_marked(marked: Bool[np.ndarray, " units"]) -> None:
    if not marked.any():
        raise InputError(
            f"plausibility needs a rationale; none of the {len(marked)} units is marked. Leave such texts out"
        )
