"""Measures a checkpoint on test texts: accuracy, correlations, the F1 of labels, and the F1 of named entities."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain
from typing import Any

import numpy as np

from textiba.errors import missing_extra
from textiba.model.places import Tag
from textiba.model.view import Model
from textiba.model.windows import pieces
from textiba.runs.sweep import Progress
from textiba.texts.batches import Batch
from textiba.texts.golds import tagged_words
from textiba.texts.labels import class_index
from textiba.texts.text import Text
from textiba.texts.tokens import TokenizedText

Measures = dict[str, float]
_MEANS = ("micro", "macro")
_OUTSIDE = "O"  # the tag of a token outside of all entities


def accuracy(model: Model, texts: Sequence[Text], progress: Progress = lambda *_: None) -> Measures:
    """The share of texts whose predicted class is the gold class, as "test_accuracy".

    Args:
        model: the model.
        texts: texts with labels as indices of the classes.
        progress: called after every batch.
    """
    tokenized = model.tokenize(texts)
    right = 0
    for batch in counted(model.batches(tokenized), "test texts", len(tokenized), progress):
        predicted = model.logits(batch).argmax(dim=1).tolist()
        right += sum(p == text.source.label for p, text in zip(predicted, batch.texts, strict=True))
    return {"test_accuracy": right / len(tokenized)}


def correlations(model: Model, texts: Sequence[Text], progress: Progress = lambda *_: None) -> Measures:
    """Pearson's and Spearman's correlation of predicted and gold values, as "test_pearson" and "test_spearman".

    Args:
        model: a model that is asked whether its value is above 0, so that its log-odds are the value.
        texts: texts with values.
        progress: called after every batch.
    """
    from scipy import stats

    tokenized = model.tokenize(texts)
    pairs: list[tuple[float, float]] = []
    for batch in counted(model.batches(tokenized), "test texts", len(tokenized), progress):
        predicted = model.logits(batch)[:, 1].tolist()
        pairs += [(p, float(text.source.value or 0)) for p, text in zip(predicted, batch.texts, strict=True)]
    predicted, gold = np.asarray(pairs).T
    measures: dict[str, Any] = {"test_pearson": stats.pearsonr, "test_spearman": stats.spearmanr}
    return {name: float(measure(predicted, gold)[0]) for name, measure in measures.items()}


def label_f1(model: Model, texts: Sequence[Text], progress: Progress = lambda *_: None) -> Measures:
    """F1 of a multi-label model, as "test_f1_micro" (all labels together) and "test_f1_macro" (the labels' mean).

    A label is predicted if its log-odds are above 0. A label that is neither predicted nor gold has an F1 of 0.

    Args:
        model: a model that is asked which labels hold.
        texts: texts with `labels` as indices of the model's labels.
        progress: called after every batch.

    Raises:
        MissingExtraError: scikit-learn is not installed.
    """
    try:
        from sklearn.metrics import f1_score
    except ImportError as error:
        raise missing_extra("scikit-learn", "finetune") from error
    tokenized = model.tokenize(texts)
    gold = np.zeros((len(tokenized), model.n_labels), dtype=bool)
    predicted = np.zeros_like(gold)
    row = 0
    for batch in counted(model.batches(tokenized), "test texts", len(tokenized), progress):
        held = (model.logits(batch) > 0).cpu().numpy()
        for text, holds in zip(batch.texts, held, strict=True):
            gold[row, [int(label) for label in text.source.labels or ()]] = True
            predicted[row] = holds
            row += 1
    score: Any = f1_score  # scikit-learn's types leave out that zero_division may be a number
    return {f"test_f1_{mean}": float(score(gold, predicted, average=mean, zero_division=0)) for mean in _MEANS}


def tag_measures(model: Model, texts: Sequence[Text], progress: Progress = lambda *_: None) -> Measures:
    """The share of tokens with the gold tag, as "test_tag_accuracy", and the F1 of entities, as "test_entity_f1".

    An entity counts as found if its beginning, its end and its type are right (seqeval; Tjong Kim Sang and De Meulder,
    CoNLL 2003). Without tags that begin with "B-" there are no entities, and only the accuracy is returned.

    Args:
        model: a token classifier that is asked for the tag of a word, of any word.
        texts: texts with tags.
        progress: called after every batch.

    Raises:
        MissingExtraError: seqeval is not installed.
    """
    gold, predicted = tag_sequences(model, texts, progress)
    pairs = [(g, p) for gs, ps in zip(gold, predicted, strict=True) for g, p in zip(gs, ps, strict=True)]
    found = {"test_tag_accuracy": sum(g == p for g, p in pairs) / len(pairs)}
    if not any(name.startswith("B-") for name in model.labels):
        return found
    try:
        from seqeval.metrics import f1_score
    except ImportError as error:
        raise missing_extra("seqeval", "finetune") from error
    score: Any = f1_score  # see label_f1
    return found | {"test_entity_f1": float(score(gold, predicted, zero_division=0))}


def tag_sequences(
    model: Model, texts: Sequence[Text], progress: Progress = lambda *_: None
) -> tuple[list[list[str]], list[list[str]]]:
    """The gold and the predicted tag of every token of each text, as names, in the order of the texts.

    A token that the model cannot tag, because the text was cut before it, counts as tagged "O".

    Args:
        model: see `tag_measures`.
        texts: texts with tags.
        progress: called after every batch.
    """
    labels = model.labels
    tokenized = model.tokenize(texts)
    found: dict[int, list[str]] = {}
    place = {id(text): n for n, text in enumerate(tokenized)}
    for batch in counted(model.batches(tokenized), "test texts", len(tokenized), progress):
        for text, tags in zip(batch.texts, _tags_of(model, batch), strict=True):
            words = tagged_words(text)
            found[place[id(text)]] = [_OUTSIDE if word is None else labels[tags[word]] for word in words]
    gold = [[labels[class_index(tag, labels)] for tag in text.tags or ()] for text in texts]
    return gold, [found[n] for n in range(len(tokenized))]


def _tags_of(model: Model, batch: Batch) -> list[dict[int, int]]:
    """For each text, the most probable tag of every word, by the number of the word.

    The tag is read where `Tag` reads it: at the word's first token, in the window that has most tokens on both sides of
    the word.
    """
    import torch

    with torch.no_grad():
        found = (model.module(**model.inputs(part)).logits.argmax(dim=2).tolist() for part, _ in pieces(batch))
        rows = chain.from_iterable(list(found))
    return [_central_tags([(window, next(rows)) for window in windows]) for windows in batch.windows]


def _central_tags(windows: Sequence[tuple[TokenizedText, Sequence[int]]]) -> dict[int, int]:
    """The tag of every word of a text, from the tag of every token in each window."""
    margins: dict[int, int] = {}
    found: dict[int, int] = {}
    for window, tags in windows:
        for own in window.words:
            word = window.word_ids[own[0]]
            margin = min(own[0], len(window) - 1 - own[-1])
            if word is not None and margin > margins.get(word, -1):
                margins[word], found[word] = margin, tags[own[0]]
    return found


def counted(batches: Iterable[Batch], task: str, total: int, progress: Progress) -> Iterator[Batch]:
    """Yields the batches; calls `progress` each time that the next batch is requested."""
    done = 0
    for batch in batches:
        progress(task, done, total)
        yield batch
        done += len(batch.texts)
    progress(task, done, total)


MEASURES: dict[str, Callable[[Model, Sequence[Text], Progress], Measures]] = {
    "classes": accuracy, "value": correlations, "labels": label_f1, "tags": tag_measures,
}  # fmt: skip


def asked(task: str) -> Tag | None:
    """The outcome with which a checkpoint of a task is measured; None for the outcome of its head."""
    return Tag(word=0) if task == "tags" else None
