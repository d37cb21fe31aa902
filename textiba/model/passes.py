"""The passes of a model: of all its layers, up to a layer, or from a layer; long texts run in windows."""

import abc
from collections.abc import Mapping
from functools import partial
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from textiba.errors import LayerError
from textiba.model.batching import Batching
from textiba.model.forward import ForwardPass, HiddenStates, finite
from textiba.model.network import Network
from textiba.model.reading import TargetOutput
from textiba.model.splice import Change, in_float32
from textiba.model.torch_state import own_torch_state
from textiba.model.windows import changed_by_text, combined, joined, pieces, run_by_piece
from textiba.texts.batches import Batch
from textiba.types import Logits, State, Targets, at_least_float32


class Running(Batching, abc.ABC):
    """A model that can be run to and from any layer.

    Attributes:
        name: name of the checkpoint in results.
    """

    name: str
    _network: Network

    @property
    def n_layers(self) -> int:
        """The number L of layers."""
        return len(self._network.layers)

    def inputs(self, batch: Batch) -> dict[str, Tensor]:
        """Returns the keyword arguments that the model is called with for a batch, with a row for each window."""
        return self._network.inputs(batch.rows)

    def check_layer(self, layer: int) -> None:
        """Raises `LayerError` unless `0 ≤ layer ≤ L`."""
        if not 0 <= layer <= self.n_layers:
            raise LayerError(
                f"a layer is between 0 (the embedding output) and {self.n_layers} (the last layer's output) "
                f"in {self.name}; got {layer}"
            )

    @own_torch_state(gradients=False)
    def logits(self, batch: Batch) -> Logits:
        """Returns the logits of every outcome, from one pass of the whole model.

        Raises:
            NotFiniteError: the model returned NaN or infinity.
        """
        found = [self._logits(rows, narrow=True) for rows, _ in pieces(batch)]
        return finite(self._combined(joined(found), batch), batch, self.name)

    @own_torch_state(gradients=False)
    def forward(self, batch: Batch) -> ForwardPass:
        """Runs one pass of the whole model, and returns every hidden state and the logits.

        If the head reads only the first token, the last hidden state of the other tokens is computed lazily. For a
        batch of windows, every state is.

        Raises:
            NotFiniteError: the model returned NaN or infinity.
        """
        if batch.unrolled is not None:  # states of all layers and windows would take much memory
            return ForwardPass(batch, HiddenStates(self.n_layers, {}, partial(self.run_to, batch)), self.logits(batch))
        output, states = self._network.record(batch, narrow=True)
        logits = finite(self.reading.logits(output, batch), batch, self.name)
        kept = [at_least_float32(state) for state in states]
        if len(kept) > self.n_layers:
            return ForwardPass(batch, tuple(kept), logits)
        last = partial(self._through_last, batch, states[-1])
        return ForwardPass(batch, HiddenStates(self.n_layers, dict(enumerate(kept)), last), logits)

    @torch.no_grad()
    def run_to(self, batch: Batch, layer: int) -> State:
        """Returns `hidden_states[layer]`, without gradients. Layers above are not run.

        Raises:
            LayerError: the model has no such layer.
        """
        self.check_layer(layer)
        states = [self._network.record(rows, stop=layer)[1][-1] for rows, _ in pieces(batch)]
        return at_least_float32(batch.by_text(joined(states)))

    def run_from(self, batch: Batch, layer: int, state: State, through: Mapping[int, Change] | None = None) -> Logits:
        """Returns the logits with `state` in place of `hidden_states[layer]`; differentiable in `state`.

        Only layers `layer … L−1` and the head are run. If the head reads only the first token, and there is no change
        at L, the last layer is computed for the first token only.

        Args:
            batch: the texts, with as many rows as `state`; they give the attention mask.
            layer: index into hidden_states, 0 … L.
            state: state [batch, tokens, features], of any floating type.
            through: {l: change} with `layer < l ≤ L`: `change(arriving)` replaces the state that arrives at layer l.
                Changes receive float32 or float64, and are called once each, in the order of the layers.

        Raises:
            LayerError: the model has no such layer, or a change is not above `layer`.
        """
        self.check_layer(layer)
        for above in through or {}:
            self.check_layer(above)
            if above <= layer:
                raise LayerError(
                    f"a run from layer {layer} takes changes only at layers above {layer}; got a change at {above}"
                )
        changes = {
            place: partial(in_float32, partial(changed_by_text, batch, change))
            for place, change in (through or {}).items()
        }
        narrow = not (layer == self.n_layers or self.n_layers in changes)
        states = batch.by_window(state.to(self.module.dtype))

        def run(rows: Batch, state: State) -> Logits:
            return self._logits(rows, narrow=narrow, enter=layer, state=state, changes=changes)

        # A change receives the states of all texts at once.
        found = run(batch.rows, states) if changes else run_by_piece(run, batch, states)
        return self._combined(found, batch)

    def predict(self, forward: ForwardPass) -> Targets:
        """Returns the index of the most probable outcome of each text."""
        return forward.logits.argmax(dim=1)

    def probabilities(self, logits: Logits) -> Logits:
        """Returns the probability of every outcome."""
        return self.reading.log_probabilities(logits).exp()

    def target_output(self, logits: Logits, targets: Targets, output: TargetOutput = "auto") -> Float[Tensor, " batch"]:
        """Returns the target's output (such as its log-probability) in each row; see `Reading.target_output`."""
        return self.reading.target_output(logits, targets, output)

    @torch.no_grad()
    def _through_last(self, batch: Batch, state: State, layer: int) -> State:
        """Returns `hidden_states[L]` of all tokens, from `hidden_states[L − 1]`; `layer` is L."""
        _, states = self._network.record(batch, enter=layer - 1, state=state, stop=layer)
        return at_least_float32(states[-1])

    def _combined(self, logits: Float[Tensor, "windows labels"], batch: Batch) -> Logits:
        """Returns the logits of each text from those of the batch's rows."""
        if self.windows is None:
            return logits
        return combined(logits, batch, self.reading, self.windows.combine)

    def _logits(self, batch: Batch, **what: Any) -> Logits:
        return self.reading.logits(self._network.output(batch, **what), batch)
