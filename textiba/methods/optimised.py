"""What the bottlenecks whose gates are optimised for each review share: settings, noise, the loop, and their report."""

import math
from collections.abc import Callable, Iterator, Sequence
from typing import ClassVar

import torch
from jaxtyping import Float
from pydantic import Field, model_validator
from torch import Tensor, nn
from torch.nn import functional

from textiba.attribution import BitsDetails
from textiba.forward import ForwardPass
from textiba.information import bits
from textiba.methods.base import Method
from textiba.text import EncodedReview
from textiba.types import Mask, State, Targets


class Optimised(Method):
    """The settings of a bottleneck whose gates Adam finds for each review.

    Attributes:
        beta: the price of a nat of information.
        gate_special: whether [CLS] and [SEP] have gates too; their bits are reported apart, never as scores.
        steps: of Adam; with 0 the gates stay where they start, and are tried out.
        learning_rate: of Adam, on the gates' logits.
        samples: noise draws a step.
        antithetic: draw noise in pairs ε, −ε, so that it averages to zero; needs an even `samples`.
        initial_gate: λ before the first step.
        min_std: floor of σ, for features that hardly vary.
        tolerance: a review has converged when its loss moved less than this share over the last step.
    """

    unit: ClassVar[str] = "bits"
    signed: ClassVar[bool] = False

    beta: float = Field(default=1e-4, ge=0)
    gate_special: bool = False
    steps: int = Field(default=10, ge=0)
    learning_rate: float = Field(default=1.0, gt=0)
    samples: int = Field(default=2, ge=1)
    antithetic: bool = True
    initial_gate: float = Field(default=0.993, gt=0, lt=1)
    min_std: float = Field(default=0.01, gt=0)
    tolerance: float = Field(default=0.05, gt=0)

    @model_validator(mode="after")
    def _pairs(self) -> "Optimised":
        if self.antithetic and self.samples % 2:
            raise ValueError("antithetic noise comes in pairs, so samples must be even, or antithetic false")
        return self

    @property
    def needs_statistics(self) -> bool:
        """See `Method.needs_statistics`."""
        return True

    @property
    def initial_logit(self) -> float:
        """`initial_gate` as its logit."""
        return math.log(self.initial_gate / (1 - self.initial_gate))

    def gated(self, forward: ForwardPass) -> Mask:
        """The tokens that have a gate."""
        return forward.batch.attention_mask if self.gate_special else forward.batch.content


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
        yield (torch.cat([noise, -noise]) if antithetic else noise).to(like, non_blocking=True)


def cross_entropies(
    logits: Float[Tensor, "rows labels"], targets: Targets, samples: int
) -> Float[Tensor, "samples batch"]:
    """CE of the target for each noise draw, nats; `logits` are of the batch, `samples` times over."""
    losses = functional.cross_entropy(logits, targets.repeat(samples), reduction="none")
    return losses.unflatten(0, (samples, -1))


Pass = tuple[Float[Tensor, "samples batch"], Float[Tensor, "layers batch tokens"]]
Trace = tuple[Float[Tensor, "steps samples batch"], Float[Tensor, "steps batch"]]


class Descent:
    """Adam on the gates of all reviews at once, for `CE + β · KL`, the KL being summed over tokens.

    Args:
        gate_logits: is changed.
        run: one pass with the gates as they are and fresh noise: cross-entropy, nats, and information at each layer,
            nats.
    """

    def __init__(self, gate_logits: nn.Parameter, run: Callable[[], Pass]):
        self._gate_logits = gate_logits
        self._run = run
        self._ahead: Pass | None = None  # the last pass at one β, which is the first one at the next

    def to(
        self, beta: Float[Tensor, " batch"], steps: int, learning_rate: float, further: bool = False
    ) -> tuple[Float[Tensor, "layers batch tokens"], Trace]:
        """`steps` of a new Adam at one β, from where the gates are; `steps` + 1 passes, the last to see where they end.

        Args:
            beta: the price of a nat, for each review.
            steps: of Adam.
            learning_rate: of Adam.
            further: another β may follow. Its first pass is then this one's last, which keeps what gradients need.

        Returns:
            The information of the last pass, nats; and cross-entropy and information (sum over tokens, mean over
            layers), nats, of every pass.
        """
        # Adam works element by element, so each review has its own state within the one tensor.
        adam = torch.optim.Adam([self._gate_logits], lr=learning_rate)
        entropies, informations = [], []
        for _ in range(steps):
            losses, nats = self._pass(gradient=True)
            self._ahead = None
            information = nats.mean(dim=0).sum(dim=1)
            # Reviews do not share gates, so the gradient of the sum is each review's own.
            loss = (losses.mean(dim=0) + beta * information).sum()
            (self._gate_logits.grad,) = torch.autograd.grad(loss, self._gate_logits)
            adam.step()
            entropies.append(losses.detach())
            informations.append(information.detach())
        losses, nats = self._pass(gradient=further)
        entropies.append(losses.detach())
        informations.append(nats.detach().mean(dim=0).sum(dim=1))
        return nats.detach(), (torch.stack(entropies), torch.stack(informations))

    def _pass(self, gradient: bool) -> Pass:
        if self._ahead is not None:
            return self._ahead
        with torch.set_grad_enabled(gradient):
            found = self._run()
        self._ahead = found if gradient else None
        return found


def bits_details(
    forward: ForwardPass,
    scores: Float[Tensor, "batch tokens"],
    gates: Float[Tensor, "batch tokens"],
    entropies: Float[Tensor, "steps samples batch"],
    nats: Float[Tensor, "steps batch"],
    beta: Float[Tensor, " batch"],
    tolerance: float,
    by_layer: Float[Tensor, "layers batch tokens"] | None = None,
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
        by_layer: bits of every token at each of several layers.
    """
    loss = entropies.mean(dim=1) + beta * nats
    settled = torch.zeros_like(beta, dtype=torch.bool)  # where no step was taken, nothing has settled
    if len(loss) > 1:
        settled = (loss[-1] - loss[-2]).abs() <= tolerance * loss[-2].abs()
    probability = (-entropies[-1]).exp().mean(dim=0)
    special = (scores * forward.batch.special).sum(dim=1)
    # One copy from the device for all reviews.
    columns = zip(settled.tolist(), probability.tolist(), special.tolist(), loss[-1].tolist(), strict=True)
    open_, entropy, information = (x.float().cpu().numpy() for x in (gates, entropies.mean(dim=1), bits(nats)))
    layers = None if by_layer is None else by_layer.float().cpu().numpy()
    return [
        BitsDetails(
            gates=open_[i, : len(review)],
            cross_entropy=entropy[:, i],
            information=information[:, i],
            converged=converged,
            probability=kept,
            special_bits=apart,
            loss=last,
            by_layer=None if layers is None else layers[:, i, : len(review)],
        )
        for i, (review, (converged, kept, apart, last)) in enumerate(zip(forward.batch.reviews, columns, strict=True))
    ]
