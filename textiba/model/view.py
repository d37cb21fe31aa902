"""`Model`: a read-only view of a Hugging Face model whose forward pass can be split at any layer.

`hidden_states[l]` is the input of layer l (0 is the embedding output), and `hidden_states[L]` is the output of the last
layer. `run_to(l)` returns `hidden_states[l]`. `run_from(l, state)` continues from a state through layers l … L−1 and
the head. The model's own code makes masks and positions and runs the layers and the head; see `textiba.model.splice`.
"""

import copy
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import cached_property
from typing import Any, SupportsIndex

import torch
from torch import nn

from textiba.model.admission import check_vocabulary, refuse_unsupported
from textiba.model.check import Examination, sample_batches
from textiba.model.limits import usable_length
from textiba.model.network import Network, weights_hash
from textiba.model.outcomes import Outcome, default_outcome
from textiba.model.passes import Running
from textiba.model.reading import find_label
from textiba.model.splice import view
from textiba.model.torch_state import own_torch_state
from textiba.model.windows import checked_windows, reading_windows
from textiba.model.wrappers import unwrapped
from textiba.texts.windows import Windows


class Model(Running):
    """A Hugging Face model, its tokenizer, and the question that the model is asked.

    The given model is never changed: the view has its own modules in evaluation mode, which share the weights' memory
    and require no gradients. The constructor finds the layers by observing one pass. A self-check of a few more passes
    then tests that every layer can be entered exactly; a model that fails this check is refused.

    Args:
        module: a Hugging Face model: `…ForSequenceClassification`, or another model whose output the outcome can read.
            Adapters need not be merged. The view is without `torch.compile`, `DataParallel` and accelerate's hooks.
        tokenizer: the model's fast tokenizer.
        name: name of the checkpoint in results.
        max_length: largest number of tokens that the model reads at once; longer texts are cut, or read in `windows`.
            None takes the model's own limit.
        fingerprint: identifier of the weights, if the loader has a better one than a hash of the weights.
        outcome: the question that the model is asked; None takes the outcome of the model's head and config (`Classes`,
            `Labels` or `Above`).
        windows: how longer texts are read in overlapping windows; None cuts them.

    Attributes:
        name: name of the checkpoint in results.
        source: the given name, which a copy in another precision keeps.
        outcome: the question that the model is asked.
        reading: the outcome bound to this model.
        reads: the tokens of the last hidden state that the head reads: the "first", the "last", or "all".
        can_merge: whether content tokens with equal hidden states can be merged into one; see `Batch.merge`.

    Raises:
        UnsupportedModelError: the model cannot be split at its layers, the outcome cannot read its output, or the
            tokenizer is a slow one; the message says which.
        NotFiniteError: the model returned NaN or infinity for random tokens.
        InputError: `max_length` is out of range, or the tokenizer belongs to another model.
        TargetError, SettingError: the outcome does not fit the model (see `Outcome.bind`), or windows of `max_length`
            tokens would share all of them.
    """

    def __init__(
        self,
        module: Any,
        tokenizer: Any,
        name: str = "model",
        max_length: int | None = None,
        fingerprint: str | None = None,
        outcome: Outcome | None = None,
        windows: Windows | None = None,
    ):
        module = unwrapped(module)
        refuse_unsupported(module, tokenizer)
        self.outcome = outcome or default_outcome(module)
        self.tokenizer = tokenizer
        self.name = self.source = name
        self._network = Network(module, tokenizer)
        self._given_fingerprint = fingerprint
        self.max_length = usable_length(self.module, tokenizer, max_length)
        self.windows = None if windows is None else checked_windows(windows, self.max_length)
        check_vocabulary(self.module, tokenizer, name)
        self._ask(find=True)

    @property
    def module(self) -> Any:
        """The view itself: the whole model, in evaluation mode and without weight gradients."""
        return self._network.module

    @property
    def labels(self) -> tuple[str, ...]:
        """The names of the outcomes."""
        return self.reading.labels

    @property
    def n_labels(self) -> int:
        """The number of outcomes."""
        return len(self.labels)

    @property
    def layers_path(self) -> str:
        """The dotted path from `module` to the list of layers."""
        return self._network.layers.path

    @property
    def layers(self) -> list[nn.Module]:
        """The module of each layer, in order; one module may be several layers (ALBERT)."""
        return self._network.layer_modules()

    @property
    def device(self) -> torch.device:
        """The device of the weights."""
        return next(self.module.parameters()).device

    def __repr__(self) -> str:
        return (
            f"<Model {self.name}: {type(self.module).__name__}, {self.n_layers} layers, asks {self.reading.words} "
            f"({', '.join(self.labels[:4])}{', …' if self.n_labels > 4 else ''}), at most {self.max_length} tokens"
            f"{'' if self.windows is None else ' at once'}>"
        )

    def asking(self, outcome: Outcome) -> "Model":
        """Returns the same model with another outcome; the weights are shared.

        Args:
            outcome: the question that the returned model is asked.

        Raises:
            TargetError, SettingError, UnsupportedModelError: the outcome does not fit the model; see `Outcome.bind`.
        """
        twin = copy.copy(self)
        twin._network = self._network.twin(self.module)
        twin.outcome = outcome
        twin._ask()
        return twin

    def copy(self, change: Callable[["Model"], None] = lambda _: None) -> "Model":
        """Returns a second view that shares this view's weights.

        Args:
            change: function that may replace modules of the copy; this view is not affected.
        """
        twin = copy.copy(self)

        def changed(network: Network) -> None:
            twin._network = network
            change(twin)

        twin._network = self._network.twin(view(self.module), changed)
        return twin

    def run_within(self, context: Callable[[], AbstractContextManager[object]]) -> None:
        """Makes `run_from` run the network inside a context, such as rules for gradients; for the change of a copy."""
        self._network.within = context

    def to(self, device: torch.device | str) -> "Model":
        """Moves the view's weights to a device, and returns the view; the given model is not moved."""
        self.module.to(device)
        return self

    def in_precision(self, dtype: torch.dtype) -> "Model":
        """Returns the same model with a copy of its weights in another type, such as bfloat16.

        Hidden states, gates, statistics and logits stay in float32. The copy's name, which results contain, ends in the
        name of the type.
        """
        twin = copy.copy(self)
        twin._network = self._network.twin(copy.deepcopy(self.module).to(dtype))
        twin._given_fingerprint = self.fingerprint  # so that feature statistics of this model fit the copy
        twin.name = f"{self.source} in {str(dtype).removeprefix('torch.')}"
        return twin

    @cached_property
    def fingerprint(self) -> str:
        """A short hash of the weights, or the fingerprint that was given to the constructor."""
        if self._given_fingerprint is not None:
            return self._given_fingerprint
        return weights_hash(self.module)

    def find_label(self, label: str | SupportsIndex) -> int:
        """Returns the index of an outcome that is given by name or by index; see `textiba.model.reading.find_label`."""
        return find_label(self.labels, label)

    @own_torch_state()
    def _ask(self, find: bool = False) -> None:
        """Binds the outcome, finds the layers if `find` is set, and runs the self-check."""
        self.reading = self.outcome.bind(self.module, self.tokenizer)
        if self.windows is not None:
            self.reading = reading_windows(self.reading, self.windows, self.max_length)
        batch, other = sample_batches(self.module, self.tokenizer, self.reading.template)
        if find:
            self._network.find_layers(batch)
        self.can_merge, self.pads = False, True
        self._network.widen()
        examination = Examination(self, batch, other)
        examination.check_entering()
        examination.check_gradient()
        self.pads = examination.padding_is_neutral()
        self.reads = examination.tokens_read()
        if self.reads == "first" and self._network.narrow(examination.same_logits):
            self.can_merge = examination.merging_is_exact()
