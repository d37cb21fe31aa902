"""SmoothGrad and SmoothGrad × input: the gradient averaged over noisy copies of the state."""

import abc
from typing import ClassVar

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor

from textiba.methods.base import Passes
from textiba.methods.gradients import GradientMethod, captum_attr
from textiba.model.forward import ForwardPass
from textiba.model.view import Model
from textiba.types import State, Targets


class Smoothed(GradientMethod, abc.ABC):
    """A method that averages the gradient over noisy copies of the state. Special tokens get noise too.

    Source: Smilkov, Thorat, Kim, Viégas, Wattenberg 2017 (arXiv 1706.03825), with AllenNLP's default for `noise`.

    Attributes:
        samples: number of noisy copies; each costs one forward and one backward pass above `layer`.
        noise: standard deviation of the noise, as a share of the range (largest minus smallest value) of the text's
            state. A state has tens of thousands of values, and their range is 8 or 9 times their standard deviation. So
            the share of 0.1 that is usual for images would be noise as large as the values themselves.
    """

    samples: int = Field(default=20, ge=1)
    noise: float = Field(default=0.01, ge=0)

    def _passes(self, layers: int, tokens: int) -> Passes:
        """One forward and one backward pass above the layer for each noisy copy."""
        above = self.samples * (layers - self.place) / layers
        return Passes(1 + above, above)

    def _scores(self, model: Model, forward: ForwardPass, targets: Targets, seed: int) -> Float[Tensor, "batch tokens"]:
        captum = captum_attr()
        state = forward.hidden_states[self.place]
        scores, lengths = torch.zeros_like(state[..., 0]), forward.batch.lengths
        for i, text in enumerate(forward.batch.texts):
            own = state[i : i + 1, : lengths[i]]
            inner = captum.Saliency(self._explained(model, model.collate([text]), targets[i : i + 1]))
            # Captum draws from torch's global generator, so each text runs alone, without padding, with its own seed.
            with torch.random.fork_rng():
                torch.manual_seed(text.seed(seed))
                gradient = captum.NoiseTunnel(inner).attribute(
                    own,
                    nt_type="smoothgrad",
                    nt_samples=self.samples,
                    nt_samples_batch_size=1,
                    stdevs=self.noise * float(own.max() - own.min()),
                    abs=False,
                )
            scores[i, : lengths[i]] = self._reduce(gradient, own)[0]
        return scores

    @abc.abstractmethod
    def _reduce(self, gradient: State, state: State) -> Float[Tensor, "batch tokens"]:
        """Returns one score per token from the averaged gradient and the state."""


class SmoothGrad(Smoothed):
    """The L2 norm of a token's averaged gradient: unsigned. See `Smoothed` for the settings."""

    name: ClassVar[str] = "smooth_grad"
    signed: ClassVar[bool] = False

    def _reduce(self, gradient: State, state: State) -> Float[Tensor, "batch tokens"]:
        return gradient.norm(dim=-1)


class SmoothGradXInput(Smoothed):
    """The averaged gradient times the state, summed over features: signed. See `Smoothed` for the settings."""

    name: ClassVar[str] = "smooth_grad_x_input"
    signed: ClassVar[bool] = True

    def _reduce(self, gradient: State, state: State) -> Float[Tensor, "batch tokens"]:
        return (gradient * state).sum(dim=-1)
