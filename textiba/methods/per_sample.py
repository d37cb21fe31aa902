"""The per-sample bottleneck: for each text, gates that keep the prediction with the fewest bits.

Source: Schulz et al., *Restricting the Flow*, ICLR 2020, section 3.1, on a transformer's hidden states.
"""

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Annotated, ClassVar, Literal

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor

from textiba.attribution import Attribution
from textiba.bottleneck.gates import Bottleneck
from textiba.bottleneck.readout import readout_for, readout_identity
from textiba.bottleneck.statistics import FeatureStatistics
from textiba.information import beta_for_sum, bits
from textiba.methods.base import LayerMethod, Method, Passes, require
from textiba.methods.optimised import Optimised, Pass, bits_details, cross_entropies, descend, standard_normal
from textiba.methods.results import results
from textiba.model.forward import ForwardPass
from textiba.model.view import Model
from textiba.types import State, Targets


class PerSampleBottleneck(Optimised, LayerMethod):
    """Bits per token: minimise `CE(target, f(Z)) + β · KL` over the gates of each text.

    Attributes:
        layer: index into hidden_states of the layer where the bottleneck sits; None takes a third of the depth (layer 2
            of 6, 4 of 12).
        beta: weight of the KL in the loss, per nat; see `beta_on`.
        beta_on: "sum": β multiplies the KL's sum over tokens and features; "mean": β multiplies the KL's mean, as in
            the paper (β_mean = β_sum · k, with k the number of gated elements).
        gates: "token" for one gate per token, "feature" for one gate per feature of each token.
        readout: a trained readout network whose predicted gates replace `initial_gate` as a warm start, so that fewer
            steps and a lower learning rate suffice: "built-in" for the network that comes with the checkpoint, or a
            folder or file; None for no network.
        path: values of β at which the gates are optimised before `beta`, with `steps` steps at each value (β
            continuation). The optimisation at each value starts from the gates at the previous value (a warm start).
            With values from low to high, fewer steps at each value suffice.
        gate_special, steps, learning_rate, samples, antithetic, initial_gate, min_std, tolerance: see `Optimised`.
    """

    name: ClassVar[str] = "per_sample"
    depth: ClassVar[float] = 1 / 3

    beta_on: Literal["sum", "mean"] = "sum"
    gates: Literal["token", "feature"] = "token"
    readout: str | None = None
    path: tuple[Annotated[float, Field(ge=0)], ...] = ()

    def _passes(self, layers: int, tokens: int) -> Passes:
        """One forward and one backward pass above the layer for each noise draw, step and β.

        One more forward pass for each noise draw gives the final result.
        """
        above = self.samples * (layers - self.place) / layers
        steps = (1 + len(self.path)) * self.steps
        return Passes(1 + (steps + 1) * above, steps * above)

    def files(self, model: Model) -> dict[str, str]:
        """See `Method.files`."""
        return {} if self.readout is None else {f"readout {self.readout}": readout_identity(model, self.readout)}

    def _attribute(
        self,
        model: Model,
        forward: ForwardPass,
        targets: Targets,
        statistics: FeatureStatistics | None,
        seed: int,
    ) -> list[Attribution]:
        """Optimises the gates of all texts of the batch at once, at each β of `path` and then at `beta`."""
        *_, last = self._along((*self.path, self.beta), model, forward, targets, statistics, seed)
        return last

    def _along(
        self,
        betas: Sequence[float],
        model: Model,
        forward: ForwardPass,
        targets: Targets,
        statistics: FeatureStatistics | None,
        seed: int,
    ) -> Iterator[list[Attribution]]:
        """Yields the results at each β; each optimisation is a warm start from the gates at the previous β."""
        statistics = require(statistics, model, self.name)
        state = forward.hidden_states[self.place]
        mean, std = statistics.at(self.place, state)
        gated = self.gated(forward)
        start = self._start(model, forward)
        bottleneck = Bottleneck(mean, std.clamp_min(self.min_std), gated, start, self.gates == "feature", forward.batch)
        noise = standard_normal(forward.batch, state, self.samples, self.antithetic, seed)
        run = partial(self._run, model, forward, targets, bottleneck, state, noise)
        prices = [self._price(beta, forward.batch.shared(gated.to(state)), state) for beta in betas]
        optima = descend(bottleneck.gate_logits, run, prices, self.steps, self.learning_rate)
        for number, (optimum, price) in enumerate(zip(optima, prices, strict=True)):
            with torch.no_grad():
                scores, gates = bits(bottleneck.information(state)), bottleneck.gates().mean(dim=-1)
            details = bits_details(forward, scores, gates, optimum, price, self.tolerance)
            variant = self.model_copy(update={"beta": betas[number], "path": tuple(betas[:number])})
            scores = forward.batch.by_token(scores)
            yield results(variant, self.place, model, forward, targets, scores, details)

    def _start(self, model: Model, forward: ForwardPass) -> float | Float[Tensor, "batch tokens 1"]:
        """The logits of the gates before the first step."""
        if self.readout is None:
            return self.initial_logit
        with torch.no_grad():
            predicted = readout_for(model, self.readout).at(self.place, forward.hidden_states)
        # The readout was not trained for special tokens.
        start = predicted.masked_fill(~forward.batch.content, self.initial_logit)
        return forward.batch.by_token(forward.batch.shared(start)).unsqueeze(-1)

    def _run(
        self,
        model: Model,
        forward: ForwardPass,
        targets: Targets,
        bottleneck: Bottleneck,
        state: State,
        noise: Iterator[Float[Tensor, "samples batch tokens features"]],
    ) -> Pass:
        """Runs one pass with fresh noise; returns the target's cross-entropy and the layer's information, in nats."""
        noisy, nats = bottleneck(state, next(noise))
        logits = model.run_from(forward.batch.repeat(self.samples), self.place, noisy.flatten(0, 1))
        return cross_entropies(model, logits, targets, self.samples), nats.unsqueeze(0)

    def _price(self, beta: float, gated: Float[Tensor, "batch tokens"], state: State) -> Float[Tensor, " batch"]:
        """The weight of each text's KL sum; with `beta_on="mean"` the weight depends on the number of gated tokens."""
        if self.beta_on == "sum":
            return state.new_full((len(state),), beta)
        return state.new_tensor([beta_for_sum(beta, round(n) * state.shape[2]) for n in gated.sum(dim=1).tolist()])


class BetaPath(PerSampleBottleneck):
    """The per-sample bottleneck at several values of β, each a warm start from the gates at the previous value.

    The results equal those of `PerSampleBottleneck(beta=b, path=(the values before b))` for each value b, and n values
    cost n · steps + 1 passes in all. `sweep_grid(…, path=True)` returns this method.

    Attributes:
        betas: the values of β, in order.
    """

    betas: tuple[Annotated[float, Field(ge=0)], ...] = Field(min_length=1)

    def variants(self) -> tuple[Method, ...]:
        """See `Method.variants`."""
        settings = self.model_dump(exclude={"betas", "beta", "path"})
        return tuple(
            PerSampleBottleneck(**settings, beta=beta, path=self.betas[:number])
            for number, beta in enumerate(self.betas)
        )

    def _passes(self, layers: int, tokens: int) -> Passes:
        """The cost of all values of β together."""
        above = self.samples * (layers - self.place) / layers
        steps = len(self.betas) * self.steps
        return Passes(1 + (steps + 1) * above, steps * above)

    def _attribute(
        self,
        model: Model,
        forward: ForwardPass,
        targets: Targets,
        statistics: FeatureStatistics | None,
        seed: int,
    ) -> list[Attribution]:
        """Returns the results at the first β, then the results at the second β, and so on."""
        settings = self.model_dump(exclude={"betas"})
        single = PerSampleBottleneck(**settings)
        return [a for found in single._along(self.betas, model, forward, targets, statistics, seed) for a in found]
