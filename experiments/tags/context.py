"""Why is this a person? The name, or its context: `python -m experiments.tags.context MODEL WNUT_17`.

MODEL is the folder that `textiba finetune experiments/tags/finetune.yaml` made, and WNUT_17 is the folder of the data
set. The numbers go to result.json, and the figures beside it.
"""

import json
import sys
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

import textiba
from experiments.study import bars, mean, plain, shown, tested
from textiba.attribution import word_scores
from textiba.methods import Method
from textiba.model.places import Tag
from textiba.model.view import Model
from textiba.show.plots import panel, plot_highlight, save
from textiba.texts.columns import Named
from textiba.texts.golds import tagged_words, token_spans
from textiba.texts.labels import resolve_labels
from textiba.texts.sources import open_texts
from textiba.texts.text import Text
from textiba.texts.tokens import TokenizedText
from textiba.training.measures import tag_sequences

HERE = Path(__file__).parent
METHODS: dict[str, Method] = {
    "evidence": textiba.Evidence(), "bits": textiba.PerSampleBottleneck(), "lrp": textiba.LRP(),
}  # fmt: skip
REMOVED = 2  # context words that are deleted
LEAST = 6  # context words that a text must have
EXAMPLE, WORD = "Yesterday I had a long talk with Maria from Lisbon about her new book", 7
Values = Float[np.ndarray, " entities"]


@dataclass(frozen=True)
class Entity:
    """A gold entity whose first word the model tags rightly.

    Attributes:
        text: its text.
        word: the number of its first word.
        own: the numbers of all its words; the other words of the text are its context.
        tag: the index of its first tag.
    """

    text: Text
    word: int
    own: frozenset[int]
    tag: int


def entities(model: Model, texts: Sequence[Text], limit: int) -> list[Entity]:
    """The first entities whose first tag the model predicts, in texts with enough context."""
    gold, predicted = tag_sequences(model, texts)
    found: list[Entity] = []
    for text, tokenized, tags, guessed in zip(texts, model.tokenize(texts), gold, predicted, strict=True):
        starts = tagged_words(tokenized)
        for place, (tag, guess) in enumerate(zip(tags, guessed, strict=True)):
            word = starts[place]
            if not tag.startswith("B-") or tag != guess or word is None:
                continue
            own = _words_within(tokenized, place, _end(tags, place))
            if len(tokenized.words) - len(own) >= LEAST:
                found.append(Entity(text, word, own, model.labels.index(tag)))
    return found[:limit]


def _end(tags: Sequence[str], place: int) -> int:
    """The number of the last token of the entity that begins at `place`."""
    inside = "I-" + tags[place].removeprefix("B-")
    while place + 1 < len(tags) and tags[place + 1] == inside:
        place += 1
    return place


def _words_within(text: TokenizedText, first: int, last: int) -> frozenset[int]:
    """The numbers of the words within the tokens `first` to `last`."""
    spans = token_spans(text.source.text)
    begin, end = spans[first][0], spans[last][1]
    return frozenset(n for n, word in enumerate(text.words) if begin <= text.offsets[word[0]][0] < end)


def measured(model: Model, found: Sequence[Entity], statistics: Any, seed: int = 0) -> list[dict[str, Any]]:
    """For each entity, the share of the scores on its own words, and what deleting words of its context does."""
    by_word: dict[int, list[int]] = defaultdict(list)
    for number, entity in enumerate(found):
        by_word[entity.word].append(number)
    rows: list[dict[str, Any]] = [{} for _ in found]
    for word, numbers in by_word.items():
        asked = model.asking(Tag(word=word))
        texts = [found[n].text for n in numbers]
        scores = {
            name: textiba.explain(asked, method, texts, statistics if method.needs_statistics else None)
            for name, method in METHODS.items()
        }
        for place, number in enumerate(numbers):
            each = {name: word_scores(of[place]) for name, of in scores.items()}
            rows[number] = _row(asked, scores["evidence"][place].text, found[number], each, seed + number)
    return rows


def _row(
    model: Model, text: TokenizedText, entity: Entity, scores: dict[str, Float[np.ndarray, " words"]], seed: int
) -> dict[str, Any]:
    words = range(len(text.words))
    context = [n for n in words if n not in entity.own]
    sizes = {name: np.abs(values) for name, values in scores.items()}
    row: dict[str, Any] = {
        "type": model.labels[entity.tag].removeprefix("B-"),
        "share": {name: float(s[list(entity.own)].sum() / s.sum()) for name, s in sizes.items()},
        "words": len(entity.own) / len(text.words),
    }
    generator = np.random.default_rng(seed)
    removed = {name: [sorted(context, key=lambda n: -s[n])[:REMOVED]] for name, s in scores.items()}
    removed["nearest"] = [sorted(context, key=lambda n: min(abs(n - own) for own in entity.own))[:REMOVED]]
    removed["random"] = [generator.choice(context, REMOVED, replace=False).tolist() for _ in range(10)]
    removed["all context"] = [context]
    cases = [("whole", text)]
    cases += [(name, _without(model, text, gone, "delete")) for name, of in removed.items() for gone in of]
    cases += [("the entity, masked", _without(model, text, list(entity.own), "mask"))]
    log_p: dict[str, list[float]] = defaultdict(list)
    kept: dict[str, list[float]] = defaultdict(list)
    logits = model.logits(model.collate([variant for _, variant in cases]))
    for (name, _), values, best in zip(cases, logits.log_softmax(dim=1), logits.argmax(dim=1).tolist(), strict=True):
        log_p[name].append(float(values[entity.tag]))
        kept[name].append(float(best == entity.tag))
    row["flipped"] = {name: 1 - float(np.mean(values)) for name, values in kept.items()}
    row["fall"] = {name: log_p["whole"][0] - float(np.mean(values)) for name, values in log_p.items()}
    return row


def _without(model: Model, text: TokenizedText, words: Sequence[int], removal: str) -> TokenizedText:
    return model.without(text, [i for word in words for i in text.words[word]], removal)


def summary(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Means over entities, and the paired differences with Holm's correction."""

    def column(kind: str, name: str) -> Values:
        return np.array([row[kind][name] for row in rows])

    names = [name for name in rows[0]["flipped"] if name != "whole"]
    compared = {f"{name} less {other}": (name, other) for name in METHODS for other in ("random", "nearest")}
    return {
        "entities": len(rows),
        "share on the entity": {name: mean(column("share", name).tolist()) for name in METHODS},
        "share of the words": mean(row["words"] for row in rows),
        "flipped": {name: mean(column("flipped", name).tolist()) for name in names},
        "fall": {name: mean(column("fall", name).tolist()) for name in names},
        "more flips": tested({n: column("flipped", a) - column("flipped", b) for n, (a, b) in compared.items()}),
        "larger falls": tested({n: column("fall", a) - column("fall", b) for n, (a, b) in compared.items()}),
    }


def answer(model: Model, statistics: Any, data: str, output: Path, limit: int = 200) -> dict[str, Any]:
    """Runs the experiment, and writes the figure and result.json to `output`."""
    texts = list(resolve_labels(open_texts(data, "test", named=Named(gold="tags")), model.labels))
    rows = measured(model, entities(model, texts, limit), statistics)
    kinds = sorted({row["type"] for row in rows})
    result = {"all": summary(rows), "by type": {}}
    for kind in kinds:
        of = [row for row in rows if row["type"] == kind]
        result["by type"][kind] = {
            "entities": len(of),
            "share on the entity": mean(row["share"]["evidence"] for row in of),
            "share of the words": mean(row["words"] for row in of),
        }
    save(figure(result["all"]), output / "context.png")
    (output / "result.json").write_text(json.dumps(plain(result), indent=1) + "\n", encoding="utf-8")
    return result


def figure(result: dict[str, Any]) -> Any:
    """The share of the scores on the entity itself, and how often deleting words of the context flips the tag."""
    from matplotlib.figure import Figure

    made = Figure(figsize=(10, 3.2), facecolor="white", layout="constrained")
    axes = made.subplots(1, 2)
    panel(axes[0], "How much lies on the entity itself?", "share of the sum of |scores|, mean over entities (95 %)", "")
    bars(axes[0], result["share on the entity"] | {"share of the words": result["share of the words"]})
    panel(axes[1], f"Deleting {REMOVED} words of the context", "share of the entities whose tag flips (95 %)", "")
    names = {f"top by {name}": name for name in METHODS} | {"nearest words": "nearest", "random words": "random"}
    bars(axes[1], {shown_as: result["flipped"][name] for shown_as, name in names.items()})
    return made


def example(model: Model, statistics: Any, output: Path) -> None:
    """Draws the evidence for the tag of a name in a sentence of our own."""
    [one] = textiba.explain(model.asking(Tag(word=WORD)), textiba.Evidence(), [EXAMPLE], statistics)
    title = f"the tag of Maria: {model.labels[one.target]}"
    save(plot_highlight([one], titles=[title]), output / "example.png")


if __name__ == "__main__":
    loaded, known = textiba.load(sys.argv[1], outcome=Tag(word=0)), textiba.load_statistics(sys.argv[1])
    example(loaded, known, HERE)
    for row, value in answer(loaded, known, sys.argv[2], HERE)["all"]["flipped"].items():
        sys.stdout.write(f"{row:20} {shown(value)}\n")
