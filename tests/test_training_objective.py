"""The readout's loss against the paper written out: one text, one noise draw, one token, one feature at a time."""

import pytest
import torch
import toys
from torch import Tensor

from textiba.texts.tokens import TokenizedText
from textiba.training.readout.objective import restricted

MODEL = toys.model()
NETWORK = toys.readout(MODEL)
TEXTS = MODEL.tokenize(toys.texts(4, seed=33, shortest=4, longest=9))


def gate_logits(hidden: list[Tensor], place: int, weights: dict[str, Tensor]) -> list[Tensor]:
    """A of each token: three linear layers on the normalised hidden states of that token alone (section 3.2)."""
    logits = []
    for token in range(len(hidden[0])):
        reads = NETWORK.architecture.reads
        value = torch.cat([(hidden[layer][token] - NETWORK.mean[layer]) / NETWORK.std[layer] for layer in reads])
        for number in (0, 2, 4):
            value = weights[f"layers.{number}.weight"] @ value + weights[f"layers.{number}.bias"]
            value = value.relu() if number < 4 else value
        limit = NETWORK.architecture.limit
        logits.append(limit * torch.tanh(value[place] / limit))
    return logits


def literal(
    text: TokenizedText, place: int, samples: int, seed: int, weights: dict[str, Tensor]
) -> tuple[Tensor, Tensor]:
    """Cross-entropy of the predicted class, mean over the draws, and Σ KL(P(Z|R) ‖ Q(Z)); nats."""
    layer = NETWORK.architecture.layers[place]
    bert = toys.classifier().eval()
    with torch.no_grad():
        inputs = {"input_ids": torch.tensor([text.ids]), "token_type_ids": torch.tensor([text.type_ids])}
        plain = bert(**inputs, output_hidden_states=True)
    hidden = [state[0] for state in plain.hidden_states]
    predicted = int(plain.logits.argmax())
    mean, std = NETWORK.mean[layer], NETWORK.std[layer]
    logits = gate_logits(hidden, place, weights)
    generator = torch.Generator().manual_seed(text.seed(seed))
    draws = torch.randn(samples, len(text), len(mean), generator=generator)
    entropy, nats = torch.zeros(()), torch.zeros(())
    for noise in draws:
        z = []
        for token, word in enumerate(text.word_ids):
            gate = 1 / (1 + torch.exp(-logits[token]))
            noisy = gate * hidden[layer][token] + (1 - gate) * (mean + std * noise[token])
            z.append(hidden[layer][token] if word is None else noisy)
        answer = toys.with_state(bert, text, layer, torch.stack(z))[0]
        entropy = entropy - (answer[predicted] - torch.logsumexp(answer, 0)) / samples
    for token, word in enumerate(text.word_ids):
        if word is not None:
            gate = 1 / (1 + torch.exp(-logits[token]))
            for feature in range(len(mean)):
                r = (hidden[layer][token, feature] - mean[feature]) / std[feature]
                variance = (1 - gate) ** 2
                nats = nats + 0.5 * (variance + (gate * r) ** 2 - 1 - torch.log(variance))
    return entropy, nats


@pytest.mark.parametrize("place", [0, 1, 2])
@pytest.mark.parametrize("samples", [1, 3])
def test_the_loss_and_its_gradient_equal_the_paper_s_written_out(place: int, samples: int):
    beta, seed = 1e-2, 11
    weights = {name: tensor.clone().requires_grad_(True) for name, tensor in NETWORK.state_dict().items()}
    trained = [tensor for name, tensor in weights.items() if name.startswith("layers.")]
    found = toys.readout(MODEL)
    forward = MODEL.forward(MODEL.collate(TEXTS))
    parameters = [parameter.requires_grad_(True) for parameter in found.parameters()]
    try:
        entropy, nats = restricted(MODEL, found, forward, found(forward.hidden_states)[place], place, samples, seed)
        gradients = torch.autograd.grad((entropy + beta * nats).mean(), parameters)
    finally:
        found.requires_grad_(False)
    each = [literal(text, place, samples, seed, weights) for text in TEXTS]
    torch.testing.assert_close(entropy.detach(), torch.stack([e for e, _ in each]).detach(), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(nats.detach(), torch.stack([n for _, n in each]).detach(), rtol=1e-4, atol=1e-4)
    loss = torch.stack([e + beta * n for e, n in each]).mean()
    for ours, expected in zip(gradients, torch.autograd.grad(loss, trained), strict=True):
        torch.testing.assert_close(ours, expected, rtol=1e-3, atol=1e-5)
    assert entropy.detach().std() > 0.05, "texts must differ, or draws and texts could change places"


def test_the_draws_of_a_text_do_not_depend_on_its_batch():
    forward = MODEL.forward(MODEL.collate(TEXTS))
    entropy, nats = restricted(MODEL, NETWORK, forward, NETWORK(forward.hidden_states)[1], 1, 4, 5)
    for i, text in enumerate(TEXTS):
        alone = MODEL.forward(MODEL.collate([text]))
        e, n = restricted(MODEL, NETWORK, alone, NETWORK(alone.hidden_states)[1], 1, 4, 5)
        torch.testing.assert_close(torch.stack([e[0], n[0]]), torch.stack([entropy[i], nats[i]]), rtol=1e-4, atol=1e-5)
