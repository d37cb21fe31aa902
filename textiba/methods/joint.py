"""The joint bottleneck: each token has one gate, which stands at several layers at once.

A token's content can get past a bottleneck at one layer, where its neighbours have read it below; and at the layer
above the token can read it again from them. With the same gate at several layers, what is closed stays closed on the
way. Sharing gates over layers is the idea of CoIBA (Hong et al., *Comprehensive Information Bottleneck for Unveiling
Universal Attribution to Interpret Vision Transformers*, CVPR 2025, arXiv 2507.04388). In the code published with it
only the lowest layer's information has a price; here every layer's has.
"""

from collections.abc import Callable, Iterator
from functools import partial
from itertools import pairwise
from typing import ClassVar

import torch
from jaxtyping import Float
from pydantic import Field, field_validator
from torch import Tensor

from textiba.attribution import Attribution
from textiba.bottleneck import Bottleneck
from textiba.encoder import Encoder
from textiba.forward import ForwardPass
from textiba.information import bits
from textiba.methods.base import Passes, require, results
from textiba.methods.optimised import Descent, Optimised, Pass, bits_details, cross_entropies, standard_normal
from textiba.statistics import FeatureStatistics
from textiba.types import State, Targets


class Joint(Optimised):
    """Bits per token: minimise `CE(target, f(Z)) + β · (1/n) Σ_l KL_l` over gates that n layers share.

    At the lowest layer Z mixes noise into R, as in `PerSample`. It runs on; what arrives at the next of the layers is
    the R there, and noise of that layer's μ and σ is mixed into it with the same gates; and so on. KL_l is of what
    arrives, the mean over the noise draws.

    Averaged over reviews, the *sum* of the KL over layers bounds the information that the noised states of all layers
    together hold of the review (the chain rule of the KL, Q being independent over layers). What gets past all of them
    is less: where special tokens are gated too, no more than each layer lets through (the data processing inequality),
    hence no more than the layers' *mean*. The mean is what β is the price of and what is scored, so that both mean what
    they mean at one layer. With one layer, this is `PerSample`.

    Attributes:
        layers: indices into hidden_states, rising.
        beta: the price of a nat of information: of the KL's sum over tokens and features, mean over layers.
        gate_special, steps, learning_rate, samples, antithetic, initial_gate, min_std, tolerance: see `Optimised`.
    """

    name: ClassVar[str] = "joint"

    layers: tuple[int, ...] = Field(default=(1, 2, 3), min_length=1)

    @field_validator("layers")
    @classmethod
    def _rising(cls, layers: tuple[int, ...]) -> tuple[int, ...]:
        if layers[0] < 0 or any(a >= b for a, b in pairwise(layers)):
            raise ValueError("layers are 0 or more, and rise; name each once")
        return layers

    def passes(self, layers: int, tokens: int) -> Passes:
        """A pass there and back above the lowest layer for each step and noise draw, and a last one forward."""
        above = self.samples * (layers - self.layers[0]) / layers
        return Passes(1 + (self.steps + 1) * above, self.steps * above)

    def attribute(
        self,
        encoder: Encoder,
        forward: ForwardPass,
        targets: Targets,
        statistics: FeatureStatistics | None = None,
        seed: int = 0,
    ) -> list[Attribution]:
        """Optimises the gates of all reviews of the batch at once; see `Method.attribute`."""
        for layer in self.layers:
            encoder.check_layer(layer)
        bottlenecks = self._bottlenecks(forward, require(statistics, encoder, self.name))
        lowest = bottlenecks[self.layers[0]]
        state = forward.hidden[self.layers[0]]
        noise = standard_normal(forward.batch.reviews, state, self.samples, self.antithetic, seed)
        beta = state.new_full((len(state),), self.beta)
        run = partial(self._run, encoder, forward, targets, bottlenecks, noise)
        nats, traces = Descent(lowest.gate_logits, run).to(beta, self.steps, self.learning_rate)
        by_layer = bits(nats)
        scores = by_layer.mean(dim=0)
        gates = lowest.gates().detach().squeeze(-1)
        details = bits_details(forward, scores, gates, *traces, beta, self.tolerance, by_layer)
        return results(self, None, encoder, forward, targets, scores, details)

    def _bottlenecks(self, forward: ForwardPass, statistics: FeatureStatistics) -> dict[int, Bottleneck]:
        """By layer; they share one set of gates."""
        spreads = []
        for layer in self.layers:
            mean, std = statistics.at(layer, forward.hidden[layer])
            spreads.append((mean, std.clamp_min(self.min_std)))
        mean, std = spreads[0]
        first = Bottleneck(mean, std, self.gated(forward), self.initial_logit)
        return dict(zip(self.layers, [first, *(first.at(*spread) for spread in spreads[1:])], strict=True))

    def _run(
        self,
        encoder: Encoder,
        forward: ForwardPass,
        targets: Targets,
        bottlenecks: dict[int, Bottleneck],
        noise: Iterator[Float[Tensor, "samples batch tokens features"]],
    ) -> Pass:
        """One pass with fresh noise: cross-entropy of the target, and the information at each layer, nats."""
        passed: list[Float[Tensor, "batch tokens"]] = []

        def through(bottleneck: Bottleneck) -> Callable[[State], State]:
            def change(arriving: State) -> State:
                noisy, nats = bottleneck(arriving.unflatten(0, (self.samples, -1)), next(noise))
                passed.append(nats.mean(dim=0))
                return noisy.flatten(0, 1)

            return change

        lowest, *above = self.layers
        noisy, nats = bottlenecks[lowest](forward.hidden[lowest], next(noise))
        passed.append(nats)
        changes = {layer: through(bottlenecks[layer]) for layer in above}
        logits = encoder.run_from(forward.batch.repeat(self.samples), lowest, noisy.flatten(0, 1), changes)
        return cross_entropies(logits, targets, self.samples), torch.stack(passed)
