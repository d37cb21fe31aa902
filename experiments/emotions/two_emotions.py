"""Do two emotions of one text rest on different words? `python -m experiments.emotions.two_emotions MODEL GO_EMOTIONS`.

MODEL is the folder that `textiba finetune experiments/emotions/finetune.yaml` made, and GO_EMOTIONS is the folder of
the data set. The numbers go to result.json, and the figures beside it.
"""

import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float
from scipy.stats import rankdata

import textiba
from experiments.emotions.bag_of_words import best_threshold, f1, hot
from experiments.study import bars, mean, plain, shown, tested
from textiba.attribution import Attribution, Attributions, word_scores
from textiba.model.outcomes import Label
from textiba.model.view import Model
from textiba.show.plots import panel, plot_highlight, save
from textiba.texts.columns import Named
from textiba.texts.sources import open_texts
from textiba.texts.text import Text

HERE = Path(__file__).parent
NEUTRAL = "neutral"
LEAST = 8  # words that a text must have
EXAMPLE = Text("Thank you so much, but I am still scared of the exam.")
ASKED = ("gratitude", "fear")
Words = Float[np.ndarray, " words"]


@dataclass(frozen=True)
class Case:
    """A text with two gold emotions, and the scores of its words, by method and emotion ("a" or "b")."""

    text: Text
    emotions: tuple[int, int]
    scores: dict[str, Attribution]


def cases(model: Model, texts: Sequence[Text], statistics: Any) -> list[Case]:
    """Explains each emotion of each text: evidence, LRP for the first emotion, and bits.

    Bits with one seed share their noise, which would make two emotions look alike. So the second emotion has another
    seed, and the first has both.

    Args:
        model: the multi-label model.
        texts: texts with two labels each, as indices.
        statistics: the model's feature statistics.
    """
    jobs: dict[str, tuple[int, Callable[[Model, list[Text]], Attributions]]] = {
        "evidence a": (0, lambda m, t: textiba.explain(m, textiba.Evidence(), t, statistics, target=1)),
        "evidence b": (1, lambda m, t: textiba.explain(m, textiba.Evidence(), t, statistics, target=1)),
        "lrp a": (0, lambda m, t: textiba.explain(m, textiba.LRP(), t, target=1)),
        "bits a": (0, lambda m, t: textiba.explain(m, textiba.PerSampleBottleneck(), t, statistics, target=1)),
        "bits a, seed 1": (
            0, lambda m, t: textiba.explain(m, textiba.PerSampleBottleneck(), t, statistics, target=1, seed=1),
        ),
        "bits b, seed 1": (
            1, lambda m, t: textiba.explain(m, textiba.PerSampleBottleneck(), t, statistics, target=1, seed=1),
        ),
    }  # fmt: skip
    pairs = [_pair(text) for text in texts]
    found: list[dict[str, Attribution]] = [{} for _ in texts]
    for label in sorted({emotion for pair in pairs for emotion in pair}):
        asked = model.asking(Label(label=label))
        for name, (side, explain) in jobs.items():
            places = [n for n, pair in enumerate(pairs) if pair[side] == label]
            if places:
                for place, attribution in zip(places, explain(asked, [texts[n] for n in places]), strict=True):
                    found[place][name] = attribution
    return [Case(text, pair, scores) for text, pair, scores in zip(texts, pairs, found, strict=True)]


def _pair(text: Text) -> tuple[int, int]:
    one, other = (int(label) for label in text.labels or ())
    return one, other


def correlation(one: Words, other: Words) -> float:
    """Spearman's correlation of two scores of the same words; 0 if all words of one score are equal."""
    ranks = [rankdata(scores) - (len(scores) + 1) / 2 for scores in (one, other)]
    size = np.linalg.norm(ranks[0]) * np.linalg.norm(ranks[1])
    return float(ranks[0] @ ranks[1] / size) if size else 0.0


def shared_top(one: Words, other: Words) -> float:
    """The share of the top quarter of the words by one score that is in the top quarter by the other, less chance."""
    count = top_count(len(one))
    tops = [set(np.argsort(-scores, kind="stable")[:count].tolist()) for scores in (one, other)]
    return len(tops[0] & tops[1]) / count - count / len(one)


def top_count(words: int) -> int:
    """A quarter of the words, at least one."""
    return max(1, round(words / 4))


PAIRS = {  # two scores of the same words that are compared
    "evidence, two emotions": ("evidence a", "evidence b"),
    "evidence and LRP, one emotion": ("evidence a", "lrp a"),
    "bits, two emotions": ("bits a", "bits b, seed 1"),
    "bits, one emotion, two seeds": ("bits a", "bits a, seed 1"),
}
MEASURES = {"correlation": correlation, "shared top words": shared_top}


def agreement(found: Sequence[Case]) -> dict[str, dict[str, Float[np.ndarray, " texts"]]]:
    """For each measure and each pair of scores, the agreement in each text."""
    scores = [{name: word_scores(a) for name, a in case.scores.items()} for case in found]
    return {
        name: {pair: np.array([measure(s[a], s[b]) for s in scores]) for pair, (a, b) in PAIRS.items()}
        for name, measure in MEASURES.items()
    }


def removal(model: Model, found: Sequence[Case]) -> dict[str, Float[np.ndarray, " texts"]]:
    """By how many nats of log-odds an emotion falls if the top quarter of the words by its evidence is deleted.

    Each emotion of a text is treated in turn, and the two are averaged. "other" is the fall of the other emotion after
    the same deletion; "random" is the fall of the emotion itself after as many random words, mean of five draws.
    """
    falls: dict[str, list[float]] = {"own": [], "other": [], "random": []}
    for number, case in enumerate(found):
        generator = np.random.default_rng(number)
        text = case.scores["evidence a"].text
        count = top_count(len(text.words))
        chosen = [np.argsort(-word_scores(case.scores[f"evidence {side}"]), kind="stable")[:count] for side in "ab"]
        chosen += [generator.choice(len(text.words), count, replace=False) for _ in range(5)]
        variants = [text.drop([i for word in words for i in text.words[word]]) for words in chosen]
        logits = model.logits(model.collate([text, *variants])).cpu().numpy()
        fall = logits[0] - logits[1:]
        one, other = case.emotions
        falls["own"].append((fall[0, one] + fall[1, other]) / 2)
        falls["other"].append((fall[0, other] + fall[1, one]) / 2)
        falls["random"].append(float(fall[2:, [one, other]].mean()))
    return {name: np.array(values) for name, values in falls.items()}


def scores_at_thresholds(model: Model, data: Path) -> dict[str, Any]:
    """F1 on the test texts, at log-odds of 0 and at the threshold with the best micro F1 on the validation texts."""

    def of(part: str) -> tuple[Any, Any]:
        texts = list(open_texts(str(data / f"{part}.parquet"), named=Named(gold="labels")))
        tokenized = model.tokenize(texts)
        places = {id(text): n for n, text in enumerate(tokenized)}
        odds = np.zeros((len(texts), model.n_labels))
        for batch in model.batches(tokenized):
            odds[[places[id(text)] for text in batch.texts]] = model.logits(batch).cpu().numpy()
        return hot([[int(label) for label in text.source.labels or ()] for text in tokenized], model.n_labels), odds

    threshold = best_threshold(*of("validation"))
    gold, odds = of("test")
    return {
        "at 0": f1(gold, odds, 0.0), "threshold": threshold, "at the threshold": f1(gold, odds, threshold),
    }  # fmt: skip


def two_emotion_texts(model: Model, data: str, limit: int) -> list[Text]:
    """The first test texts with two gold emotions, neither of them neutral, and at least `LEAST` words."""
    neutral = model.labels.index(NEUTRAL) if NEUTRAL in model.labels else -1
    found = [
        text
        for text in open_texts(data, "test", named=Named(gold="labels"))
        if len(text.labels or ()) == 2 and neutral not in (text.labels or ()) and len(text.text.split()) >= LEAST
    ]
    return found[:limit]


def answer(model: Model, statistics: Any, data: Path, output: Path, limit: int = 200) -> dict[str, Any]:
    """Runs the experiment, and writes the figures and result.json to `output`."""
    found = cases(model, two_emotion_texts(model, str(data), limit), statistics)
    alike, falls = agreement(found), removal(model, found)
    result: dict[str, Any] = {
        "texts": len(found),
        "f1": scores_at_thresholds(model, data),
        "agreement": {name: {pair: mean(v.tolist()) for pair, v in of.items()} for name, of in alike.items()},
        "one emotion less two emotions": tested(
            {
                f"{name}, {method}": alike[name][one] - alike[name][two]
                for name in MEASURES
                for method, one, two in (
                    ("evidence", "evidence and LRP, one emotion", "evidence, two emotions"),
                    ("bits", "bits, one emotion, two seeds", "bits, two emotions"),
                )
            }
        ),
        "fall": {name: mean(values.tolist()) for name, values in falls.items()},
        "fall of the own emotion less": tested({name: falls["own"] - falls[name] for name in ("other", "random")}),
    }
    save(figure(result), output / "two_emotions.png")
    (output / "result.json").write_text(json.dumps(plain(result), indent=1) + "\n", encoding="utf-8")
    return result


def figure(result: dict[str, Any]) -> Any:
    """The agreement of two scores, and the fall of the log-odds after words were deleted."""
    from matplotlib.figure import Figure

    made = Figure(figsize=(10, 3.2), facecolor="white", layout="constrained")
    axes = made.subplots(1, 2)
    panel(axes[0], "Do two scores agree on the words?", "Spearman's correlation, mean over texts (95 %)", "")
    bars(axes[0], result["agreement"]["correlation"])
    panel(axes[1], "Deleting the top quarter of the words", "fall of the log-odds, nats (95 %)", "")
    names = {"own": "the emotion explained", "other": "the text's other emotion", "random": "as many random words"}
    bars(axes[1], {names[name]: value for name, value in result["fall"].items()})
    return made


def example(model: Model, statistics: Any, output: Path) -> None:
    """Draws one text of our own under two questions."""
    asked = [textiba.explain(model.asking(Label(label=n)), textiba.Evidence(), [EXAMPLE], statistics, 1) for n in ASKED]
    save(plot_highlight([one for [one] in asked], titles=list(ASKED), columns=2), output / "example.png")


if __name__ == "__main__":
    loaded, known = textiba.load(sys.argv[1]), textiba.load_statistics(sys.argv[1])
    example(loaded, known, HERE)
    for row, value in answer(loaded, known, Path(sys.argv[2]), HERE)["agreement"]["correlation"].items():
        sys.stdout.write(f"{row:32} {shown(value)}\n")
