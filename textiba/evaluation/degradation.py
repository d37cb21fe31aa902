"""The degradation test: remove the top k tokens and watch the prediction fall.

Tokens go most relevant first (MoRF), least relevant first (LeRF) or at random, in one of four ways. All happens to
token ids: what is removed is what was scored, token types stay, nothing is decoded and tokenized again. Source: Samek
et al., 2017; Ancona et al., ICLR 2018; normalised as in Schulz et al., ICLR 2020, section 4.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice, pairwise
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float
from pydantic import Field, field_validator

from textiba.attribution import Attribution, Curve
from textiba.errors import InputError, SettingError
from textiba.evaluation.metrics import faithfulness
from textiba.model.view import Model
from textiba.settings import Settings
from textiba.texts.batches import TOKEN_BUDGET
from textiba.texts.tokens import TokenizedText

Removal = Literal["delete", "mask", "pad", "attention"]
ORDERS = ("morf", "lerf", "random")
_WINDOW = 32  # texts whose variants are held at a time


class Degradation(Settings):
    """How tokens are removed.

    Attributes:
        removal: "delete" (the text gets shorter), "mask" ([MASK] takes the place), "pad" ([PAD] takes it and is
            attended to; RoBERTa counts no position for it) or "attention" (it keeps its place, and none attends to it).
        by: "fraction" or "count": what `steps` are.
        steps: rising, from 0: shares of the text's tokens, or numbers of them.
        orders: which curves; of "morf", "lerf" and "random".
        seed: of the random order; each text derives its own.
    """

    removal: Removal = "delete"
    by: Literal["fraction", "count"] = "fraction"
    steps: tuple[float, ...] = Field(default=tuple(i / 10 for i in range(11)), min_length=2)
    orders: tuple[Literal["morf", "lerf", "random"], ...] = ORDERS
    seed: int = 0

    @field_validator("steps")
    @classmethod
    def _rising_from_zero(cls, steps: tuple[float, ...]) -> tuple[float, ...]:
        if steps[0] != 0 or any(a >= b for a, b in pairwise(steps)):
            raise ValueError("steps rise from 0")
        return steps

    def counts(self, tokens: int) -> list[int]:
        """How many tokens are gone at each step, of a text that has so many."""
        if self.by == "count":
            return [min(round(step), tokens) for step in self.steps]
        return [round(step * tokens) for step in self.steps]


def degrade(
    model: Model,
    attributions: Iterable[Attribution],
    settings: Degradation | None = None,
    budget: int = TOKEN_BUDGET,
) -> dict[str, Curve]:
    """The curves of one method on one checkpoint, by the name of their order.

    All variants of a window of texts go through the model together, in batches of like length; those that are the
    same (nothing removed, everything removed) go once.

    Args:
        model: the model, which may be another than the one that was explained.
        attributions: of one method; their `target` is the class whose probability is followed.
        settings: how tokens are removed.
        budget: tokens in a batch.

    Raises:
        SettingError: no attributions, a step past 1 for fractions, or no mask (padding) token for "mask" ("pad").
    """
    settings = settings or Degradation()
    if settings.by == "fraction" and settings.steps[-1] > 1:
        raise SettingError(f"a fraction is at most 1; got {settings.steps[-1]}. For numbers of tokens set by='count'")
    source = iter(attributions)
    first: Attribution | None = None
    probability: list[np.ndarray] = []
    correct: list[np.ndarray] = []
    while window := list(islice(source, _WINDOW)):
        first = first or window[0]
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
            model.name, first.settings, seed=settings.seed,
        )
        for i, name in enumerate(settings.orders)
    }  # fmt: skip


def removal_order(attribution: Attribution, order: str, seed: int = 0) -> list[int]:
    """Positions of the content tokens in the order in which they go; LeRF is MoRF backwards.

    Ties go in an order drawn for the text, the same for every method: the order of the text would favour some places.

    Args:
        attribution: the scores.
        order: "morf", "lerf" or "random".
        seed: of "random", and of ties.
    """
    drawn = np.random.default_rng(attribution.text.seed(seed)).permutation(np.asarray(attribution.text.content))
    if order == "random":
        return drawn.tolist()
    falling = drawn[np.argsort(-attribution.scores[drawn], kind="stable")].tolist()
    return falling if order == "morf" else falling[::-1]


def lerf_morf_area(curves: dict[str, Curve]) -> Float[np.ndarray, " texts"]:
    """∫ (LeRF − MoRF) of each text over the removed share, by the trapezoid rule; larger is better.

    For steps in counts it is the mean difference per step taken, so that it stays within −1 … 1.

    Raises:
        InputError: one of the two curves is missing.
    """
    if missing := {"morf", "lerf"} - curves.keys():
        raise InputError(f"the area lies between MoRF and LeRF; {sorted(missing)} is missing. Add it to `orders`")
    morf, lerf = curves["morf"], curves["lerf"]
    return faithfulness.area(morf.probability, lerf.probability, morf.steps)


def normalized(curves: dict[str, Curve], reference: str = "morf") -> dict[str, Float[np.ndarray, "texts steps"]]:
    """The paper's scale: `(p − b) / (t − b)`, 1 for whole texts and 0 for fully degraded ones, on average.

    Args:
        curves: of one method.
        reference: whose first and last step give t and b, the means over texts.

    Raises:
        InputError: whole and fully degraded texts have the same probability on average.
    """
    whole = curves[reference].probability[:, 0].mean()
    bare = curves[reference].probability[:, -1].mean()
    if whole == bare:
        raise InputError(f"there is nothing to normalise by: whole and fully degraded texts both have {whole:.3f}")
    return {name: (curve.probability - bare) / (whole - bare) for name, curve in curves.items()}


def _window(
    model: Model, window: Sequence[Attribution], settings: Degradation, budget: int
) -> tuple[Float[np.ndarray, "texts orders steps"], Float[np.ndarray, "texts orders steps"]]:
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
    """(place in the result, key that is equal for equal variants, the text without its tokens)."""
    for i, attribution in enumerate(window):
        counts = settings.counts(len(attribution.text.content))
        for j, name in enumerate(settings.orders):
            order = removal_order(attribution, name, settings.seed)
            for k, count in enumerate(counts):
                gone = order[:count]
                variant = model.without(attribution.text, gone, settings.removal)
                yield (i, j, k), (i, tuple(sorted(gone))), variant
