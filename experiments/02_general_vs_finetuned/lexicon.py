"""Sentiment words, from the labels of IMDB's training part alone, without a model."""

import re
from collections import Counter
from collections.abc import Iterable

import numpy as np

from textiba import Text

LEAST_ODDS_RATIO = 2.0
LEAST_REVIEWS = 50


def sentiment_words(texts: Iterable[Text], each: int, least_texts: int = LEAST_REVIEWS) -> dict[str, int]:
    """Words that tell positive from negative texts: 1 for words of positive texts, −1 for words of negative texts.

    Words are ranked by the z score of their log odds ratio of occurring in a text, with ½ added to every cell (Haldane,
    1956); words with an odds ratio below two are left out.

    Args:
        texts: with labels.
        each: the number of words of each side.
        least_texts: words that occur in fewer texts are left out.
    """
    within: dict[int, Counter[str]] = {0: Counter(), 1: Counter()}
    sizes: Counter[int] = Counter()
    for text in texts:
        if isinstance(text.label, int):
            within[text.label].update(set(re.findall(r"[a-z]+", text.text.lower())))
            sizes[text.label] += 1
    words = sorted(w for w, n in (within[0] + within[1]).items() if n >= least_texts)
    there = np.array([[within[c][w] for c in (0, 1)] for w in words], dtype=np.float64) + 0.5
    cells = np.concatenate([there, np.array([sizes[0], sizes[1]]) + 1.0 - there], axis=1)
    logs = np.log(cells)
    ratio = (logs[:, 1] - logs[:, 3]) - (logs[:, 0] - logs[:, 2])
    z = np.where(np.abs(ratio) >= np.log(LEAST_ODDS_RATIO), ratio / np.sqrt((1 / cells).sum(axis=1)), 0.0)
    order = np.argsort(z, kind="stable")
    negative = {words[i]: -1 for i in order[:each] if z[i] < 0}
    return negative | {words[i]: 1 for i in order[::-1][:each] if z[i] > 0}
