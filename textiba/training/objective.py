"""What a readout network is trained for."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from textiba.encoder import Encoder, ForwardPass
from textiba.information import kl_nats, mix, normalize
from textiba.methods.optimised import standard_normal
from textiba.methods.two_sided import top_gates, two_sided_gain
from textiba.readout import ReadoutNetwork

_SHARES = (0.04, 0.8)  # of the tokens, between which q is drawn, by its logarithm


@dataclass(frozen=True, eq=False)
class Losses:
    """Of some of the bottlenecks, on a batch.

    Attributes:
        entropy: cross-entropy of the predicted class, nats, mean over the noise draws.
        nats: KL summed over tokens and features.
        gain: p(target) with the gates of the top share alone minus p(target) with those of the others; 0 where order is
            not asked for.
    """

    entropy: Float[Tensor, "places batch"]
    nats: Float[Tensor, "places batch"]
    gain: Float[Tensor, "places batch"]


def losses(
    encoder: Encoder,
    network: ReadoutNetwork,
    forward: ForwardPass,
    raw: Float[Tensor, "layers batch tokens"],
    places: Sequence[int],
    samples: int,
    seed: int,
    order: bool,
) -> Losses:
    """The paper's loss, and how well the gates' order tells what the prediction rests on.

    Args:
        encoder: the model.
        network: whose gates they are.
        forward: the plain pass.
        raw: what the network gave for it.
        places: which of its bottlenecks; one is in place at a time.
        samples: noise draws.
        seed: of the noise, and of the shares.
        order: whether the gain is asked for.
    """
    restricted = [_restricted(encoder, network, forward, raw[place], place, samples, seed) for place in places]
    entropies, nats = (torch.stack(part) for part in zip(*restricted, strict=True))
    if not order:
        return Losses(entropies, nats, torch.zeros_like(nats))
    gains = [_gain(encoder, network, forward, raw[place], place, seed) for place in places]
    return Losses(entropies, nats, torch.stack(gains))


def _restricted(
    encoder: Encoder,
    network: ReadoutNetwork,
    forward: ForwardPass,
    raw: Float[Tensor, "batch tokens"],
    place: int,
    samples: int,
    seed: int,
) -> tuple[Float[Tensor, " batch"], Float[Tensor, " batch"]]:
    """CE and KL with the bottleneck in one layer (Schulz et al., ICLR 2020, section 3.2)."""
    batch, layer = forward.batch, network.architecture.layers[place]
    state, mean, std = forward.hidden[layer], network.mean[layer], network.std[layer]
    gate_logits, gated = network.bounded(raw).unsqueeze(-1), batch.content.unsqueeze(-1)
    nats = kl_nats(normalize(state, mean, std), gate_logits).sum(dim=-1).masked_fill(~batch.content, 0).sum(dim=1)
    noise = next(standard_normal(batch.reviews, state, samples, False, seed))
    noisy = torch.where(gated, mix(state, torch.sigmoid(gate_logits), mean + std * noise), state)
    outputs = encoder.run_from(batch.repeat(samples), layer, noisy.flatten(0, 1)).float()
    entropy = functional.cross_entropy(outputs, encoder.predict(forward).repeat(samples), reduction="none")
    return entropy.unflatten(0, (samples, -1)).mean(dim=0), nats


def _gain(
    encoder: Encoder,
    network: ReadoutNetwork,
    forward: ForwardPass,
    raw: Float[Tensor, "batch tokens"],
    place: int,
    seed: int,
) -> Float[Tensor, " batch"]:
    """The gain of a share that is drawn for each review; closed gates show the mean."""
    layer = network.architecture.layers[place]
    draws = torch.rand(len(raw), 1, generator=torch.Generator().manual_seed(seed)).to(raw)
    share = _SHARES[0] * (_SHARES[1] / _SHARES[0]) ** draws
    gate = top_gates(raw, forward.batch.content, share, temperature=1.0)
    return two_sided_gain(encoder, forward, layer, encoder.predict(forward), gate, network.mean[layer])
