"""A read-only view on a Hugging Face model, which can be entered and left at any layer.

`hidden_states[l]` is the input of layer l (0 is the embedding output) and `hidden_states[L]` the output of the last
layer. `run_to(l)` gives it, `run_from(l, state)` continues from it through layers l … L−1 and the head. The model's own
code makes masks and positions and runs layers and head; see `textiba.model.splice`.
"""

import copy
import hashlib
import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property, partial
from typing import Any, TypeVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from textiba.errors import InputError, LayerError, SettingError, TargetError, UnsupportedModelError
from textiba.model import check
from textiba.model.forward import ForwardPass, HiddenStates, finite
from textiba.model.layers import find_layers
from textiba.model.limits import embedding_rows, usable_length
from textiba.model.narrow import first_token_only
from textiba.model.outcomes import Outcome, default_outcome
from textiba.model.reading import Reading, TargetOutput, find_label
from textiba.model.splice import Change, Plan, Stopped, run, view
from textiba.model.wrappers import unwrapped
from textiba.texts.batches import TOKEN_BUDGET, Batch, buckets, collate
from textiba.texts.sources import Text
from textiba.texts.tokens import TokenizedText, tokenize
from textiba.types import Logits, State, Targets, at_least_float32

T = TypeVar("T")


class Model:
    """A model, its tokenizer, and what is asked of it.

    The given model is never changed: the view has its own modules in evaluation mode, which share the parameters'
    memory and ask for no gradients. Its layers are found by watching one pass, and a self-check of a few more passes
    makes sure that every layer can be entered exactly; a model for which that fails is refused.

    Args:
        module: a Hugging Face model: `…ForSequenceClassification`, or another that the outcome can read. Adapters need
            not be merged; `torch.compile`, `DataParallel` and accelerate's hooks are taken off the view.
        tokenizer: its fast tokenizer.
        name: how results name the checkpoint.
        max_length: tokens that a text may have; None takes what the model accepts.
        fingerprint: identity of the weights, where the loader knows a better one than their hash.
        outcome: what is asked of the model; None takes what its head and config tell (classes, labels, or a value).

    Attributes:
        module: the view itself: the whole model, in evaluation mode and without weight gradients.
        tokenizer: as given.
        name: as given.
        source: as given; a copy in another precision keeps it.
        n_layers: L.
        labels: the names of the outcomes.
        max_length: tokens that a text may have, special ones included.
        outcome: what is asked.
        reading: the outcome bound to this model.
        pads: whether texts of different lengths may share a batch without changing each other's logits.
        reads: which tokens of the last hidden state the head reads: the "first", the "last", or "all".
        can_merge: whether one token may stand for all content tokens that share a hidden state; see `Batch.merge`.

    Raises:
        UnsupportedModelError: the model cannot be split at its layers, its head cannot be read, or the tokenizer is a
            slow one; the message says which.
        NotFiniteError: the model returns NaN or infinity for random tokens.
        InputError: `max_length` is more than the model accepts, or the tokenizer belongs to another model.
    """

    def __init__(
        self,
        module: Any,
        tokenizer: Any,
        name: str = "model",
        max_length: int | None = None,
        fingerprint: str | None = None,
        outcome: Outcome | None = None,
    ):
        if not getattr(tokenizer, "is_fast", False):
            raise UnsupportedModelError(
                f"a fast tokenizer is needed, since scores are merged to words by its word ids; got "
                f"{type(tokenizer).__name__}"
            )
        module = unwrapped(module)
        _refuse_known(module)
        self.outcome = outcome or default_outcome(module)
        self.tokenizer = tokenizer
        self.name = self.source = name
        self.module = view(module)
        _settle(self.module)
        self._given_fingerprint = fingerprint
        self._accepts = frozenset(inspect.signature(self.module.forward).parameters)
        self.max_length = usable_length(self.module, tokenizer, max_length)
        _check_vocabulary(self.module, tokenizer, name)
        self.reading: Reading = self.outcome.bind(self.module, tokenizer)
        self._last: nn.Module | None = None
        self._narrowed: int | None = None  # which candidate for a narrow last layer was right
        self.can_merge = False
        self.pads = True
        batch, other = check.sample_batches(self.module, tokenizer)
        # In a copy of its own: transformers leaves hooks behind where hidden states were asked for.
        self._layers = find_layers(view(self.module), self.inputs(batch))
        self.pads = check.self_check(self, batch, other)
        self.reads = check.tokens_read(self, batch, other)
        if self.reads == "first":
            self._narrow(batch)

    @property
    def n_layers(self) -> int:
        """L."""
        return len(self._layers)

    @property
    def labels(self) -> tuple[str, ...]:
        """The names of the outcomes."""
        return self.reading.labels

    @property
    def n_labels(self) -> int:
        """How many outcomes there are."""
        return len(self.labels)

    @property
    def layers_path(self) -> str:
        """The path of the list of layers from `module`."""
        return self._layers.path

    @property
    def layers(self) -> list[nn.Module]:
        """The module of each layer, in order; one module may serve several layers (ALBERT)."""
        children = dict(self.module.get_submodule(self._layers.path).named_children())
        return [children[name] for name in self._layers.calls]

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return next(self.module.parameters()).device

    def __repr__(self) -> str:
        return (
            f"<Model {self.name}: {type(self.module).__name__}, {self.n_layers} layers, asks {self.reading.words} "
            f"({', '.join(self.labels[:4])}{', …' if self.n_labels > 4 else ''}), at most {self.max_length} tokens>"
        )

    def asking(self, outcome: Outcome) -> "Model":
        """The same model, asked something else; the weights are shared.

        Raises:
            SettingError: the model has no such label or token.
            UnsupportedModelError: the model has another kind of head.
        """
        twin = copy.copy(self)
        twin.outcome, twin.reading = outcome, outcome.bind(self.module, self.tokenizer)
        return twin

    def copy(self, change: Callable[["Model"], None] = lambda _: None) -> "Model":
        """Another view on the same weights.

        Args:
            change: may exchange modules of the copy, which changes nothing in this view.
        """
        return self._twin(view(self.module), change)

    def to(self, device: torch.device | str) -> "Model":
        """The view with its weights on a device; the given model stays where it is."""
        self.module.to(device)
        return self

    def in_precision(self, dtype: torch.dtype) -> "Model":
        """The same model with a copy of its weights in another type, say bfloat16.

        Hidden states, gates, statistics and logits stay in float32. Results carry a name that says the type.
        """
        twin = self._twin(copy.deepcopy(self.module).to(dtype))
        twin._given_fingerprint = self.fingerprint  # statistics of the one are the other's
        twin.name = f"{self.source} in {str(dtype).removeprefix('torch.')}"
        return twin

    @cached_property
    def fingerprint(self) -> str:
        """A short hash of the weights, or the one given by the loader."""
        if self._given_fingerprint is not None:
            return self._given_fingerprint
        digest = hashlib.sha256()
        for name, tensor in sorted(self.module.state_dict().items()):
            digest.update(name.encode())
            digest.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
        return digest.hexdigest()[:16]

    def tokenize(self, texts: Sequence[Text | str]) -> list[TokenizedText]:
        """Tokenizes texts; see `textiba.texts.tokens.tokenize` for errors and warnings."""
        return tokenize(texts, self.tokenizer, self.max_length)

    def buckets(self, items: Sequence[T], lengths: Sequence[int], budget: int = TOKEN_BUDGET) -> Iterator[list[T]]:
        """Groups of items that may share a batch, the longest first, each at most `budget` tokens when padded."""
        return buckets(items, lengths, budget, equal=not self.pads)

    def batches(self, texts: Sequence[TokenizedText], budget: int = TOKEN_BUDGET) -> Iterator[Batch]:
        """Batches of texts of like length, the longest first, each at most `budget` tokens when padded."""
        for group in self.buckets(texts, [len(text) for text in texts], budget):
            yield self.collate(group)

    def collate(self, texts: Sequence[TokenizedText]) -> Batch:
        """One batch, padded to its longest text, on the model's device."""
        return collate(texts, self.tokenizer.pad_token_id or 0, self.device)

    def inputs(self, batch: Batch) -> dict[str, Tensor]:
        """What the model is called with for a batch."""
        mask = batch.attention_mask.long()
        if batch.stands_for is not None:
            mask = batch.stands_for.log().to(self.module.dtype)[:, None, None]
        given = {"input_ids": batch.input_ids, "attention_mask": mask, "token_type_ids": batch.token_type_ids}
        return {name: value for name, value in given.items() if value is not None and name in self._accepts}

    def without(self, text: TokenizedText, positions: Iterable[int], removal: str) -> TokenizedText:
        """The text without the tokens at `positions`, removed in one of the four ways of `Degradation.removal`.

        Raises:
            SettingError: "mask" (or "pad"), and the tokenizer has no such token.
        """
        if removal == "delete":
            return text.drop(positions)
        if removal == "attention":
            return text.hide(positions)
        token = self.tokenizer.mask_token_id if removal == "mask" else self.tokenizer.pad_token_id
        if token is None:
            raise SettingError(f"removal='{removal}' needs a tokenizer with a {removal} token; use removal='delete'")
        return text.substitute(positions, token)

    def check_layer(self, layer: int) -> None:
        """Raises `LayerError` unless `0 ≤ layer ≤ L`."""
        if not 0 <= layer <= self.n_layers:
            raise LayerError(
                f"a layer is between 0 (the embedding output) and {self.n_layers} (the last layer's output) "
                f"in {self.name}; got {layer}"
            )

    def check_target(self, target: int) -> None:
        """Raises `TargetError` unless there is such an outcome."""
        if not 0 <= target < self.n_labels:
            raise TargetError(f"a target is between 0 and {self.n_labels - 1} {self.labels}; got {target}")

    def find_label(self, label: str | int) -> int:
        """The index of an outcome that is given by name or by index; raises `TargetError` where there is none."""
        return find_label(self.labels, label)

    @torch.no_grad()
    def logits(self, batch: Batch) -> Logits:
        """The logits of every outcome, from one pass of the whole model.

        Raises:
            NotFiniteError: the model gives NaN or infinity.
        """
        return finite(self._run(batch, last=self._last), batch, self.name)

    @torch.no_grad()
    def forward(self, batch: Batch) -> ForwardPass:
        """One pass of the whole model that keeps every hidden state.

        Where only the first token of the last layer is computed, the last hidden state is computed when asked for.

        Raises:
            NotFiniteError: the model gives NaN or infinity.
        """
        plan = self._plan(batch, record=True, last=self._last)
        logits = finite(self._output(batch, plan), batch, self.name)
        states = [at_least_float32(state) for state in plan.states]
        if self._last is None:
            return ForwardPass(batch, tuple(states), logits)
        return ForwardPass(batch, HiddenStates(states, partial(self._through_last, batch, plan.states[-1])), logits)

    @torch.no_grad()
    def run_to(self, batch: Batch, layer: int) -> State:
        """`hidden_states[layer]`, without gradients; no layer above is run.

        Raises:
            LayerError: the model has no such layer.
        """
        self.check_layer(layer)
        plan = self._plan(batch, record=True, stop=layer)
        self._until_stopped(batch, plan)
        return at_least_float32(plan.states[-1])

    def run_from(self, batch: Batch, layer: int, state: State, through: Mapping[int, Change] | None = None) -> Logits:
        """The logits when `state` stands in for `hidden_states[layer]`; differentiable in `state`.

        Only layers `layer … L−1` and the head are run, and of the last layer only what the head reads.

        Args:
            batch: gives the attention mask; must have as many rows as `state`.
            layer: 0 … L.
            state: [batch, tokens, features], in any floating type.
            through: {l: change} with `layer < l ≤ L`: `change(arriving)` replaces the state that arrives at layer l,
                in float32 or longer. The changes are called once each, in the order of the layers.

        Raises:
            LayerError: the model has no such layer, or a change is not above `layer`.
        """
        self.check_layer(layer)
        for above in through or {}:
            self.check_layer(above)
            if above <= layer:
                raise LayerError(f"a run from layer {layer} can be changed above it only; got a change at {above}")
        changes = {place: partial(_in_float32, change) for place, change in (through or {}).items()}
        whole = layer == self.n_layers or self.n_layers in changes
        state = state.to(self.module.dtype)
        return self._run(batch, enter=layer, state=state, changes=changes, last=None if whole else self._last)

    def predict(self, forward: ForwardPass) -> Targets:
        """The most probable outcome of each text."""
        return forward.logits.argmax(dim=1)

    def probabilities(self, logits: Logits) -> Logits:
        """The probability of every outcome."""
        return self.reading.log_probabilities(logits).exp()

    def target_output(self, logits: Logits, targets: Targets, output: TargetOutput = "auto") -> Float[Tensor, " batch"]:
        """One number per row: the target's logit, log-probability, log-odds (nats) or probability; see `Reading`."""
        return self.reading.target_output(logits, targets, output)

    def target_outputs(
        self, texts: Sequence[TokenizedText], targets: Sequence[int], output: TargetOutput
    ) -> Float[Tensor, " texts"]:
        """`target_output` for each text, run in batches of like length; float64, on the CPU."""
        out = torch.empty(len(texts), dtype=torch.float64)
        for group in self.buckets(range(len(texts)), [len(text) for text in texts]):
            logits = self.logits(self.collate([texts[i] for i in group]))
            wanted = torch.tensor([targets[i] for i in group], device=logits.device)
            out[group] = self.target_output(logits, wanted, output).double().cpu()
        return out

    def _narrow(self, batch: Batch) -> None:
        """Looks for a last layer that computes the first token alone and gives the same logits."""
        expected = self.logits(batch)
        for number, narrow in enumerate(first_token_only(self.layers[-1])):
            self._last = narrow
            if check.same_logits(self, batch, expected):
                self._narrowed = number
                self.can_merge = check.merging_is_exact(self, batch)
                return
        self._last = None

    def _twin(self, module: Any, change: Callable[["Model"], None] = lambda _: None) -> "Model":
        """A copy of this view on another module tree of the same structure."""
        twin = copy.copy(self)
        twin.module, twin._last = module, None
        change(twin)
        if self._narrowed is not None:
            twin._last = list(first_token_only(twin.layers[-1]))[self._narrowed]
        return twin

    @torch.no_grad()
    def _through_last(self, batch: Batch, state: State) -> State:
        """`hidden_states[L]` of all tokens, from `hidden_states[L − 1]`."""
        last = self.n_layers - 1
        plan = self._plan(batch, enter=last, state=state, record=True, stop=self.n_layers)
        self._until_stopped(batch, plan)
        return at_least_float32(plan.states[-1])

    def _until_stopped(self, batch: Batch, plan: Plan) -> None:
        try:
            run(self.module, self._layers, self.inputs(batch), plan)
        except Stopped:
            return

    def _run(self, batch: Batch, **what: Any) -> Logits:
        return self._output(batch, self._plan(batch, **what))

    def _output(self, batch: Batch, plan: Plan) -> Logits:
        return self.reading.logits(run(self.module, self._layers, self.inputs(batch), plan), batch)

    def _plan(self, batch: Batch, **what: Any) -> Plan:
        rows, tokens = batch.input_ids.shape
        return Plan(rows, tokens, **what)


def _in_float32(change: Change, arriving: State) -> State:
    """`change` computed in float32 or longer, its result in the type of the weights."""
    return change(at_least_float32(arriving)).to(arriving.dtype)


def _settle(module: Any) -> None:
    """Sets what a caller's config may have otherwise: outputs by name, no cache, a token to pad with."""
    for child in module.modules():
        config = getattr(child, "config", None)
        for setting, value in (
            ("return_dict", True), ("use_cache", False), ("output_attentions", False), ("output_hidden_states", False),
        ):  # fmt: skip
            if hasattr(config, setting):
                setattr(config, setting, value)
    text = module.config.get_text_config()
    if getattr(text, "pad_token_id", None) is None:
        text.pad_token_id = getattr(text, "eos_token_id", None) or 0


def _refuse_known(module: Any) -> None:
    """Raises UnsupportedModelError where the reason is known before anything runs."""
    kind = type(module).__name__
    if not hasattr(module, "config") or not hasattr(module, "named_modules"):
        raise UnsupportedModelError(f"a Hugging Face model is needed, with its config; got {kind}")
    if getattr(module.config, "is_encoder_decoder", False):
        raise UnsupportedModelError(
            f"{kind} is an encoder-decoder: its decoder reads the encoder's states of the whole text at every layer, so "
            "a hidden state does not hold all that the layers above see. Use an encoder or a decoder alone"
        )
    if getattr(module, "hf_quantizer", None) is not None or not all(p.is_floating_point() for p in module.parameters()):
        raise UnsupportedModelError(
            f"{kind} has quantised weights, through which no gradient passes; load it in float32, bfloat16 or float16"
        )


def _check_vocabulary(module: Any, tokenizer: Any, name: str) -> None:
    """Raises InputError where tokenizer and embeddings cannot belong together."""
    rows = embedding_rows(module)
    if rows is not None and len(tokenizer) < rows // 2:
        raise InputError(
            f"{name}: the tokenizer knows {len(tokenizer)} tokens, the model has {rows}; tokenizer files seem to be "
            "missing from the folder. Save the model's own tokenizer beside it: tokenizer.save_pretrained(folder)"
        )
