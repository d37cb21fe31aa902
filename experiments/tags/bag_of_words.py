"""What word features reach on the same data: `python -m experiments.tags.bag_of_words WNUT_17`.

WNUT_17 is the folder with train.parquet, validation.parquet and test.parquet. The figures go to bag_of_words.json.
"""

import json
import sys
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from seqeval.metrics import f1_score
from sklearn.feature_extraction import DictVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.multiclass import OneVsRestClassifier

from experiments.study import plain
from textiba.texts.sources import read_texts
from textiba.texts.tables import Rows

HERE = Path(__file__).parent
STRENGTHS = (1.0, 10.0, 100.0, 1000.0)  # of the regression, chosen on validation
Sentences = list[tuple[list[str], list[str]]]  # tokens and tags


def sentences(path: Path) -> Sentences:
    """The tokens and the names of the tags of every row."""
    texts = read_texts(path, gold="tags")
    names = texts.names if isinstance(texts, Rows) else ()
    return [(text.text.split(" "), [names[int(tag)] for tag in text.tags or ()]) for text in texts]


def f1(data: Sentences, predicted: list[list[str]]) -> float:
    """The F1 of entities."""
    score: Any = f1_score
    return float(score([tags for _, tags in data], predicted, zero_division=0))


def most_frequent(train: Sentences, test: Sentences) -> float:
    """F1 of the tag that a token, in lower case, most often has in the training part; unknown tokens get "O"."""
    counts: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for tokens, tags in train:
        for token, tag in zip(tokens, tags, strict=True):
            counts[token.lower()][tag] += 1
    best = {token: found.most_common(1)[0][0] for token, found in counts.items()}
    return f1(test, [[best.get(token.lower(), "O") for token in tokens] for tokens, _ in test])


def features(tokens: Sequence[str], place: int, shape: bool) -> dict[str, Any]:
    """A token in lower case, its neighbours, and its first and last letters; with `shape`, its capitals too."""
    around = {offset: place + offset for offset in (-2, -1, 0, 1, 2)}
    found: dict[str, Any] = {
        f"word {offset}": tokens[at].lower() if 0 <= at < len(tokens) else "-" for offset, at in around.items()
    }
    token = tokens[place].lower()
    found |= {"first": token[:3], "last": token[-3:]}
    return found | ({"title": tokens[place].istitle(), "upper": tokens[place].isupper()} if shape else {})


def regression(train: Sentences, validation: Sentences, test: Sentences, shape: bool) -> float:
    """F1 of a logistic regression on the features of each token; its strength is chosen on validation."""
    vectors = DictVectorizer()

    def rows(data: Sentences) -> list[dict[str, Any]]:
        return [features(tokens, place, shape) for tokens, _ in data for place in range(len(tokens))]

    def narrow(matrix: Any) -> Any:
        """The matrix with indices of 32 bits, as liblinear takes them."""
        matrix.indices, matrix.indptr = matrix.indices.astype(np.int32), matrix.indptr.astype(np.int32)
        return matrix

    def tagged(model: Any, data: Sentences) -> list[list[str]]:
        tags = iter(model.predict(narrow(vectors.transform(rows(data)))).tolist())
        return [[next(tags) for _ in tokens] for tokens, _ in data]

    inputs, golds = narrow(vectors.fit_transform(rows(train))), [tag for _, tags in train for tag in tags]
    models = [OneVsRestClassifier(LogisticRegression(C=c, solver="liblinear")).fit(inputs, golds) for c in STRENGTHS]
    return f1(test, tagged(max(models, key=lambda model: f1(validation, tagged(model, validation))), test))


if __name__ == "__main__":
    parts = [sentences(Path(sys.argv[1]) / f"{part}.parquet") for part in ("train", "validation", "test")]
    result = plain(
        {
            "most frequent tag": most_frequent(parts[0], parts[2]),
            "regression on words": regression(*parts, shape=False),
            "regression on words and capitals": regression(*parts, shape=True),
        }
    )
    (HERE / "bag_of_words.json").write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    sys.stdout.write(f"{result}\n")
