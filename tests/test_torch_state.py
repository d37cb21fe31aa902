"""The caller's global state of torch: results do not depend on it, and it comes back as it was."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import families
import numpy as np
import pytest
import torch
import toys
from transformers import AutoModel

import textiba
from textiba.methods import Method
from textiba.model.outcomes import Similarity
from textiba.model.torch_state import own_torch_state
from textiba.model.view import Model

METHODS = (
    textiba.InputXGradient(), textiba.PerSampleBottleneck(steps=5), textiba.Evidence(nodes=2), textiba.LRP(),
    textiba.IntegratedGradients(steps=3), textiba.Occlusion(),
)  # fmt: skip
TEXTS = toys.texts(3, seed=5)


@contextmanager
def default_dtype(dtype: torch.dtype) -> Iterator[None]:
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(torch.float32)


STATES: dict[str, Callable[[], AbstractContextManager[object]]] = {
    "no_grad": torch.no_grad,
    "inference_mode": torch.inference_mode,
    "autocast": lambda: torch.autocast("cpu", torch.bfloat16),
    "float64": lambda: default_dtype(torch.float64),
    "another device": lambda: torch.device("meta"),
}


def scores(method: Method, model: Model) -> list[np.ndarray]:
    given = toys.statistics(model) if method.needs_statistics else None
    return [a.scores for a in textiba.explain(model, method, TEXTS, given)]


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.name)
def test_scores_do_not_depend_on_the_caller_s_state(method: Method, state: str):
    classifier = toys.classifier()
    expected = scores(method, Model(classifier, toys.tokenizer()))
    with STATES[state]():
        found = scores(method, Model(classifier, toys.tokenizer()))
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("state", STATES)
def test_the_other_text_of_a_similarity_does_not_depend_on_the_caller_s_state(state: str):
    encoder = families.tiny("bert", made_by=AutoModel)
    model = Model(encoder, families.tokenizer(), outcome=Similarity(to="w5 w6"))
    with STATES[state]():
        made = Model(encoder, families.tokenizer(), outcome=Similarity(to="w5 w6"))
        asked = model.asking(Similarity(to="w5 w6"))
    expected, *found = (textiba.explain(m, textiba.Saliency(), ["w7 w8"])[0].scores for m in (model, made, asked))
    for scores_found in found:
        np.testing.assert_allclose(scores_found, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.name)
def test_weights_that_were_loaded_in_inference_mode_can_be_explained(method: Method):
    expected = scores(method, Model(toys.classifier(), toys.tokenizer()))
    with torch.inference_mode():
        classifier = toys.classifier()
    for a, b in zip(scores(method, Model(classifier, toys.tokenizer())), expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("state", STATES)
def test_the_caller_s_state_returns_also_after_an_error(state: str):
    def now() -> tuple[object, ...]:
        return (
            torch.is_grad_enabled(), torch.is_inference_mode_enabled(), torch.is_autocast_enabled("cpu"),
            torch.get_default_dtype(), torch.get_default_device(),
        )  # fmt: skip

    with STATES[state]():
        before = now()
        with own_torch_state():
            assert now() == (True, False, False, torch.float32, torch.device("cpu"))
        assert now() == before
        with pytest.raises(KeyError):
            own_torch_state()(dict.__getitem__)({}, 1)
        assert now() == before
