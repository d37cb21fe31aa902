"""The gradient baselines, through Captum: how the target's output changes with the hidden state of each token.

They explain the state at one layer, by convention the embedding output (layer 0), and cut it down to a number a token.
"""

import abc
from collections.abc import Callable
from typing import Any, ClassVar, Literal

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor

from textiba.attribution import Attribution
from textiba.encoder import Encoder
from textiba.errors import SettingError, missing_extra
from textiba.forward import ForwardPass
from textiba.methods.base import Method, Passes, results
from textiba.methods.output import Output, target_output
from textiba.methods.references import blank_state
from textiba.statistics import FeatureStatistics
from textiba.text import Batch
from textiba.types import State, Targets


class GradientMethod(Method, abc.ABC):
    """What the gradient baselines share.

    Attributes:
        layer: index into hidden_states whose state is explained.
        output: what is differentiated, of the target class: its "logit", "log_probability" (nats) or "probability".
            The last two gradients differ by one factor a review, so they rank its tokens alike wherever a score rests
            on a single gradient.
    """

    unit: ClassVar[str] = "score"

    layer: int = Field(default=0, ge=0)
    output: Output = "log_probability"

    def passes(self, layers: int, tokens: int) -> Passes:
        """One pass there and back above the layer."""
        above = (layers - self.layer) / layers
        return Passes(1 + above, above)

    def attribute(
        self,
        encoder: Encoder,
        forward: ForwardPass,
        targets: Targets,
        statistics: FeatureStatistics | None = None,
        seed: int = 0,
    ) -> list[Attribution]:
        """Scores all reviews of the batch; see `Method.attribute`.

        Raises:
            LayerError: the model has no such layer.
            MissingExtraError: Captum is not installed.
        """
        encoder.check_layer(self.layer)
        scores = self._scores(encoder, forward, targets, seed)
        return results(self, self.layer, encoder, forward, targets, scores, [None] * len(targets))

    @abc.abstractmethod
    def _scores(
        self, encoder: Encoder, forward: ForwardPass, targets: Targets, seed: int
    ) -> Float[Tensor, "batch tokens"]:
        """A score for every token; those of special tokens and padding are left out later."""

    def _explained(self, encoder: Encoder, batch: Batch, targets: Targets) -> Callable[[Tensor], Tensor]:
        """The function that Captum differentiates: a state [batch, tokens, features] to the target's output [batch]."""

        def output(state: State) -> Float[Tensor, " batch"]:
            return target_output(encoder.run_from(batch, self.layer, state), targets, self.output)

        return output

    def _gradient(self, encoder: Encoder, forward: ForwardPass, targets: Targets) -> State:
        """∂ output / ∂ state."""
        saliency = captum_attr().Saliency(self._explained(encoder, forward.batch, targets))
        return saliency.attribute(forward.hidden[self.layer].detach().requires_grad_(True), abs=False)


class Gradient(GradientMethod):
    """The gradient summed over a token's features, signed. See `GradientMethod` for the settings."""

    name: ClassVar[str] = "gradient"
    signed: ClassVar[bool] = True

    def _scores(
        self, encoder: Encoder, forward: ForwardPass, targets: Targets, seed: int
    ) -> Float[Tensor, "batch tokens"]:
        return self._gradient(encoder, forward, targets).sum(dim=-1)


class Saliency(GradientMethod):
    """The L2 norm of a token's gradient: how much it matters, not in which direction. Settings: `GradientMethod`.

    Source: Simonyan, Vedaldi, Zisserman, ICLR workshop 2014 (arXiv 1312.6034); for text, and by norm, Atanasova,
    Simonsen, Lioma, Augenstein, EMNLP 2020 (arXiv 2009.13295).
    """

    name: ClassVar[str] = "saliency"
    signed: ClassVar[bool] = False

    def _scores(
        self, encoder: Encoder, forward: ForwardPass, targets: Targets, seed: int
    ) -> Float[Tensor, "batch tokens"]:
        return self._gradient(encoder, forward, targets).norm(dim=-1)


class GradientXInput(GradientMethod):
    """Gradient times state, summed over a token's features, signed. See `GradientMethod` for the settings.

    Source: Shrikumar, Greenside, Shcherbina, Kundaje 2016 (arXiv 1605.01713).
    """

    name: ClassVar[str] = "gradient_x_input"
    signed: ClassVar[bool] = True

    def _scores(
        self, encoder: Encoder, forward: ForwardPass, targets: Targets, seed: int
    ) -> Float[Tensor, "batch tokens"]:
        state = forward.hidden[self.layer].detach().requires_grad_(True)
        method = captum_attr().InputXGradient(self._explained(encoder, forward.batch, targets))
        return method.attribute(state).sum(dim=-1)


class IntegratedGradients(GradientMethod):
    """The gradient integrated on the straight path from a baseline to the state, signed; Gauss–Legendre.

    The scores and the special tokens' share sum to output(state) − output(baseline). With the log-probability this is
    `Evidence(closed="mask")` at layer 0, and at any layer when that gates special tokens too. At hidden layers [CLS]
    and [SEP] differ between state and baseline: here they travel the path too, and take a share that is not reported;
    evidence by default holds them as they are.

    Source: Sundararajan, Taly, Yan, ICML 2017 (arXiv 1703.01365).

    Attributes:
        baseline: the state that a token has when every token of the text is [MASK] or [PAD], all attended to. RoBERTa
            does not number [PAD] tokens, so with "pad" its baseline lacks the places of the tokens as well.
        steps: of the quadrature; each costs one forward and one backward pass above `layer`.
    """

    name: ClassVar[str] = "integrated_gradients"
    signed: ClassVar[bool] = True

    baseline: Literal["mask", "pad"] = "mask"
    steps: int = Field(default=20, ge=1, le=1000)

    def passes(self, layers: int, tokens: int) -> Passes:
        """A pass there and back above the layer for each step, and the baseline's below it."""
        above = self.steps * (layers - self.layer) / layers
        return Passes(1 + self.layer / layers + above, above)

    def _scores(
        self, encoder: Encoder, forward: ForwardPass, targets: Targets, seed: int
    ) -> Float[Tensor, "batch tokens"]:
        batch = forward.batch
        method = captum_attr().IntegratedGradients(self._explained(encoder, batch, targets))
        integrated = method.attribute(
            forward.hidden[self.layer],
            baselines=self._baseline(encoder, batch),
            n_steps=self.steps,
            method="gausslegendre",
            internal_batch_size=len(targets),  # one step at a time, so that Captum never repeats the batch
        )
        return integrated.sum(dim=-1)

    def _baseline(self, encoder: Encoder, batch: Batch) -> State:
        """The state of the review without its words."""
        token = getattr(encoder.tokenizer, f"{self.baseline}_token_id")
        if token is None:
            other = "pad" if self.baseline == "mask" else "mask"
            raise SettingError(
                f"baseline='{self.baseline}' needs a tokenizer with a {self.baseline} token; use baseline='{other}'"
            )
        return blank_state(encoder, batch, self.layer, token)


class SmoothGrad(GradientMethod):
    """The gradient averaged over noisy copies of the state, times the state itself, summed over features; signed.

    Special tokens are noised like the others.

    Source: Smilkov, Thorat, Kim, Viégas, Wattenberg 2017 (arXiv 1706.03825), with the share of noise of AllenNLP.

    Attributes:
        samples: noisy copies; each costs one forward and one backward pass above `layer`.
        noise: standard deviation, as a share of the range of the review's state: its largest minus its smallest value.
            The range of tens of thousands of values is 8 or 9 of their own σ, so images' 0.1 would drown a token.
    """

    name: ClassVar[str] = "smooth_grad"
    signed: ClassVar[bool] = True

    samples: int = Field(default=20, ge=1)
    noise: float = Field(default=0.01, ge=0)

    def passes(self, layers: int, tokens: int) -> Passes:
        """A pass there and back above the layer for each noisy copy."""
        above = self.samples * (layers - self.layer) / layers
        return Passes(1 + above, above)

    def _scores(
        self, encoder: Encoder, forward: ForwardPass, targets: Targets, seed: int
    ) -> Float[Tensor, "batch tokens"]:
        captum = captum_attr()
        state = forward.hidden[self.layer]
        scores = torch.zeros_like(state[..., 0])
        for i, review in enumerate(forward.batch.reviews):
            own = state[i : i + 1, : len(review)]
            inner = captum.Saliency(self._explained(encoder, encoder.collate([review]), targets[i : i + 1]))
            # Captum draws from torch's global generator, so each review goes alone, without padding, from its own seed.
            with torch.random.fork_rng():
                torch.manual_seed(review.seed(seed))
                gradient = captum.NoiseTunnel(inner).attribute(
                    own,
                    nt_type="smoothgrad",
                    nt_samples=self.samples,
                    nt_samples_batch_size=1,
                    stdevs=self.noise * float(own.max() - own.min()),
                    abs=False,
                )
            scores[i, : len(review)] = (gradient * own)[0].sum(dim=-1)
        return scores


def captum_attr() -> Any:
    """Captum's attribution methods, imported when first needed: that takes seconds.

    Raises:
        MissingExtraError: Captum is not installed.
    """
    try:
        from captum import attr
    except ImportError:
        raise missing_extra("captum", "baselines") from None
    return attr
