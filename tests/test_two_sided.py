"""Two-sided relevance: initial scores, gates, one step by hand, and a planted word that it must find."""

import numpy as np
import pytest
import torch
import toys

from textiba.attribution import content_scores
from textiba.errors import SettingError
from textiba.methods import TwoSided
from textiba.methods.two_sided import start_methods, top_gates

MODEL = toys.model()
TEXTS = toys.texts(3, seed=60, shortest=6)


def test_without_a_step_it_is_the_scaled_sum_of_the_initial_scores():
    parts = [toys.attribute(MODEL, method, TEXTS) for method in start_methods(3)]
    for i, a in enumerate(toys.attribute(MODEL, TwoSided(steps=0), TEXTS)):
        scores = [content_scores(part[i]) for part in parts]
        total = np.sum([s / np.abs(s).sum() for s in scores], axis=0)
        assert content_scores(a) == pytest.approx(total / total.std(), rel=1e-3, abs=1e-4)
        assert a.layer == 1


def test_gates_open_for_the_top_share():
    scores = torch.tensor([[9.0, 3.0, 1.0, 2.0, 0.0, 9.0, 9.0]])
    content = torch.tensor([[False, True, True, True, True, False, False]])
    gate = top_gates(scores, content, 0.5, temperature=0.5)[0, :, 0]
    expected = torch.sigmoid((scores[0] - 2.0) / 0.5)  # the second highest of the four that count
    assert torch.allclose(gate, expected)
    assert top_gates(scores, content, 0.01, temperature=1.0)[0, 1, 0] == 0.5, "one token at least"


def test_a_step_is_adam_s_on_the_objective_written_out():
    method = TwoSided(steps=1, shares=(0.4,), learning_rate=0.2)
    [text] = MODEL.tokenize(TEXTS[:1])
    forward = MODEL.forward(MODEL.collate([text]))
    [before], [after] = (toys.attribute(MODEL, m, TEXTS[:1]) for m in (TwoSided(steps=0), method))
    content = list(text.content)
    mean, _ = toys.statistics(MODEL).at(1, forward.hidden_states[1])
    target = int(forward.logits.argmax())

    def objective(scores: torch.Tensor) -> torch.Tensor:
        count = max(1, round(0.4 * len(content)))
        gate = torch.sigmoid(scores - scores.sort(descending=True).values[count - 1].detach())
        total = torch.zeros(())
        for sign, open_ in ((1, gate), (-1, 1 - gate)):
            state = forward.hidden_states[1][0].clone()
            state[content] = open_[:, None] * state[content] + (1 - open_[:, None]) * mean
            logits = toys.with_state(MODEL.module, text, 1, state)
            total = total + sign * logits.softmax(dim=1)[0, target]
        return total

    scores = torch.tensor(content_scores(before), requires_grad=True)
    (gradient,) = torch.autograd.grad(objective(scores), scores)
    expected = scores.detach() + 0.2 * gradient / (gradient.abs() + 1e-8)  # Adam's first step
    assert content_scores(after) == pytest.approx(expected.numpy(), abs=1e-3)


def test_a_text_of_one_token():
    [a] = toys.attribute(MODEL, TwoSided(), ["film"])
    assert np.isfinite(content_scores(a)).all()


def test_it_finds_the_planted_word(planted: toys.Trained):
    model, statistics = planted
    hits = 0
    for text, place in toys.planted_cases(20, seed=70):
        forward = toys.forward(model, [text])
        [a] = TwoSided().attribute(model, forward, model.predict(forward), statistics)
        hits += int(np.argmax(content_scores(a))) == place
    assert hits >= 19


def test_a_share_lies_between_0_and_1():
    with pytest.raises(SettingError, match="a share must lie between 0 and 1"):
        TwoSided(shares=(0.5, 1.0))
