"""What the bottlenecks whose gates are optimised for each review share: their noise, and what they report."""

from collections.abc import Iterator, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from textiba.attribution import BitsDetails
from textiba.encoder import ForwardPass
from textiba.information import bits
from textiba.text import EncodedReview
from textiba.types import State


def standard_normal(
    reviews: Sequence[EncodedReview], like: State, samples: int, antithetic: bool, seed: int
) -> Iterator[Float[Tensor, "samples batch tokens features"]]:
    """Standard normal draws without end; each review's come from a generator of its own, whatever the batch.

    Args:
        reviews: of the batch.
        like: gives shape, type and device.
        samples: draws at a time.
        antithetic: whether the second half of the draws is the first with its sign turned.
        seed: each review derives its own from it.
    """
    generators = [torch.Generator().manual_seed(review.seed(seed)) for review in reviews]
    drawn = samples // 2 if antithetic else samples
    while True:
        noise = torch.zeros(drawn, *like.shape)
        for i, (review, generator) in enumerate(zip(reviews, generators, strict=True)):
            noise[:, i, : len(review)] = torch.randn(drawn, len(review), like.shape[2], generator=generator)
        yield (torch.cat([noise, -noise]) if antithetic else noise).to(like)


def bits_details(
    forward: ForwardPass,
    scores: Float[Tensor, "batch tokens"],
    gates: Float[Tensor, "batch tokens"],
    entropies: Float[Tensor, "steps samples batch"],
    nats: Float[Tensor, "steps batch"],
    beta: Float[Tensor, " batch"],
    tolerance: float,
) -> list[BitsDetails]:
    """How each review's optimisation went, and where it ended.

    Args:
        forward: the plain pass.
        scores: bits of every token, special ones included.
        gates: after the last step.
        entropies: cross-entropy of the target at each step, nats.
        nats: information of all tokens at each step.
        beta: the price of a nat of their sum.
        tolerance: a review has converged when its loss moved less than this share over the last step.
    """
    loss = entropies.mean(dim=1) + beta * nats
    settled = (loss[-1] - loss[-2]).abs() <= tolerance * loss[-2].abs()
    probability = (-entropies[-1]).exp().mean(dim=0)
    special = (scores * forward.batch.special).sum(dim=1)
    return [
        BitsDetails(
            gates=gates[i, : len(review)].cpu().numpy(),
            cross_entropy=entropies[:, :, i].mean(dim=1).cpu().numpy(),
            information=bits(nats[:, i]).cpu().numpy(),
            converged=bool(settled[i]),
            probability=float(probability[i]),
            special_bits=float(special[i]),
        )
        for i, review in enumerate(forward.batch.reviews)
    ]
