"""The degradation test: remove the top k tokens and follow the probability of the target.

Tokens are removed most relevant first (MoRF), least relevant first (LeRF) or in random order, in one of four ways. All
removals act on token ids: the removed tokens are the scored tokens, token types stay with their tokens, and nothing is
decoded and tokenized again.

Source: Samek et al., *Evaluating the Visualization of What a Deep Neural Network Has Learned*, 2017; Ancona et al.,
ICLR 2018; normalised as in Schulz et al., *Restricting the Flow*, ICLR 2020, section 4.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice, pairwise
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float
from pydantic import Field, model_validator

from textiba.attribution import Attribution, Curve, content_scores, removal_way
from textiba.errors import InputError, SettingError
from textiba.evaluation.metrics import faithfulness
from textiba.evaluation.metrics.checks import check_numbers
from textiba.model.view import Model
from textiba.settings import Settings
from textiba.texts.batches import TOKEN_BUDGET
from textiba.texts.tokens import TokenizedText

Removal = Literal["delete", "mask", "pad", "attention"]
ORDERS = ("morf", "lerf", "random")
_WINDOW = 32  # number of texts whose variants are in memory at a time


class Degradation(Settings):
    """How tokens are removed.

    Attributes:
        removal: "delete" (the text gets shorter), "mask" ([MASK] takes the token's place), "pad" ([PAD] takes the
            token's place and is attended to; RoBERTa gives [PAD] no position) or "attention" (the token keeps its
            place, and no token attends to it).
        by: the unit of `steps`: "fraction" or "count".
        steps: how much is removed at each step, in increasing order from 0; as shares of the text's tokens or as whole
            numbers of tokens.
        orders: the curves to compute: "morf", "lerf", "random" or several of them.
        part: of a pair, the text whose tokens are removed: "text" (the first), "pair" (the second) or "both".
        seed: seed of the random order and of the order of ties; each text derives its own seed from this one.
    """

    removal: Removal = "delete"
    by: Literal["fraction", "count"] = "fraction"
    steps: tuple[float, ...] = Field(default=tuple(i / 10 for i in range(11)), min_length=2)
    orders: tuple[Literal["morf", "lerf", "random"], ...] = Field(default=ORDERS, min_length=1)
    part: Literal["both", "text", "pair"] = "both"
    seed: int = 0

    @model_validator(mode="after")
    def _steps_fit(self) -> "Degradation":
        if self.steps[0] != 0 or any(a >= b for a, b in pairwise(self.steps)):
            raise ValueError(f"steps rise from 0; got {list(self.steps)}")
        if self.by == "fraction" and self.steps[-1] > 1:
            raise ValueError(f"a fraction is at most 1; got {self.steps[-1]:g}. For numbers of tokens set by='count'")
        if self.by == "count" and (broken := [step for step in self.steps if step != int(step)]):
            raise ValueError(f"a number of tokens is whole; got {broken[0]:g}. For shares of a text set by='fraction'")
        return self

    @property
    def way(self) -> str:
        """The way of removal as one word; see `Curve.way`."""
        return removal_way(self.removal, self.part)

    def counts(self, tokens: int, order: str = "morf") -> list[int]:
        """The number of tokens that are removed at each step.

        If steps are shares, MoRF and random remove the step's share of the tokens, rounded. LeRF at the share 1 − k
        keeps exactly the tokens that MoRF removes at the share k.

        Args:
            tokens: number of the text's tokens that carry a score.
            order: "morf", "lerf" or "random".
        """
        if self.by == "count":
            return [min(int(step), tokens) for step in self.steps]
        if order == "lerf":
            return [tokens - faithfulness.top_count(1 - step, tokens) for step in self.steps]
        return [faithfulness.top_count(step, tokens) for step in self.steps]


def degrade(
    model: Model,
    attributions: Iterable[Attribution],
    settings: Degradation | None = None,
    budget: int = TOKEN_BUDGET,
) -> dict[str, Curve]:
    """The degradation curves of one method on one checkpoint, by the name of their order.

    All variants of several consecutive texts go through the model together, in batches of similar length. Equal
    variants (nothing removed, everything removed) go through once.

    Args:
        model: the model that reads the variants; it may differ from the explained model.
        attributions: attributions of one method with one choice of settings; the curves follow the probability of each
            attribution's `target`.
        settings: how tokens are removed.
        budget: number of tokens in a batch.

    Raises:
        SettingError: there are no attributions; or the tokenizer has no mask token for "mask", or no padding token for
            "pad".
        InputError: the attributions are of two methods, or they explain another question than the model is asked; a
            text is not a pair, but `part` names one text of a pair; or a score is NaN.
    """
    settings = settings or Degradation()
    source = iter(attributions)
    first: Attribution | None = None
    probability: list[np.ndarray] = []
    correct: list[np.ndarray] = []
    while window := list(islice(source, _WINDOW)):
        first = first or window[0]
        _check_one_method(first, window)
        _check_question(model, window)
        p, c = _window(model, window, settings, budget)
        probability.append(p)
        correct.append(c)
    if first is None:
        raise SettingError("a degradation curve needs at least one attribution; got none")
    steps = np.asarray(settings.steps, dtype=np.float64)
    stacked = np.concatenate(probability), np.concatenate(correct)
    return {
        name: Curve(
            name, settings.removal, settings.by, steps, stacked[0][:, i], stacked[1][:, i], first.method,
            model.name, first.settings, seed=settings.seed, part=settings.part,
        )
        for i, name in enumerate(settings.orders)
    }  # fmt: skip


def removal_order(attribution: Attribution, order: str, seed: int = 0, part: str = "both") -> list[int]:
    """Positions of the content tokens in the order of their removal; LeRF is MoRF backwards.

    Tokens of equal score are removed in a random order, which is the same for every method. To remove such tokens in
    the order of the text would favour the text's beginning or end.

    Args:
        attribution: the scores.
        order: "morf", "lerf" or "random".
        seed: seed of the random order and of the order of ties.
        part: see `Degradation.part`.

    Raises:
        InputError: a score is NaN.
    """
    drawn = np.random.default_rng(attribution.text.seed(seed)).permutation(_removable(attribution.text, part))
    if order == "random":
        return drawn.tolist()
    check_numbers(content_scores(attribution))
    falling = drawn[np.argsort(-attribution.scores[drawn], kind="stable")].tolist()
    return falling if order == "morf" else falling[::-1]


def lerf_morf_area(curves: Mapping[str, Curve]) -> Float[np.ndarray, " texts"]:
    """∫ (LeRF − MoRF) of each text over the removed share, by the trapezoid rule; larger is better.

    For steps in counts the area is the mean difference over the numbers of removed tokens, so it also lies within −1 …
    1. A text that is shorter than the last step then counts as fully removed, with a difference of 0.

    Raises:
        InputError: one of the two curves is missing, or the curves differ in their steps or their texts.
    """
    morf, lerf = faithfulness.paired(curves)
    return faithfulness.area(morf.probability, lerf.probability, morf.steps)


def normalized(curves: Mapping[str, Curve], reference: str = "morf") -> dict[str, Float[np.ndarray, "texts steps"]]:
    """Curves on the paper's scale `(p − b) / (t − b)`: on average 1 for whole texts and 0 for fully degraded texts.

    Args:
        curves: curves of one method.
        reference: the order of the curve whose first and last steps give t and b (means over texts).

    Raises:
        InputError: the reference curve is missing, or whole and fully degraded texts have the same probability on
            average.
    """
    if reference not in curves:
        raise InputError(f"the reference is one of the curves {sorted(curves)}; got '{reference}'. Add it to `orders`")
    whole = curves[reference].probability[:, 0].mean()
    bare = curves[reference].probability[:, -1].mean()
    if whole == bare:
        raise InputError(f"there is nothing to normalise by: whole and fully degraded texts both have {whole:.3f}")
    return {name: (curve.probability - bare) / (whole - bare) for name, curve in curves.items()}


def _check_one_method(first: Attribution, window: Sequence[Attribution]) -> None:
    for other in window:
        if (other.method, dict(other.settings)) != (first.method, dict(first.settings)):
            raise InputError(
                f"a degradation curve is of one method with one choice of settings; got '{first.method}' with "
                f"{dict(first.settings)} and '{other.method}' with {dict(other.settings)}. Call degrade once for each"
            )


def _removable(text: TokenizedText, part: str) -> list[int]:
    if part == "both":
        return list(text.content)
    if text.source.pair is None:
        raise InputError(f"part='{part}' removes tokens of one text of a pair, and these are single texts; use 'both'")
    return [i for i, own in enumerate(text.parts) if own == part]


def _check_question(model: Model, window: Sequence[Attribution]) -> None:
    for a in window:
        if a.asked != model.reading.words or a.target >= model.n_labels:
            raise InputError(
                f"these scores are for answer {a.target} to the question '{a.asked}', and the model is asked "
                f"'{model.reading.words}', with {model.n_labels} answers; ask the same with model.asking(outcome)"
            )


def _window(
    model: Model, window: Sequence[Attribution], settings: Degradation, budget: int
) -> tuple[Float[np.ndarray, "texts orders steps"], Float[np.ndarray, "texts orders steps"]]:
    """For every variant of a few texts: the probability of the target, and whether the gold class is predicted."""
    variants: dict[tuple[int, tuple[int, ...]], TokenizedText] = {}
    places: dict[tuple[int, tuple[int, ...]], list[tuple[int, int, int]]] = {}
    for place, key, variant in _variants(model, window, settings):
        variants[key] = variant
        places.setdefault(key, []).append(place)
    shape = (len(window), len(settings.orders), len(settings.steps))
    probability, correct = np.zeros(shape), np.zeros(shape)
    keys = list(variants)
    for group in model.buckets(keys, [len(variants[k]) for k in keys], budget):
        batch = model.collate([variants[k] for k in group])
        probabilities = model.probabilities(model.logits(batch)).cpu()
        for key, row in zip(group, probabilities, strict=True):
            attribution = window[key[0]]
            gold = attribution.text.source.label
            gold = attribution.target if gold is None or not model.reading.classes else gold
            for place in places[key]:
                probability[place] = row[attribution.target]
                correct[place] = float(int(torch.argmax(row)) == gold)
    return probability, correct


def _variants(
    model: Model, window: Sequence[Attribution], settings: Degradation
) -> Iterator[tuple[tuple[int, int, int], tuple[int, tuple[int, ...]], TokenizedText]]:
    """Each variant's place in the result, a key that equal variants share, and the text without the removed tokens."""
    for i, attribution in enumerate(window):
        for j, name in enumerate(settings.orders):
            order = removal_order(attribution, name, settings.seed, settings.part)
            for k, count in enumerate(settings.counts(len(order), name)):
                gone = order[:count]
                variant = model.without(attribution.text, gone, settings.removal)
                yield (i, j, k), (i, tuple(sorted(gone))), variant
