"""Occlusion against one pass of the plain model for every token."""

from typing import Any

import numpy as np
import pytest
import torch
import toys

from textiba.attribution import content_scores
from textiba.errors import SettingError
from textiba.methods import Occlusion

MODEL = toys.model()
TEXTS = toys.texts(4, seed=31)


@pytest.mark.parametrize(
    ("removal", "output", "target"),
    [("delete", "log_probability", None), ("mask", "probability", None), ("delete", "logit", 1)],
)
def test_equals_one_pass_for_each_token(removal: Any, output: Any, target: int | None):
    bert, mask = toys.classifier(double=True).eval(), toys.VOCABULARY.index("[MASK]")

    def plain(ids: list[int], target: int) -> float:
        with torch.no_grad():
            [logits] = bert(torch.tensor([ids])).logits
        values = {"log_probability": logits.log_softmax(0), "probability": logits.softmax(0), "logit": logits}
        return values[output][target].item()

    method = Occlusion(output=output, removal=removal)
    for a in toys.attribute(toys.model(double=True), method, TEXTS, target):
        ids = list(a.text.ids)
        whole = plain(ids, a.target)
        for i in a.text.content:
            without = ids[:i] + ([mask] if removal == "mask" else []) + ids[i + 1 :]
            assert a.scores[i] == pytest.approx(whole - plain(without, a.target), rel=1e-5, abs=1e-7)


def test_it_finds_the_word_that_decides(planted: toys.Trained):
    model, _ = planted
    for text, place in toys.planted_cases(10, seed=3):
        [a] = toys.attribute(model, Occlusion(), [text])
        assert int(np.argmax(content_scores(a))) == place


def test_a_text_of_one_token():
    [a] = toys.attribute(MODEL, Occlusion(), ["film"])
    assert content_scores(a).shape == (1,)


def test_masking_needs_a_mask_token(monkeypatch: pytest.MonkeyPatch):
    toys.without_token(monkeypatch, MODEL, "mask")
    assert len(toys.attribute(MODEL, Occlusion(removal="delete"), TEXTS)) == len(TEXTS)
    with pytest.raises(SettingError, match="removal='mask' needs a tokenizer with a mask token; use removal='delete'"):
        toys.attribute(MODEL, Occlusion(removal="mask"), TEXTS)


def test_settings_out_of_range():
    with pytest.raises(SettingError, match=r"output: .*'log_odds' or 'probability'; got 'loss'"):
        Occlusion(output="loss")  # type: ignore[arg-type]
