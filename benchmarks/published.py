"""`jiang2020` as published: the steps of bazingagin/IBA for one text, to compare ours with.

One text at a time; the whole model at each step, on ten copies of the text; a bottleneck hooked to the output of one
layer, with a gate for every feature of every token; weights that require gradients, which `backward` computes. Written
from a reading of that code, for today's transformers; `textiba.methods.jiang2020` documents the computation.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

STEPS, SAMPLES, LEARNING_RATE, BETA = 10, 10, 1.0, 1e-5
INITIAL_LOGIT, SMALLEST_SQUARE = 5.0, 1e-5


class PublishedBottleneck(nn.Module):
    """The published module.

    Args:
        feature_map: the states of the one sentence, which the published code takes for the mean [tokens, features].
    """

    def __init__(self, feature_map: Tensor):
        super().__init__()
        self.mean = feature_map
        self.std = torch.full_like(feature_map, SMALLEST_SQUARE).sqrt()
        self.alpha = nn.Parameter(torch.full((1, *feature_map.shape), INITIAL_LOGIT))
        self.capacity = torch.zeros(())

    def forward(self, hidden: Tensor) -> Tensor:
        """Normalises, scales and adds noise; keeps the "KL" [samples, tokens, features] in `capacity`."""
        gate = torch.sigmoid(self.alpha).expand(hidden.shape[0], hidden.shape[1], -1)
        signal = (hidden - self.mean) / self.std * gate
        log_variance = torch.log((1 - gate) ** 2)
        spread = (log_variance.clamp(-10, 10) / 2).exp()
        noisy = signal + spread * torch.empty_like(signal).normal_()
        self.capacity = -0.5 * (1 + log_variance - signal**2 - log_variance.exp())
        return noisy * self.std + self.mean


def explain_published(model: Any, ids: Tensor, layer: int, steps: int = STEPS, samples: int = SAMPLES) -> Tensor:
    """Nats of each token [tokens], scaled to 0 … 1 as published.

    Args:
        model: a Hugging Face classifier whose weights require gradients, in evaluation mode.
        ids: of one text [1, tokens].
        layer: index into hidden_states where the bottleneck sits, from 1; the published `layer_idx` + 1.
        steps: of Adam.
        samples: copies of the text, each with its own noise.
    """
    with torch.no_grad():
        plain = model(ids, output_hidden_states=True)
    target = plain.logits.argmax(dim=1).expand(samples)
    bottleneck = PublishedBottleneck(plain.hidden_states[layer - 1][0])
    place = model.base_model.encoder.layer[layer - 1]
    hook = place.register_forward_hook(lambda _module, _inputs, output: _noised(bottleneck, output))
    try:
        adam = torch.optim.Adam(bottleneck.parameters(), lr=LEARNING_RATE)
        for _ in range(steps):
            adam.zero_grad()
            logits = model(ids.expand(samples, -1)).logits
            loss = functional.cross_entropy(logits, target) + BETA * bottleneck.capacity.mean()
            loss.backward()
            adam.step()
    finally:
        hook.remove()
        model.zero_grad()
    nats = bottleneck.capacity[0].detach().sum(dim=1)
    return (nats - nats.min()) / (nats.max() - nats.min())


def _noised(bottleneck: PublishedBottleneck, output: Any) -> Any:
    """The output of a layer with noise in its state; a layer returns its state alone, or first in a tuple."""
    return (bottleneck(output[0]), *output[1:]) if isinstance(output, tuple) else bottleneck(output)
