"""What the bottlenecks whose gates are optimised for each text share: settings, noise, the loop, and their report."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from pydantic import Field, model_validator
from torch import Tensor, nn

from textiba.attribution import BitsDetails
from textiba.information import bits
from textiba.methods.base import Method
from textiba.model.forward import ForwardPass
from textiba.model.view import Model
from textiba.texts.tokens import TokenizedText
from textiba.types import Mask, State, Targets


class Optimised(Method):
    """The settings of a bottleneck whose gates Adam finds for each text.

    Attributes:
        beta: the price of a nat of information.
        gate_special: whether [CLS] and [SEP] have gates too; their bits are reported apart, never as scores.
        steps: of Adam; with 0 the gates stay where they start, and are tried out.
        learning_rate: of Adam, on the gates' logits.
        samples: noise draws a step.
        antithetic: draw noise in pairs ε, −ε, so that it averages to zero; needs an even `samples`.
        initial_gate: λ before the first step.
        min_std: floor of σ, for features that hardly vary.
        tolerance: a text has converged when its loss moved less than this share over the last step.
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
    texts: Sequence[TokenizedText], like: State, samples: int, antithetic: bool, seed: int
) -> Iterator[Float[Tensor, "samples batch tokens features"]]:
    """Standard normal draws without end; each text's come from a generator of its own, whatever the batch.

    Args:
        texts: of the batch.
        like: gives shape, type and device.
        samples: draws at a time.
        antithetic: whether the second half of the draws is the first with its sign turned.
        seed: each text derives its own from it.
    """
    generators = [torch.Generator().manual_seed(text.seed(seed)) for text in texts]
    drawn = samples // 2 if antithetic else samples
    while True:
        noise = torch.zeros(drawn, *like.shape)
        for i, (text, generator) in enumerate(zip(texts, generators, strict=True)):
            noise[:, i, : len(text)] = torch.randn(drawn, len(text), like.shape[2], generator=generator)
        yield (torch.cat([noise, -noise]) if antithetic else noise).to(like, non_blocking=True)


def cross_entropies(
    model: Model, logits: Float[Tensor, "rows labels"], targets: Targets, samples: int
) -> Float[Tensor, "samples batch"]:
    """Cross-entropy of the target for each noise draw, nats; `logits` hold the batch `samples` times over."""
    return -model.target_output(logits, targets.repeat(samples), "log_probability").unflatten(0, (samples, -1))


Pass = tuple[Float[Tensor, "samples batch"], Float[Tensor, "layers batch tokens"]]


@dataclass(frozen=True, eq=False)
class Optimum:
    """Where the optimisation ended at one β.

    Attributes:
        nats: information of each token at each layer.
        entropies: cross-entropy of the target before each step and after the last, nats.
        informations: information at the same moments, nats: the sum over tokens, mean over layers.
    """

    nats: Float[Tensor, "layers batch tokens"]
    entropies: Float[Tensor, "steps samples batch"]
    informations: Float[Tensor, "steps batch"]


def descend(
    gate_logits: nn.Parameter,
    run: Callable[[], Pass],
    betas: Sequence[Float[Tensor, " batch"]],
    steps: int,
    learning_rate: float,
) -> Iterator[Optimum]:
    """Minimises `CE + β · KL` over the gates of all texts at once with Adam, for one β after another.

    Each β is a warm start from the gates of the one before it. The last pass at one β serves as the first pass at the
    next, so n values cost n · steps + 1 passes.

    Args:
        gate_logits: changed in place.
        run: one pass with the current gates and fresh noise: cross-entropy, nats, and information at each layer, nats.
        betas: the price of a nat, for each text; one entry for each optimisation.
        steps: of a new Adam at each β.
        learning_rate: of Adam.

    Yields:
        The end of each optimisation, while the gates are still there.
    """
    carried: Pass | None = None
    for number, beta in enumerate(betas):
        # Adam works element by element, so each text has its own state within the one tensor.
        adam = torch.optim.Adam([gate_logits], lr=learning_rate)
        entropies, informations = [], []
        for _ in range(steps):
            losses, nats = run() if carried is None else carried
            carried = None
            information = nats.mean(dim=0).sum(dim=1)
            # Texts do not share gates, so the gradient of the sum is each text's own.
            loss = (losses.mean(dim=0) + beta * information).sum()
            (gate_logits.grad,) = torch.autograd.grad(loss, gate_logits)
            adam.step()
            entropies.append(losses.detach())
            informations.append(information.detach())
        more = number + 1 < len(betas)
        if carried is None:  # it is there still where no step was taken
            with torch.set_grad_enabled(more):
                carried = run()
        losses, nats = carried
        entropies.append(losses.detach())
        informations.append(nats.detach().mean(dim=0).sum(dim=1))
        yield Optimum(nats.detach(), torch.stack(entropies), torch.stack(informations))


def bits_details(
    forward: ForwardPass,
    scores: Float[Tensor, "batch tokens"],
    gates: Float[Tensor, "batch tokens"],
    optimum: Optimum,
    beta: Float[Tensor, " batch"],
    tolerance: float,
    by_layer: Float[Tensor, "layers batch tokens"] | None = None,
) -> list[BitsDetails]:
    """How each text's optimisation went, and where it ended.

    Args:
        forward: the plain pass.
        scores: bits of every token, special ones included.
        gates: after the last step.
        optimum: where the optimisation ended.
        beta: the price of a nat of their sum.
        tolerance: a text has converged when its loss moved less than this share over the last step.
        by_layer: bits of every token at each of several layers.
    """
    entropies, nats = optimum.entropies, optimum.informations
    loss = entropies.mean(dim=1) + beta * nats
    settled = torch.zeros_like(beta, dtype=torch.bool)  # where no step was taken, nothing has settled
    if len(loss) > 1:
        settled = (loss[-1] - loss[-2]).abs() <= tolerance * loss[-2].abs()
    probability = (-entropies[-1]).exp().mean(dim=0)
    special = (scores * forward.batch.special).sum(dim=1)
    # One copy from the device for all texts.
    columns = zip(settled.tolist(), probability.tolist(), special.tolist(), loss[-1].tolist(), strict=True)
    open_, entropy, information = (x.float().cpu().numpy() for x in (gates, entropies.mean(dim=1), bits(nats)))
    layers = None if by_layer is None else by_layer.float().cpu().numpy()
    return [
        BitsDetails(
            gates=open_[i, : len(text)],
            cross_entropy=entropy[:, i],
            information=information[:, i],
            converged=converged,
            probability=kept,
            special_bits=apart,
            loss=last,
            by_layer=None if layers is None else layers[:, i, : len(text)],
        )
        for i, (text, (converged, kept, apart, last)) in enumerate(zip(forward.batch.texts, columns, strict=True))
    ]
