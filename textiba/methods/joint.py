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
from textiba.bottleneck.gates import Bottleneck
from textiba.bottleneck.statistics import FeatureStatistics
from textiba.information import bits
from textiba.methods.base import Passes, low_layers, require, results
from textiba.methods.optimised import Optimised, Pass, bits_details, cross_entropies, descend, standard_normal
from textiba.model.forward import ForwardPass
from textiba.model.view import Model
from textiba.types import State, Targets


class JointBottleneck(Optimised):
    """Bits per token: minimise `CE(target, f(Z)) + β · (1/n) Σ_l KL_l` over gates that n layers share.

    At the lowest layer, Z mixes noise into R, as in `PerSampleBottleneck`. The run continues from Z. The state that
    arrives at the next of the layers is the R there, and noise with that layer's μ and σ is mixed into it with the same
    gates; and so on. KL_l is the mean over the noise draws, for the state that arrives at layer l.

    Averaged over texts, the *sum* of the KL over layers bounds the information that the noised states of all layers
    together hold of the text (the chain rule of the KL, Q being independent over layers). What gets past all of them
    is less: where special tokens are gated too, no more than each layer lets through (the data processing inequality),
    hence no more than the layers' *mean*. The mean is what β is the price of and what is scored, so that both mean what
    they mean at one layer. With one layer, this is `PerSampleBottleneck`.

    Attributes:
        layers: indices into hidden_states, rising; None takes a sixth, a third and a half of the depth (1, 2, 3 of 6).
        beta: the price of a nat of information: of the KL's sum over tokens and features, mean over layers.
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
            raise ValueError("layers are 0 or more, and rise; name each once")
        return layers

    def at_depth(self, layers: int) -> "JointBottleneck":
        """See `Method.at_depth`."""
        return self if self.layers is not None else self.model_copy(update={"layers": low_layers(layers)})

    @property
    def layers_used(self) -> tuple[int, ...]:
        """See `Method.layers_used`."""
        return self.layers or ()

    def _passes(self, layers: int, tokens: int) -> Passes:
        """A pass there and back above the lowest layer for each step and noise draw, and a last one forward."""
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
        noise = standard_normal(forward.batch.texts, state, self.samples, self.antithetic, seed)
        beta = state.new_full((len(state),), self.beta)
        run = partial(self._run, model, forward, targets, bottlenecks, state, noise)
        [optimum] = descend(lowest.gate_logits, run, [beta], self.steps, self.learning_rate)
        by_layer = bits(optimum.nats)
        scores = by_layer.mean(dim=0)
        gates = lowest.gates().detach().squeeze(-1)
        details = bits_details(forward, scores, gates, optimum, beta, self.tolerance, by_layer)
        return results(self, None, model, forward, targets, scores, details)

    def _bottlenecks(self, forward: ForwardPass, statistics: FeatureStatistics) -> dict[int, Bottleneck]:
        """By layer; they share one set of gates."""
        spreads = []
        for layer in self.layers_used:
            mean, std = statistics.at(layer, forward.hidden_states[layer])
            spreads.append((mean, std.clamp_min(self.min_std)))
        mean, std = spreads[0]
        first = Bottleneck(mean, std, self.gated(forward), self.initial_logit)
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
        """One pass with fresh noise: cross-entropy of the target, and the information at each layer, nats."""
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
