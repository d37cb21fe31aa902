"""Two-sided relevance shows stopped tokens in turns the mean and the [MASK] state: its steps written out."""

import pytest
import torch
import toys

from textiba.attribution import content_scores
from textiba.methods import TwoSided

MODEL = toys.model()
MASK = toys.VOCABULARY.index("[MASK]")
SHARES = (0.3, 0.6)


def gain(scores: torch.Tensor, text: toys.TokenizedText, share: float, closed: torch.Tensor) -> torch.Tensor:
    """p(target) with the top share open minus p(target) with it stopped, by one pass of the whole BERT for each.

    Stopped tokens show `closed` [tokens, features].
    """
    forward = MODEL.forward(MODEL.collate([text]))
    state, target, content = forward.hidden_states[1][0], int(forward.logits.argmax()), list(text.content)
    count = max(1, round(share * len(content)))
    gate = torch.sigmoid(scores - scores.sort(descending=True).values[count - 1].detach())
    total = torch.zeros(())
    for sign, open_ in ((1, gate), (-1, 1 - gate)):
        mixed = state.clone()
        mixed[content] = open_[:, None] * state[content] + (1 - open_[:, None]) * closed[content]
        total = total + sign * toys.with_state(MODEL.module, text, 1, mixed).softmax(dim=1)[0, target]
    return total


@pytest.mark.parametrize("seed", [60, 61, 62])
def test_each_step_takes_the_mean_and_the_mask_in_turns(seed: int):
    [source] = toys.texts(1, seed=seed, shortest=8)
    [text] = MODEL.tokenize([source])
    [before] = toys.attribute(MODEL, TwoSided(steps=0), [source])
    [after] = toys.attribute(MODEL, TwoSided(steps=2, shares=SHARES, learning_rate=0.2), [source])
    mean = toys.statistics(MODEL).mean[1].float().expand(len(text), -1)
    masked = MODEL.forward(MODEL.collate([text.substitute(text.content, MASK)])).hidden_states[1][0]
    assert (mean - masked).abs().mean() > 0.1, "the two must differ, or the test says nothing"
    turns = [(mean, masked), (masked, mean)]  # the first step, the second

    scores = torch.tensor(content_scores(before))
    first, second = torch.zeros_like(scores), torch.zeros_like(scores)  # Adam's two moments
    for number, shown in enumerate(turns, 1):
        scores = scores.detach().requires_grad_(True)
        value = sum((gain(scores, text, share, c) for share, c in zip(SHARES, shown, strict=True)), torch.zeros(()))
        (gradient,) = torch.autograd.grad(-value, scores)
        first, second = 0.9 * first + 0.1 * gradient, 0.999 * second + 0.001 * gradient**2
        unbiased = first / (1 - 0.9**number), (second / (1 - 0.999**number)).sqrt()
        scores = scores.detach() - 0.2 * unbiased[0] / (unbiased[1] + 1e-8)
    torch.testing.assert_close(torch.tensor(content_scores(after)), scores, rtol=0, atol=2e-3)
