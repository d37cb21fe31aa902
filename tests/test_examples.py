"""The rows that Trainer reads, of more training texts than are tokenized at a time."""

from pathlib import Path

import pytest
import toys

from textiba.checkpoints.load import load_base
from textiba.errors import TruncationWarning
from textiba.texts.text import Text
from textiba.training import examples as module
from textiba.training.recipe import Recipe

TEXTS = [Text(text, n % 2) for n, text in enumerate(toys.texts(7, seed=4, shortest=3, longest=12))]
LONG = sum(len(toys.tokenizer()(text.text)["input_ids"]) > 8 for text in TEXTS)


@pytest.mark.filterwarnings("ignore::textiba.errors.FreshHeadWarning")
def test_texts_are_tokenized_a_part_at_a_time_with_one_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    toys.classifier(labels=2).bert.save_pretrained(tmp_path)
    toys.tokenizer().save_pretrained(tmp_path)
    model, tokenizer, _ = load_base(str(tmp_path), labels=("a", "b"))
    recipe = Recipe(max_length=8)
    assert 1 < LONG < len(TEXTS)
    found = []
    for chunk in (len(TEXTS), 3):
        monkeypatch.setattr(module, "_CHUNK", chunk)
        with pytest.warns(TruncationWarning, match=f"^{LONG} of 7 training texts are longer than 8 tokens") as caught:
            rows, _ = module.examples(recipe, TEXTS, model.config, tokenizer)
        assert len(caught) == 1
        found.append(rows.to_list())
    whole, parts = found
    assert whole == parts
    assert [row["label"] for row in parts] == [text.label for text in TEXTS]
