"""Shared parts of the bottlenecks whose gates are optimised for each text: settings, noise, optimiser, details."""

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
from textiba.texts.batches import Batch
from textiba.types import Mask, State, Targets


class Optimised(Method):
    """The settings of a bottleneck whose gates Adam optimises for each text.

    Attributes:
        beta: weight of the KL in the loss, per nat.
        gate_special: whether [CLS] and [SEP] have gates too; their bits are reported separately, never as scores.
        steps: number of Adam steps; with 0 the gates keep their initial values and the loss is evaluated once.
        learning_rate: Adam's learning rate, on the gates' logits.
        samples: noise draws per step.
        antithetic: whether noise comes in pairs ε, −ε, so that it averages to zero; needs an even `samples`.
        initial_gate: λ before the first step.
        min_std: lower bound of σ, for features that hardly vary.
        tolerance: a text has converged when the last step changed its loss by no more than this share of the loss.
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
            raise ValueError("antithetic noise comes in pairs: samples must be even, or antithetic false")
        return self

    @property
    def needs_statistics(self) -> bool:
        """See `Method.needs_statistics`."""
        return True

    @property
    def initial_logit(self) -> float:
        """The logit of `initial_gate`."""
        return math.log(self.initial_gate / (1 - self.initial_gate))

    def gated(self, forward: ForwardPass) -> Mask:
        """True for the tokens that have a gate."""
        return forward.batch.attention_mask if self.gate_special else forward.batch.content


def standard_normal(
    batch: Batch, like: State, samples: int, antithetic: bool, seed: int
) -> Iterator[Float[Tensor, "samples batch tokens features"]]:
    """Yields standard normal draws without end. A text's draws do not depend on the other texts of its batch.

    Args:
        batch: the texts; each has its own random generator.
        like: a state whose shape, type and device the draws take.
        samples: number of draws at a time.
        antithetic: whether the second half of the draws is the negative of the first half.
        seed: each text derives its own seed from this one.
    """
    generators = [torch.Generator().manual_seed(text.seed(seed)) for text in batch.texts]
    drawn = samples // 2 if antithetic else samples
    while True:
        noise = torch.zeros(drawn, *like.shape)
        for i, (length, generator) in enumerate(zip(batch.lengths, generators, strict=True)):
            noise[:, i, :length] = torch.randn(drawn, length, like.shape[2], generator=generator)
        yield (torch.cat([noise, -noise]) if antithetic else noise).to(like, non_blocking=True)


def cross_entropies(
    model: Model, logits: Float[Tensor, "rows labels"], targets: Targets, samples: int
) -> Float[Tensor, "samples batch"]:
    """Cross-entropy of the target in nats, for each noise draw; `logits` contain the batch `samples` times."""
    return -model.target_output(logits, targets.repeat(samples), "log_probability").unflatten(0, (samples, -1))


Pass = tuple[Float[Tensor, "samples batch"], Float[Tensor, "layers batch tokens"]]


@dataclass(frozen=True, eq=False)
class Optimum:
    """The result of the optimisation at one β, and the course of the loss's two terms.

    Attributes:
        nats: information of each token at each layer, in nats.
        entropies: cross-entropy of the target in nats, before each step and after the last step.
        informations: information in nats, before each step and after the last step; summed over tokens, averaged over
            layers.
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

    The optimisation at each β starts from the gates at the previous β (a warm start). The last pass at one β is also
    the first pass at the next β, so n values of β cost n · steps + 1 passes.

    Args:
        gate_logits: logits of the gates, optimised in place.
        run: runs one pass with the current gates and fresh noise; returns the cross-entropy and the information at each
            layer, both in nats.
        betas: one tensor for each optimisation, with the β of each text.
        steps: number of Adam steps at each β; Adam's state starts anew at each β.
        learning_rate: Adam's learning rate.

    Yields:
        An `Optimum` at the end of each optimisation. Until the generator is resumed, `gate_logits` hold the gates of
        that optimisation.
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
        if carried is None:  # with 0 steps, the pass at the previous β is still valid
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
    """Returns each text's details: the course of the optimisation and its end.

    Args:
        forward: the model's plain pass.
        scores: bits of every token, special tokens included.
        gates: λ of every token after the last step.
        optimum: the result of the optimisation.
        beta: weight of the KL's sum in nats, for each text.
        tolerance: a text has converged when the last step changed its loss by no more than this share of the loss.
        by_layer: bits of every token at each layer; None for a bottleneck at a single layer.
    """
    entropies, nats = optimum.entropies, optimum.informations
    loss = entropies.mean(dim=1) + beta * nats
    settled = torch.zeros_like(beta, dtype=torch.bool)  # without a step no text has converged
    if len(loss) > 1:
        settled = (loss[-1] - loss[-2]).abs() <= tolerance * loss[-2].abs()
    probability = (-entropies[-1]).exp().mean(dim=0)
    batch = forward.batch
    special = (scores * batch.special).sum(dim=1)
    # Copies the columns of the whole batch from the device at once.
    columns = zip(settled.tolist(), probability.tolist(), special.tolist(), loss[-1].tolist(), strict=True)
    open_, entropy, information = (
        x.float().cpu().numpy() for x in (batch.by_token(batch.shared(gates)), entropies.mean(dim=1), bits(nats))
    )
    layers = None if by_layer is None else batch.by_token(by_layer).float().cpu().numpy()
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
        for i, (text, (converged, kept, apart, last)) in enumerate(zip(batch.texts, columns, strict=True))
    ]
