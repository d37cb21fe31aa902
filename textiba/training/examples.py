"""Turns training texts into the rows that Trainer reads: token ids, and the gold answer in the form of the task."""

import copy
import warnings
from collections.abc import Sequence
from typing import Any

from textiba.errors import InputError, TruncationWarning
from textiba.texts.golds import tagged_words
from textiba.texts.text import Text
from textiba.texts.tokenizing import padding_id, tokenize
from textiba.texts.tokens import TokenizedText
from textiba.texts.values import shown
from textiba.texts.windows import window_places
from textiba.training.recipe import Recipe

_CHUNK = 1000  # texts that are tokenized at a time
_NO_LOSS = -100  # the tag of a token that PyTorch's cross-entropy leaves out


def examples(recipe: Recipe, texts: Sequence[Text], config: Any, tokenizer: Any) -> tuple[Any, Any]:
    """Returns a `datasets.Dataset` of token ids and gold answers, and the collator that pads its rows to batches.

    Args:
        recipe: the settings.
        texts: training texts, with labels (or tags) as indices of the classes.
        config: the config of the Hugging Face model.
        tokenizer: its tokenizer.

    Raises:
        InputError: a text has no gold answer, or some texts are pairs and some are not.

    Warns:
        TruncationWarning: texts were cut.
    """
    from datasets import Dataset, concatenate_datasets
    from transformers import DataCollatorForTokenClassification, DataCollatorWithPadding

    if any(gold(text, recipe.task) is None for text in texts):
        raise InputError("fine-tuning needs a label (or a value) for every text; some have none")
    check_pairs(texts)
    count = len(config.id2label)
    parts: list[Any] = []  # as Arrow tables, which take a tenth of the memory of Python's lists
    cuts = 0
    for start in range(0, len(texts), _CHUNK):
        tokenized = _tokenized(texts[start : start + _CHUNK], recipe, tokenizer, start)
        cuts += sum(text.cut > 0 for text in tokenized)
        parts.append(Dataset.from_list([row for text in tokenized for row in _rows_of(text, recipe, count)]))
    rows = concatenate_datasets(parts)
    if cuts:
        warnings.warn(
            f"{cuts} of {len(texts)} training texts are longer than {recipe.max_length} tokens and were cut; set "
            "windows or a larger max_length",
            TruncationWarning,
            stacklevel=2,
        )
    padded = _padding(tokenizer, config)
    if recipe.task == "tags":
        return rows, DataCollatorForTokenClassification(padded, label_pad_token_id=_NO_LOSS)
    return rows, DataCollatorWithPadding(padded)


def _tokenized(texts: Sequence[Text], recipe: Recipe, tokenizer: Any, start: int) -> list[TokenizedText]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", TruncationWarning)  # one warning is for all texts
        return tokenize(texts, tokenizer, recipe.max_length if recipe.windows is None else None, start)


def _rows_of(text: TokenizedText, recipe: Recipe, count: int) -> list[dict[str, Any]]:
    """Returns a row for each window of a text, or one row; `count` is the number of the model's labels."""
    answer = gold(text.source, recipe.task)
    tags = token_tags(text) if recipe.task == "tags" else []
    rows = []
    for own in _places_of(text, recipe):
        window = text.take(own)
        row: dict[str, Any] = {"input_ids": list(window.ids), "attention_mask": [1] * len(window)}
        row |= {"token_type_ids": list(window.type_ids)} if window.type_ids else {}
        if recipe.task == "tags":
            row["labels"] = [tags[i] for i in own]
        else:
            row["label"] = _hot(answer, count) if recipe.task == "labels" else answer
        rows.append(row)
    return rows


def check_windows(recipe: Recipe, texts: Sequence[Text], tokenizer: Any) -> None:
    """Raises `InputError` if a text that the recipe reads in windows has no room for them.

    Args:
        recipe: the settings.
        texts: test texts, which are read only after the training.
        tokenizer: the tokenizer of the model.
    """
    if recipe.windows is not None:
        for text in tokenize(texts, tokenizer, None):
            _places_of(text, recipe)


def _places_of(text: TokenizedText, recipe: Recipe) -> list[tuple[int, ...]]:
    """Returns the positions of the tokens of each window of a text; without windows, those of all its tokens."""
    if recipe.windows is None:
        return [tuple(range(len(text)))]
    where = text.source.id or f"the text {shown(text.source.text)}"
    return window_places(text, recipe.max_length, recipe.windows.stride, where)


def gold(text: Text, task: str) -> Any:
    """The gold answer of a text for a task of `Recipe.task`; None if it is unknown."""
    return {"classes": text.label, "value": text.value, "labels": text.labels, "tags": text.tags}[task]


def token_tags(text: TokenizedText) -> list[int]:
    """Returns the gold tag at the first token of each tagged word.

    All other tokens have the tag -100, which the loss leaves out. `Tag` reads a word's tag at the same token.

    Args:
        text: a tokenized text with tags as indices of the classes.
    """
    found = [_NO_LOSS] * len(text)
    words = text.words
    for word, tag in zip(tagged_words(text), text.source.tags or (), strict=True):
        if word is not None:
            found[words[word][0]] = int(tag)
    return found


def check_pairs(texts: Sequence[Text]) -> None:
    """Raises `InputError` if some texts are pairs, and some are not."""
    pairs = sum(text.pair is not None for text in texts)
    if 0 < pairs < len(texts):
        raise InputError(f"fine-tuning takes single texts or pairs; {pairs} of {len(texts)} training texts are pairs")


def _hot(labels: Sequence[int], count: int) -> list[float]:
    """Returns 1.0 for each label that holds, and 0.0 for the others, as the loss of a multi-label model takes them."""
    return [float(index in labels) for index in range(count)]


def _padding(tokenizer: Any, config: Any) -> Any:
    """The tokenizer, or a copy with a padding token if the tokenizer has none; attention masks hide padding."""
    if tokenizer.pad_token_id is not None:
        return tokenizer
    padded = copy.deepcopy(tokenizer)
    padded.pad_token = tokenizer.convert_ids_to_tokens(padding_id(tokenizer, config))
    return padded
