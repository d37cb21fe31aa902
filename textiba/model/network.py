"""A view of a model whose layers were found, and which runs by a plan; see `textiba.model.splice.Plan`."""

import copy
import hashlib
import inspect
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn

from textiba.model.admission import settle
from textiba.model.layers import Layers, find_layers
from textiba.model.narrow import first_token_only
from textiba.model.splice import Plan, Stopped, run, view
from textiba.texts.batches import Batch
from textiba.types import State


class Network:
    """A view of a Hugging Face model: a copy of its modules in evaluation mode, which shares the parameters' memory.

    Args:
        module: the model; it is not changed.
        tokenizer: the model's tokenizer.

    Attributes:
        module: the view.
        layers: where the model's layers are in the module tree; set by `find_layers`.
        within: makes the context in which `output` runs the model.
    """

    layers: Layers

    def __init__(self, module: Any, tokenizer: Any):
        self.module = view(module)
        settle(self.module, tokenizer)
        self._accepts = frozenset(inspect.signature(self.module.forward).parameters)
        self._last: nn.Module | None = None
        self._narrowed: int | None = None  # index of the candidate for a narrow last layer that is used
        self.within: Callable[[], AbstractContextManager[object]] = nullcontext

    def find_layers(self, batch: Batch) -> None:
        """Finds the layers; raises `UnsupportedModelError` if the model has no list of layers."""
        # In a separate copy, because transformers leaves hooks on a model that returned hidden states.
        self.layers = find_layers(view(self.module), self.inputs(batch))

    def layer_modules(self) -> list[nn.Module]:
        """The module of each layer, in order; one module may be several layers (ALBERT)."""
        children = dict(self.module.get_submodule(self.layers.path).named_children())
        return [children[name] for name in self.layers.calls]

    def inputs(self, batch: Batch) -> dict[str, Tensor]:
        """Returns the keyword arguments that the model is called with for a batch."""
        mask = batch.attention_mask.long()
        if batch.stands_for is not None:
            mask = batch.stands_for.log().to(self.module.dtype)[:, None, None]
        given = {"input_ids": batch.input_ids, "attention_mask": mask, "token_type_ids": batch.token_type_ids}
        return {name: value for name, value in given.items() if value is not None and name in self._accepts}

    def output(self, batch: Batch, narrow: bool = False, **what: Any) -> Any:
        """Returns the model's output.

        Args:
            batch: the texts.
            narrow: whether to use the narrow last layer, if the network has one.
            what: the plan's other fields; see `Plan`.
        """
        with self.within():
            return run(self.module, self.layers, self.inputs(batch), self._plan(batch, narrow, **what))

    def record(self, batch: Batch, narrow: bool = False, **what: Any) -> tuple[Any, list[State]]:
        """Returns the model's output and the states that arrived at the layers; the output is None after a stop.

        With a narrow last layer, the states do not include the last hidden state. For the arguments, see `output`.
        """
        plan = self._plan(batch, narrow, record=True, **what)
        try:
            output = run(self.module, self.layers, self.inputs(batch), plan)
        except Stopped:
            output = None
        return output, plan.states

    def widen(self) -> None:
        """Undoes `narrow`: the last layer computes all tokens."""
        self._last = self._narrowed = None

    def narrow(self, accepted: Callable[[], bool]) -> bool:
        """Uses the first narrow last layer for which `accepted()` is true; returns whether there is one.

        The narrow last layers compute only the first token; the cheapest is tried first.
        """
        for number, narrow in enumerate(first_token_only(self.layer_modules()[-1])):
            self._last = narrow
            if accepted():
                self._narrowed = number
                return True
        self._last = None
        return False

    def twin(self, module: Any, change: Callable[["Network"], None] = lambda _: None) -> "Network":
        """Returns a network of the same structure on another module tree.

        Args:
            module: the other module tree.
            change: function that may replace modules of the new network.
        """
        other = copy.copy(self)
        other.module, other._last = module, None
        change(other)
        if self._narrowed is not None:
            other._last = list(first_token_only(other.layer_modules()[-1]))[self._narrowed]
        return other

    def _plan(self, batch: Batch, narrow: bool, **what: Any) -> Plan:
        return Plan(batch.input_ids.shape[1], last=self._last if narrow else None, **what)


def weights_hash(module: nn.Module) -> str:
    """A short hash of all tensors of a module, by name."""
    digest = hashlib.sha256()
    for name, tensor in sorted(module.state_dict().items()):
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()[:16]
