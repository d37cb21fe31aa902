"""What a bag of words reaches on the same data: `python -m experiments.emotions.bag_of_words GO_EMOTIONS`.

GO_EMOTIONS is the folder with train.parquet, validation.parquet and test.parquet. The figures go to bag_of_words.json.
"""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas
from jaxtyping import Bool, Float
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score
from sklearn.multiclass import OneVsRestClassifier

HERE = Path(__file__).parent
STRENGTHS = (1.0, 10.0)  # of the regression, chosen on validation
THRESHOLDS = tuple(np.linspace(-3, 0, 13).tolist())  # of the log-odds, chosen on validation


def f1(gold: Bool[np.ndarray, "texts labels"], log_odds: Float[np.ndarray, "texts labels"], threshold: float) -> Any:
    """Micro and macro F1 of the labels whose log-odds are above a threshold."""
    score: Any = f1_score
    held = log_odds > threshold
    return {mean: float(score(gold, held, average=mean, zero_division=0)) for mean in ("micro", "macro")}


def best_threshold(gold: Bool[np.ndarray, "texts labels"], log_odds: Float[np.ndarray, "texts labels"]) -> float:
    """The threshold of `THRESHOLDS` with the largest micro F1."""
    return max(THRESHOLDS, key=lambda threshold: f1(gold, log_odds, threshold)["micro"])


def hot(rows: Sequence[Sequence[int]], labels: int) -> Bool[np.ndarray, "texts labels"]:
    """Whether each label holds for each text."""
    return np.array([[label in row for label in range(labels)] for row in rows])


def regression(folder: Path) -> dict[str, Any]:
    """F1 of a logistic regression for each label on the tf-idf of the words, at two thresholds of the log-odds."""
    train, validation, test = (pandas.read_parquet(folder / f"{part}.parquet") for part in _PARTS)
    count = max(max(row, default=0) for row in train.labels) + 1
    words = TfidfVectorizer(min_df=2, sublinear_tf=True).fit(train.text)
    golds = {name: hot(rows.labels, count) for name, rows in zip(_PARTS, (train, validation, test), strict=True)}
    found = []
    for strength in STRENGTHS:
        model = OneVsRestClassifier(LogisticRegression(C=strength, solver="liblinear"))
        model.fit(words.transform(train.text), golds["train"].astype(int))
        odds = model.decision_function(words.transform(validation.text))
        threshold = best_threshold(golds["validation"], odds)
        found.append((f1(golds["validation"], odds, threshold)["micro"], strength, threshold, model))
    _, strength, threshold, model = max(found, key=lambda one: one[0])
    odds = model.decision_function(words.transform(test.text))
    return {
        "strength": strength,
        "at 0": f1(golds["test"], odds, 0.0),
        "threshold": threshold,
        "at the threshold": f1(golds["test"], odds, threshold),
    }


_PARTS = ("train", "validation", "test")

if __name__ == "__main__":
    from experiments.study import plain

    result = plain(regression(Path(sys.argv[1])))
    (HERE / "bag_of_words.json").write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    sys.stdout.write(f"{result}\n")
