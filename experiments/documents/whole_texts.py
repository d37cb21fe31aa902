"""Does it help to read a whole document, and where in it is the evidence? `python -m experiments.documents.whole_texts
MODEL BROWN_GENRE`.

MODEL is the folder that `textiba finetune experiments/documents/finetune.yaml` made, and BROWN_GENRE is the folder of
the data set. The numbers go to result.json, and the figure beside it.
"""

import json
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float

import textiba
from experiments.study import bars, mean, plain, shown, tested
from textiba.attribution import Attribution, content_scores
from textiba.errors import TruncationWarning
from textiba.evaluation.intervals import bootstrap
from textiba.model.view import Model
from textiba.show.plots import panel, save
from textiba.texts.sources import open_texts
from textiba.texts.text import Text
from textiba.texts.windows import Windows

HERE = Path(__file__).parent
SIZE, STRIDE = 256, 32  # as in finetune.yaml
PARTS = 10  # of a document, for the place of the evidence
EXPLAINED = 12  # documents whose scores are compared
STEPS = textiba.Degradation(steps=(0, 0.1, 0.3, 0.6, 1), orders=("morf", "lerf"))
METHODS = {
    "evidence": textiba.Evidence(),
    "bits": textiba.PerSampleBottleneck(),
    "lrp": textiba.LRP(),
    "saliency": textiba.Saliency(),
    "random": textiba.Random(),
}


def models(folder: str) -> dict[str, Model]:
    """The model that reads whole documents, with the mean and the maximum over windows; and that cuts them."""
    return {
        "windows, mean": textiba.load(folder, SIZE, windows=Windows(stride=STRIDE)),
        "windows, max": textiba.load(folder, SIZE, windows=Windows(stride=STRIDE, combine="max")),
        "first 256 tokens": textiba.load(folder, SIZE),
    }


def right(model: Model, texts: Sequence[Text]) -> Bool[np.ndarray, " texts"]:
    """Whether the predicted class of each text is its gold class."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", TruncationWarning)  # to cut is one of the three ways
        tokenized = model.tokenize(texts)
    places = {id(text): n for n, text in enumerate(tokenized)}
    found = np.zeros(len(texts), dtype=bool)
    for batch in model.batches(tokenized):
        predicted = model.logits(batch).argmax(dim=1).tolist()
        for text, label in zip(batch.texts, predicted, strict=True):
            found[places[id(text)]] = label == text.source.label
    return found


def by_place(found: Sequence[Attribution]) -> Float[np.ndarray, "texts parts"]:
    """The share of a document's positive scores in each of ten parts of equal length, from its beginning."""
    shares = []
    for attribution in found:
        positive = np.clip(content_scores(attribution), 0, None)
        shares.append([part.sum() / positive.sum() for part in np.array_split(positive, PARTS)])
    return np.array(shares)


def answer(folder: str, data: Path) -> dict[str, Any]:
    """Accuracy by the three ways of reading, the place of the evidence, and the degradation of whole documents."""
    texts = list(open_texts(str(data), "test"))
    known = textiba.load_statistics(folder)
    read = models(folder)
    correct = {name: right(model, texts) for name, model in read.items()}
    whole = read["windows, mean"]
    chosen = [text for text, hit in zip(texts, correct["windows, mean"], strict=True) if hit][:EXPLAINED]
    scores = {name: textiba.explain(whole, method, chosen, known) for name, method in METHODS.items()}
    areas = {name: textiba.lerf_morf_area(textiba.degrade(whole, found, STEPS)) for name, found in scores.items()}
    apart = {f"{name} − random": areas[name] - areas["random"] for name in METHODS if name != "random"}
    apart |= {"accuracy, windows − first 256 tokens": 1.0 * correct["windows, mean"] - correct["first 256 tokens"]}
    details: list[Any] = [a.details for a in scores["evidence"]]
    return {
        "documents": len(texts),
        "tokens": mean([float(len(a.text)) for a in scores["evidence"]]),
        "accuracy": {name: bootstrap(1.0 * hits) for name, hits in correct.items()},
        "evidence by tenth of the document": [mean(part.tolist()) for part in by_place(scores["evidence"]).T],
        "residual of the evidence, share of the sum of its sizes": mean(
            [
                abs(d.residual) / float(np.nansum(np.abs(a.scores)))
                for d, a in zip(details, scores["evidence"], strict=True)
            ]
        ),
        "area": {name: bootstrap(values) for name, values in areas.items()},
        "differences": tested(apart),
    }


def draw(result: dict[str, Any]) -> Any:
    """The place of the evidence, and the areas of the methods."""
    from matplotlib.figure import Figure

    made = Figure(figsize=(9.0, 3.2), layout="constrained")
    one, other = made.subplots(1, 2)
    panel(one, "Where the evidence for the genre lies", "tenth of the document", "share of the positive evidence")
    middle = np.array([part.mean for part in result["evidence by tenth of the document"]])
    spread = [[p.mean - p.low, p.high - p.mean] for p in result["evidence by tenth of the document"]]
    one.bar(range(1, PARTS + 1), middle, yerr=np.array(spread).T, color="#99c7c2", error_kw={"ecolor": "#475569"})
    one.axhline(1 / PARTS, color="#475569", lw=0.8, ls="--")
    panel(other, "Tokens deleted from the whole document", "area between LeRF and MoRF (95 %)", "")
    bars(other, result["area"])
    return made


def main(folder: str, data: Path, output: Path) -> dict[str, Any]:
    """Writes result.json and the figure."""
    result = answer(folder, data)
    save(draw(result), output / "whole_texts.png")
    (output / "result.json").write_text(json.dumps(plain(result), indent=1) + "\n", encoding="utf-8")
    return result


if __name__ == "__main__":
    found = main(sys.argv[1], Path(sys.argv[2]), HERE)
    for name, value in found["accuracy"].items():
        sys.stdout.write(f"accuracy, {name:20} {shown(value)}\n")
    for name, value in found["area"].items():
        sys.stdout.write(f"area, {name:10} {shown(value)}\n")
