"""The per-sample bottleneck: for each review, the gates that keep its prediction with the fewest bits.

Source: Schulz et al., *Restricting the Flow*, ICLR 2020, section 3.1, on a transformer's hidden states.
"""

from collections.abc import Hashable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Annotated, ClassVar, Literal

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor

from textiba.attribution import Attribution
from textiba.bottleneck import Bottleneck
from textiba.encoder import Encoder
from textiba.forward import ForwardPass
from textiba.information import beta_for_sum, bits
from textiba.methods.base import Passes, require, results
from textiba.methods.optimised import Descent, Optimised, Pass, Trace, bits_details, cross_entropies, standard_normal
from textiba.readout import readout_for, readout_identity
from textiba.statistics import FeatureStatistics
from textiba.types import Mask, State, Targets


@dataclass(frozen=True, eq=False)
class _Found:
    """Where an optimisation has ended.

    Attributes:
        scores: bits of every token.
        gates: λ, mean over the features.
        traces: cross-entropy and information of every pass.
        beta: the price of a nat of the sum, for each review.
        bottleneck: with the gates, for whoever goes further.
        descent: of the gates.
    """

    scores: Float[Tensor, "batch tokens"]
    gates: Float[Tensor, "batch tokens"]
    traces: Trace
    beta: Float[Tensor, " batch"]
    bottleneck: Bottleneck
    descent: Descent


class PerSample(Optimised):
    """Bits per token: minimise `CE(target, f(Z)) + β · KL` over the gates of each review.

    Attributes:
        layer: index into hidden_states where the bottleneck sits.
        beta: the price of a nat of information; see `beta_on`.
        beta_on: "sum": β multiplies the KL summed over tokens and features; "mean": its mean over them, as in the
            paper (β_mean = β_sum · k, with k the number of gated elements).
        gates: "token" for one gate a token, "feature" for one for every feature of every token.
        readout: a trained readout network, whose gates are where the optimisation starts instead of `initial_gate` (a
            warm start: fewer steps and a lower learning rate do): "built-in" for the one that comes with the
            checkpoint, or a folder or a file.
        path: values of β that the gates go through before `beta`, each from where the last has left them, with `steps`
            steps at each; the last pass at one is the first at the next. Rising, it is what the gates do of their own
            when they close from open: fewer steps at each do. Methods that go one way further each share it: a sweep
            of n values costs n times `steps`.
        gate_special, steps, learning_rate, samples, antithetic, initial_gate, min_std, tolerance: see `Optimised`.
    """

    name: ClassVar[str] = "per_sample"

    layer: int = Field(default=2, ge=0)
    beta_on: Literal["sum", "mean"] = "sum"
    gates: Literal["token", "feature"] = "token"
    readout: str | None = None
    path: tuple[Annotated[float, Field(ge=0)], ...] = ()

    def passes(self, layers: int, tokens: int) -> Passes:
        """A pass there and back above the layer for each noise draw and step at every β, and a last one forward."""
        above = self.samples * (layers - self.layer) / layers
        steps = (1 + len(self.path)) * self.steps
        return Passes(1 + (steps + 1) * above, steps * above)

    @property
    def before(self) -> "PerSample | None":
        """See `Method.before`."""
        if not self.path:
            return None
        *path, beta = self.path
        return self.model_copy(update={"path": tuple(path), "beta": beta})

    def rests_on(self, encoder: Encoder) -> dict[str, str]:
        """See `Method.rests_on`."""
        return {} if self.readout is None else {f"readout {self.readout}": readout_identity(encoder, self.readout)}

    def attribute(
        self,
        encoder: Encoder,
        forward: ForwardPass,
        targets: Targets,
        statistics: FeatureStatistics | None = None,
        seed: int = 0,
    ) -> list[Attribution]:
        """Optimises the gates of all reviews of the batch at once; see `Method.attribute`."""
        encoder.check_layer(self.layer)
        statistics = require(statistics, encoder, self.name)
        found = self._found(encoder, forward, targets, statistics, seed, further=self in forward.awaited)
        details = bits_details(forward, found.scores, found.gates, *found.traces, found.beta, self.tolerance)
        return results(self, self.layer, encoder, forward, targets, found.scores, details)

    def _found(
        self,
        encoder: Encoder,
        forward: ForwardPass,
        targets: Targets,
        statistics: FeatureStatistics,
        seed: int,
        further: bool,
    ) -> _Found:
        """Where the optimisation ends; where another goes `further` from there, it is kept for that one to take."""
        key = self._key(targets, statistics, seed)
        if key in forward.memory:
            return forward.memory[key]
        if self.before:
            last = self.before._found(encoder, forward, targets, statistics, seed, further=True)
            del forward.memory[self.before._key(targets, statistics, seed)]  # its gates are about to change
            bottleneck, descent = last.bottleneck, last.descent
        else:
            bottleneck, descent = self._begun(encoder, forward, targets, statistics, seed)
        state = forward.hidden[self.layer]
        beta = self._beta(self.gated(forward), state)
        _, traces = descent.to(beta, self.steps, self.learning_rate, further)
        with torch.no_grad():
            scores, gates = bits(bottleneck.information(state)), bottleneck.gates().mean(dim=-1)
        found = _Found(scores, gates, traces, beta, bottleneck, descent)
        if further:
            forward.memory[key] = found
        return found

    def _key(self, targets: Targets, statistics: FeatureStatistics, seed: int) -> Hashable:
        return self, statistics.identity, seed, tuple(targets.tolist())

    def _begun(
        self, encoder: Encoder, forward: ForwardPass, targets: Targets, statistics: FeatureStatistics, seed: int
    ) -> tuple[Bottleneck, Descent]:
        """The gates before the first step."""
        state, start = forward.hidden[self.layer], self.initial_logit
        if self.readout is not None:
            with torch.no_grad():
                predicted = readout_for(encoder, self.readout).at(self.layer, forward.hidden)
            # Special tokens: it knows none.
            start = predicted.masked_fill(~forward.batch.content, self.initial_logit).unsqueeze(-1)
        mean, std = statistics.at(self.layer, state)
        spread = std.clamp_min(self.min_std)
        bottleneck = Bottleneck(mean, spread, self.gated(forward), start, self.gates == "feature")
        noise = standard_normal(forward.batch.reviews, state, self.samples, self.antithetic, seed)
        run = partial(self._run, encoder, forward, targets, bottleneck, noise)
        return bottleneck, Descent(bottleneck.gate_logits, run)

    def _run(
        self,
        encoder: Encoder,
        forward: ForwardPass,
        targets: Targets,
        bottleneck: Bottleneck,
        noise: Iterator[Float[Tensor, "samples batch tokens features"]],
    ) -> Pass:
        """One pass with fresh noise: cross-entropy of the target, and the information at this one layer, nats."""
        noisy, nats = bottleneck(forward.hidden[self.layer], next(noise))
        logits = encoder.run_from(forward.batch.repeat(self.samples), self.layer, noisy.flatten(0, 1))
        return cross_entropies(logits, targets, self.samples), nats.unsqueeze(0)

    def _beta(self, gated: Mask, state: State) -> Float[Tensor, " batch"]:
        """β on the sum, for each review: only "mean" depends on its length."""
        if self.beta_on == "sum":
            return state.new_full((len(state),), self.beta)
        return state.new_tensor([beta_for_sum(self.beta, int(n) * state.shape[2]) for n in gated.sum(dim=1)])
