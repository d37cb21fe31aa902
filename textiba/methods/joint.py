"""The joint bottleneck: each token has one gate, which is applied at several layers.

A token's content can bypass a bottleneck at a single layer: attention below the bottleneck copies the content to
neighbouring tokens, and attention above the bottleneck copies it back. If one gate is applied at several layers, a
closed gate also stops the content that returns between these layers. Sharing gates over layers is the idea of CoIBA
(Hong et al., *Comprehensive Information Bottleneck for Unveiling Universal Attribution to Interpret Vision
Transformers*, CVPR 2025, arXiv 2507.04388). In CoIBA's published code the loss contains only the lowest layer's
information; here the loss contains the information of every layer.
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
from textiba.bottleneck.gates import Bottleneck
from textiba.bottleneck.statistics import FeatureStatistics
from textiba.information import bits
from textiba.methods.base import Passes, low_layers, require
from textiba.methods.optimised import Optimised, Pass, bits_details, cross_entropies, descend, standard_normal
from textiba.methods.results import results
from textiba.model.forward import ForwardPass
from textiba.model.view import Model
from textiba.types import State, Targets


class JointBottleneck(Optimised):
    """Bits per token: minimise `CE(target, f(Z)) + β · (1/n) Σ_l KL_l` over gates that n layers share.

    At the lowest layer, Z mixes noise into R, as in `PerSampleBottleneck`. The run continues from Z. At each further
    layer, R is the state that arrives there, and the same gates mix noise with that layer's μ and σ into R. KL_l is the
    KL for the state that arrives at layer l, averaged over the noise draws.

    Averaged over texts, the *sum* of the KL over layers bounds the information about the text that the noised states of
    all layers hold together (chain rule of the KL; Q is independent over layers). The information that passes all
    layers is smaller. If special tokens are gated too, the information that passes all layers is at most the KL of each
    single layer (data processing inequality), so it is also at most the *mean* over layers. The loss and the scores use
    this mean, so that β and bits have the same meaning as with one layer. With one layer, this method equals
    `PerSampleBottleneck`.

    Attributes:
        layers: indices into hidden_states, in increasing order; None takes a sixth, a third and a half of the depth
            (layers 1, 2, 3 of 6).
        beta: weight of the KL in nats; the KL is summed over tokens and features, and averaged over layers.
        gate_special, steps, learning_rate, samples, antithetic, initial_gate, min_std, tolerance: see `Optimised`.
    """

    name: ClassVar[str] = "joint"

    layers: tuple[int, ...] | None = Field(default=None, min_length=1)

    @field_validator("layers")
    @classmethod
    def _rising(cls, layers: tuple[int, ...] | None) -> tuple[int, ...] | None:
        if layers is None:
            return None
        if layers[0] < 0 or any(a >= b for a, b in pairwise(layers)):
            raise ValueError("layers must be 0 or more, in increasing order, each once")
        return layers

    def at_depth(self, layers: int) -> "JointBottleneck":
        """See `Method.at_depth`."""
        return self if self.layers is not None else self.model_copy(update={"layers": low_layers(layers)})

    @property
    def layers_used(self) -> tuple[int, ...]:
        """See `Method.layers_used`."""
        return self.layers or ()

    def _passes(self, layers: int, tokens: int) -> Passes:
        """One forward and one backward pass above the lowest layer for each step and noise draw.

        One more forward pass for each noise draw gives the final result.
        """
        above = self.samples * (layers - self.layers_used[0]) / layers
        return Passes(1 + (self.steps + 1) * above, self.steps * above)

    def _attribute(
        self,
        model: Model,
        forward: ForwardPass,
        targets: Targets,
        statistics: FeatureStatistics | None,
        seed: int,
    ) -> list[Attribution]:
        """Optimises the gates of all texts of the batch at once; see `Method.attribute`."""
        bottlenecks = self._bottlenecks(forward, require(statistics, model, self.name))
        lowest = bottlenecks[self.layers_used[0]]
        state = forward.hidden_states[self.layers_used[0]]
        noise = standard_normal(forward.batch, state, self.samples, self.antithetic, seed)
        beta = state.new_full((len(state),), self.beta)
        run = partial(self._run, model, forward, targets, bottlenecks, state, noise)
        [optimum] = descend(lowest.gate_logits, run, [beta], self.steps, self.learning_rate)
        by_layer = bits(optimum.nats)
        scores = by_layer.mean(dim=0)
        gates = lowest.gates().detach().squeeze(-1)
        details = bits_details(forward, scores, gates, optimum, beta, self.tolerance, by_layer)
        return results(self, None, model, forward, targets, forward.batch.by_token(scores), details)

    def _bottlenecks(self, forward: ForwardPass, statistics: FeatureStatistics) -> dict[int, Bottleneck]:
        """One bottleneck for each layer; all share one set of gates."""
        spreads = []
        for layer in self.layers_used:
            mean, std = statistics.at(layer, forward.hidden_states[layer])
            spreads.append((mean, std.clamp_min(self.min_std)))
        mean, std = spreads[0]
        first = Bottleneck(mean, std, self.gated(forward), self.initial_logit, batch=forward.batch)
        return dict(zip(self.layers_used, [first, *(first.at(*spread) for spread in spreads[1:])], strict=True))

    def _run(
        self,
        model: Model,
        forward: ForwardPass,
        targets: Targets,
        bottlenecks: dict[int, Bottleneck],
        state: State,
        noise: Iterator[Float[Tensor, "samples batch tokens features"]],
    ) -> Pass:
        """Runs one pass with fresh noise; returns the target's cross-entropy and each layer's information, in nats."""
        passed: list[Float[Tensor, "batch tokens"]] = []

        def through(bottleneck: Bottleneck) -> Callable[[State], State]:
            def change(arriving: State) -> State:
                noisy, nats = bottleneck(arriving.unflatten(0, (self.samples, -1)), next(noise))
                passed.append(nats.mean(dim=0))
                return noisy.flatten(0, 1)

            return change

        lowest, *above = self.layers_used
        noisy, nats = bottlenecks[lowest](state, next(noise))
        passed.append(nats)
        changes = {layer: through(bottlenecks[layer]) for layer in above}
        logits = model.run_from(forward.batch.repeat(self.samples), lowest, noisy.flatten(0, 1), changes)
        return cross_entropies(model, logits, targets, self.samples), torch.stack(passed)
