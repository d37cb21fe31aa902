"""What a bag of words reaches on the same data: `python -m experiments.documents.bag_of_words BROWN_GENRE`.

BROWN_GENRE is the folder with train.parquet and test.parquet. The figures go to bag_of_words.json.
"""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas
from jaxtyping import Bool
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

HERE = Path(__file__).parent
STRENGTHS = (1.0, 10.0, 100.0, 1000.0)  # of the regression, chosen by cross-validation on the training part
FIRST = 200  # words of a document's beginning, about as many as one window of 256 tokens has


def regression(folder: Path, words: int | None) -> tuple[float, Bool[np.ndarray, " texts"]]:
    """The chosen strength of a logistic regression on tf-idf, and whether it gets each test document right.

    Args:
        folder: the data set.
        words: the number of words of each test document that it reads; None reads all.
    """
    train, test = (pandas.read_parquet(folder / f"{part}.parquet") for part in ("train", "test"))
    search = GridSearchCV(
        make_pipeline(TfidfVectorizer(sublinear_tf=True, min_df=2), LogisticRegression(max_iter=2000)),
        {"logisticregression__C": STRENGTHS},
        cv=5,
    )
    search.fit(train.text, train.label)
    texts = [" ".join(text.split()[:words]) for text in test.text]
    return search.best_params_["logisticregression__C"], np.asarray(search.predict(texts) == test.label)


def main(folder: Path) -> dict[str, Any]:
    """The accuracy on whole test documents and on their beginnings."""
    strength, whole = regression(folder, None)
    _, beginning = regression(folder, FIRST)
    return {"strength": strength, "whole": float(whole.mean()), f"first {FIRST} words": float(beginning.mean())}


if __name__ == "__main__":
    result = main(Path(sys.argv[1]))
    (HERE / "bag_of_words.json").write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    sys.stdout.write(f"{result}\n")
