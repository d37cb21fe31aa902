"""The objectives of a readout network: the paper's loss, and the order of the tokens."""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from textiba.bottleneck.readout import ReadoutNetwork
from textiba.information import kl_nats, mix, normalize
from textiba.methods.lrp import relevance_by_layer
from textiba.methods.lrp_rules import SHARES
from textiba.methods.optimised import standard_normal
from textiba.model.forward import ForwardPass
from textiba.model.view import Model
from textiba.types import Mask

_SMALLEST = 1e-6


def restricted(
    model: Model,
    network: ReadoutNetwork,
    forward: ForwardPass,
    raw: Float[Tensor, "batch tokens"],
    place: int,
    samples: int,
    seed: int,
) -> tuple[Float[Tensor, " batch"], Float[Tensor, " batch"]]:
    """The two terms of the paper's loss with the bottleneck at one layer: cross-entropy and KL.

    Source: Schulz et al., *Restricting the Flow*, ICLR 2020, section 3.2.

    Args:
        model: the model.
        network: the network that predicts the gates.
        forward: the plain pass.
        raw: the output of the network for this layer, before it is bounded.
        place: the layer's index in `network.architecture.layers`.
        samples: number of noise draws.
        seed: seed of the noise; each text derives its own seed from this one.

    Returns:
        For each text, in nats: the cross-entropy of the predicted class, mean over the draws; and the KL, sum over
        tokens and features.
    """
    batch, layer = forward.batch, network.architecture.layers[place]
    state, mean, std = forward.hidden_states[layer], network.mean[layer], network.std[layer]
    gate_logits, gated = network.bounded(raw).unsqueeze(-1), batch.content.unsqueeze(-1)
    nats = kl_nats(normalize(state, mean, std), gate_logits).sum(dim=-1).masked_fill(~batch.content, 0).sum(dim=1)
    noise = next(standard_normal(batch, state, samples, False, seed))
    noisy = torch.where(gated, mix(state, torch.sigmoid(gate_logits), mean + std * noise), state)
    outputs = model.run_from(batch.repeat(samples), layer, noisy.flatten(0, 1))
    entropy = functional.cross_entropy(outputs, model.predict(forward).repeat(samples), reduction="none")
    return entropy.unflatten(0, (samples, -1)).mean(dim=0), nats


def agreement(
    model: Model, network: ReadoutNetwork, forward: ForwardPass, raw: Float[Tensor, "layers batch tokens"]
) -> Float[Tensor, "layers batch"]:
    """The correlation (−1 … 1) of the network's output for each layer with the ranks of the tokens' relevance there.

    `raw` is correlated with the normal quantiles of the ranks. AttnLRP gives the relevance of the hidden states at the
    bottlenecks, for the predicted class. One forward and one backward pass give the relevance at all layers.

    Args:
        model: the model.
        network: the network that predicts the gates.
        forward: the plain pass.
        raw: the output of the network, before it is bounded.
    """
    batch = forward.batch
    layers = network.architecture.layers
    taught = relevance_by_layer(model, forward, model.predict(forward), SHARES["uniform"], layers, "margin").float()
    pairs = zip(raw, taught, strict=True)
    return torch.stack(
        [
            (_unit(given, batch.content) * _unit(_quantiles(t, batch.content), batch.content)).sum(1)
            for given, t in pairs
        ]
    )


def _quantiles(scores: Float[Tensor, "batch tokens"], content: Mask) -> Float[Tensor, "batch tokens"]:
    """Normal quantiles of the ranks among the content tokens."""
    others = (~content).sum(dim=1, keepdim=True)  # special tokens and padding have the lowest ranks
    ranks = scores.masked_fill(~content, -torch.inf).argsort(dim=1).argsort(dim=1) - others
    share = (ranks + 0.5) / content.sum(dim=1, keepdim=True)
    return torch.special.ndtri(share.masked_fill(~content, 0.5))


def _unit(scores: Float[Tensor, "batch tokens"], content: Mask) -> Float[Tensor, "batch tokens"]:
    """The scores minus their mean over the content tokens, scaled to length 1; 0 at all other tokens."""
    mean = (scores * content).sum(dim=1, keepdim=True) / content.sum(dim=1, keepdim=True)
    return functional.normalize((scores - mean) * content, dim=1, eps=_SMALLEST)
