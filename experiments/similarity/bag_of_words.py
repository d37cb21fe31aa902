"""What bags of words reach on the same data: `python -m experiments.similarity.bag_of_words STSB SNLI`.

STSB and SNLI are the folders of the data sets, with train.parquet and test.parquet. The figures go to result.json.
"""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas
from scipy import sparse
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from sklearn.linear_model import LogisticRegression, Ridge

HERE = Path(__file__).parent


def similarity(folder: Path) -> float:
    """Pearson's correlation of the gold values with a ridge regression on what two tf-idf vectors share."""
    train, test = (pandas.read_parquet(folder / f"{part}.parquet") for part in ("train", "test"))
    words = TfidfVectorizer().fit([*train.sentence1, *train.sentence2])

    def features(rows: pandas.DataFrame) -> np.ndarray:
        one, other = words.transform(rows.sentence1), words.transform(rows.sentence2)
        cosine = np.asarray(one.multiply(other).sum(axis=1)).ravel()
        return np.stack([cosine, cosine**2, np.abs((one > 0).sum(1).A1 - (other > 0).sum(1).A1)], axis=1)

    found = Ridge().fit(features(train), train.label).predict(features(test))
    return float(np.corrcoef(found, test.label)[0, 1])


def inference(folder: Path) -> float:
    """The accuracy of a logistic regression on the words of the premise and the words of the hypothesis."""
    train, test = (pandas.read_parquet(folder / f"{part}.parquet") for part in ("train", "test"))
    sides = [CountVectorizer(binary=True, min_df=3).fit(train[name]) for name in ("premise", "hypothesis")]

    def features(rows: pandas.DataFrame) -> Any:
        return sparse.hstack(
            [side.transform(rows[n]) for side, n in zip(sides, ("premise", "hypothesis"), strict=True)]
        )

    model = LogisticRegression(max_iter=300, C=0.1).fit(features(train), train.label)
    return float(model.score(features(test), test.label))


if __name__ == "__main__":
    result = {"stsb pearson": similarity(Path(sys.argv[1])), "snli accuracy": inference(Path(sys.argv[2]))}
    (HERE / "result.json").write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    sys.stdout.write(f"{result}\n")
