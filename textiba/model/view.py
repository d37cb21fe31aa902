"""`Model`: a read-only view of a Hugging Face model whose forward pass can be split at any layer.

`hidden_states[l]` is the input of layer l (0 is the embedding output), and `hidden_states[L]` is the output of the last
layer. `run_to(l)` returns `hidden_states[l]`. `run_from(l, state)` continues from a state through layers l … L−1 and
the head. The model's own code makes masks and positions and runs the layers and the head; see `textiba.model.splice`.
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
from textiba.model.check import Examination, sample_batches
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
    """A Hugging Face model, its tokenizer, and the question that the model is asked.

    The given model is never changed: the view has its own modules in evaluation mode, which share the weights' memory
    and require no gradients. The constructor finds the layers by observing one pass. A self-check of a few more passes
    then tests that every layer can be entered exactly; a model that fails this check is refused.

    Args:
        module: a Hugging Face model: `…ForSequenceClassification`, or another model whose output the outcome can read.
            Adapters need not be merged. The view is without `torch.compile`, `DataParallel` and accelerate's hooks.
        tokenizer: the model's fast tokenizer.
        name: name of the checkpoint in results.
        max_length: largest number of tokens of a text; longer texts are cut. None takes the model's own limit.
        fingerprint: identifier of the weights, if the loader has a better one than a hash of the weights.
        outcome: the question that the model is asked; None takes the outcome of the model's head and config (`Classes`,
            `Labels` or `Above`).

    Attributes:
        module: the view: the whole model, in evaluation mode and without weight gradients.
        tokenizer: the given tokenizer.
        name: name of the checkpoint in results.
        source: the given name, which a copy in another precision keeps.
        n_layers: the number L of layers.
        labels: the names of the outcomes.
        max_length: largest number of tokens of a text, special tokens included.
        outcome: the question that the model is asked.
        reading: the outcome bound to this model.
        pads: whether texts of different lengths can share a batch without changing each other's logits.
        reads: the tokens of the last hidden state that the head reads: the "first", the "last", or "all".
        can_merge: whether content tokens with equal hidden states can be merged into one; see `Batch.merge`.

    Raises:
        UnsupportedModelError: the model cannot be split at its layers, the outcome cannot read its output, or the
            tokenizer is a slow one; the message says which.
        NotFiniteError: the model returned NaN or infinity for random tokens.
        InputError: `max_length` is out of range, or the tokenizer belongs to another model.
        TargetError, SettingError: the outcome does not fit the model; see `Outcome.bind`.
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
                f"{type(tokenizer).__name__}. Load the tokenizer with AutoTokenizer"
            )
        module = unwrapped(module)
        _refuse_unsupported(module)
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
        self._narrowed: int | None = None  # index of the candidate for a narrow last layer that is used
        self.can_merge = False
        self.pads = True
        batch, other = sample_batches(self.module, tokenizer)
        # In a separate copy, because transformers leaves hooks on a model that returned hidden states.
        self._layers = find_layers(view(self.module), self.inputs(batch))
        examination = Examination(self, batch, other)
        examination.check_entering()
        examination.check_gradient()
        self.pads = examination.padding_is_neutral()
        self.reads = examination.tokens_read()
        if self.reads == "first":
            self._narrow(examination)

    @property
    def n_layers(self) -> int:
        """The number L of layers."""
        return len(self._layers)

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
        """The dotted path of the list of layers, from `module`."""
        return self._layers.path

    @property
    def layers(self) -> list[nn.Module]:
        """The module of each layer, in order; one module may be several layers (ALBERT)."""
        children = dict(self.module.get_submodule(self._layers.path).named_children())
        return [children[name] for name in self._layers.calls]

    @property
    def device(self) -> torch.device:
        """The device of the weights."""
        return next(self.module.parameters()).device

    def __repr__(self) -> str:
        return (
            f"<Model {self.name}: {type(self.module).__name__}, {self.n_layers} layers, asks {self.reading.words} "
            f"({', '.join(self.labels[:4])}{', …' if self.n_labels > 4 else ''}), at most {self.max_length} tokens>"
        )

    def asking(self, outcome: Outcome) -> "Model":
        """Returns the same model with another outcome; the weights are shared.

        Args:
            outcome: the question that the returned model is asked.

        Raises:
            TargetError, SettingError, UnsupportedModelError: the outcome does not fit the model; see `Outcome.bind`.
        """
        twin = copy.copy(self)
        twin.outcome, twin.reading = outcome, outcome.bind(self.module, self.tokenizer)
        return twin

    def copy(self, change: Callable[["Model"], None] = lambda _: None) -> "Model":
        """Returns a second view that shares this view's weights.

        Args:
            change: function that may replace modules of the copy; this view is not affected.
        """
        return self._twin(view(self.module), change)

    def to(self, device: torch.device | str) -> "Model":
        """Moves the view's weights to a device, and returns the view; the given model is not moved."""
        self.module.to(device)
        return self

    def in_precision(self, dtype: torch.dtype) -> "Model":
        """Returns the same model with a copy of its weights in another type, such as bfloat16.

        Hidden states, gates, statistics and logits stay in float32. The copy's name, which results contain, ends in the
        type.
        """
        twin = self._twin(copy.deepcopy(self.module).to(dtype))
        twin._given_fingerprint = self.fingerprint  # so that feature statistics of this model fit the copy
        twin.name = f"{self.source} in {str(dtype).removeprefix('torch.')}"
        return twin

    @cached_property
    def fingerprint(self) -> str:
        """A short hash of the weights, or the fingerprint that was given to the constructor."""
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
        """Yields groups of items that may share a batch, the longest first; see `textiba.texts.batches.buckets`."""
        return buckets(items, lengths, budget, equal=not self.pads)

    def batches(self, texts: Sequence[TokenizedText], budget: int = TOKEN_BUDGET) -> Iterator[Batch]:
        """Yields batches of texts of similar length, the longest first, each at most `budget` tokens when padded."""
        for group in self.buckets(texts, [len(text) for text in texts], budget):
            yield self.collate(group)

    def collate(self, texts: Sequence[TokenizedText]) -> Batch:
        """Returns one batch, padded to its longest text, on the model's device."""
        return collate(texts, self.tokenizer.pad_token_id or 0, self.device)

    def inputs(self, batch: Batch) -> dict[str, Tensor]:
        """Returns the arguments of the model's forward call for a batch."""
        mask = batch.attention_mask.long()
        if batch.stands_for is not None:
            mask = batch.stands_for.log().to(self.module.dtype)[:, None, None]
        given = {"input_ids": batch.input_ids, "attention_mask": mask, "token_type_ids": batch.token_type_ids}
        return {name: value for name, value in given.items() if value is not None and name in self._accepts}

    def without(self, text: TokenizedText, positions: Iterable[int], removal: str) -> TokenizedText:
        """Returns a text with the tokens at `positions` removed.

        Args:
            text: the text.
            positions: indices of the tokens to remove.
            removal: "delete", "attention", "mask" or "pad"; see `Degradation.removal`.

        Raises:
            SettingError: `removal` is "mask" or "pad", and the tokenizer has no such token.
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
        """Raises `TargetError` unless `target` is the index of an outcome."""
        if not 0 <= target < self.n_labels:
            raise TargetError(f"a target is between 0 and {self.n_labels - 1} {self.labels}; got {target}")

    def find_label(self, label: str | int) -> int:
        """Returns the index of an outcome that is given by name or by index; see `textiba.model.reading.find_label`."""
        return find_label(self.labels, label)

    @torch.no_grad()
    def logits(self, batch: Batch) -> Logits:
        """Returns the logits of every outcome, from one pass of the whole model.

        Raises:
            NotFiniteError: the model returned NaN or infinity.
        """
        return finite(self._run(batch, last=self._last), batch, self.name)

    @torch.no_grad()
    def forward(self, batch: Batch) -> ForwardPass:
        """Runs one pass of the whole model, and returns every hidden state and the logits.

        If the head reads only the first token, the last hidden state of the other tokens is computed lazily.

        Raises:
            NotFiniteError: the model returned NaN or infinity.
        """
        plan = self._plan(batch, record=True, last=self._last)
        logits = finite(self._output(batch, plan), batch, self.name)
        states = [at_least_float32(state) for state in plan.states]
        if self._last is None:
            return ForwardPass(batch, tuple(states), logits)
        return ForwardPass(batch, HiddenStates(states, partial(self._through_last, batch, plan.states[-1])), logits)

    @torch.no_grad()
    def run_to(self, batch: Batch, layer: int) -> State:
        """Returns `hidden_states[layer]`, without gradients. Layers above are not run.

        Raises:
            LayerError: the model has no such layer.
        """
        self.check_layer(layer)
        plan = self._plan(batch, record=True, stop=layer)
        self._until_stopped(batch, plan)
        return at_least_float32(plan.states[-1])

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
        changes = {place: partial(_in_float32, change) for place, change in (through or {}).items()}
        whole = layer == self.n_layers or self.n_layers in changes
        state = state.to(self.module.dtype)
        return self._run(batch, enter=layer, state=state, changes=changes, last=None if whole else self._last)

    def predict(self, forward: ForwardPass) -> Targets:
        """Returns the index of the most probable outcome of each text."""
        return forward.logits.argmax(dim=1)

    def probabilities(self, logits: Logits) -> Logits:
        """Returns the probability of every outcome."""
        return self.reading.log_probabilities(logits).exp()

    def target_output(self, logits: Logits, targets: Targets, output: TargetOutput = "auto") -> Float[Tensor, " batch"]:
        """Returns the target's output (such as its log-probability) in each row; see `Reading.target_output`."""
        return self.reading.target_output(logits, targets, output)

    def target_outputs(
        self, texts: Sequence[TokenizedText], targets: Sequence[int], output: TargetOutput
    ) -> Float[Tensor, " texts"]:
        """Runs texts in batches of similar length, and returns `target_output` for each text, float64 on the CPU."""
        out = torch.empty(len(texts), dtype=torch.float64)
        for group in self.buckets(range(len(texts)), [len(text) for text in texts]):
            logits = self.logits(self.collate([texts[i] for i in group]))
            wanted = torch.tensor([targets[i] for i in group], device=logits.device)
            out[group] = self.target_output(logits, wanted, output).double().cpu()
        return out

    def _narrow(self, examination: Examination) -> None:
        """Uses the cheapest narrow last layer that gives the same logits, if there is one."""
        for number, narrow in enumerate(first_token_only(self.layers[-1])):
            self._last = narrow
            if examination.same_logits():
                self._narrowed = number
                self.can_merge = examination.merging_is_exact()
                return
        self._last = None

    def _twin(self, module: Any, change: Callable[["Model"], None] = lambda _: None) -> "Model":
        """Returns a copy of this view with another module tree of the same structure."""
        twin = copy.copy(self)
        twin.module, twin._last = module, None
        change(twin)
        if self._narrowed is not None:
            twin._last = list(first_token_only(twin.layers[-1]))[self._narrowed]
        return twin

    @torch.no_grad()
    def _through_last(self, batch: Batch, state: State) -> State:
        """Returns `hidden_states[L]` of all tokens, from `hidden_states[L − 1]`."""
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
    """Calls `change` with float32 or float64, and returns its result in the type of the weights."""
    return change(at_least_float32(arriving)).to(arriving.dtype)


def _settle(module: Any) -> None:
    """Sets the config that the view relies on: outputs by name, no key-value cache, no extra outputs, a pad token."""
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


def _refuse_unsupported(module: Any) -> None:
    """Raises `UnsupportedModelError` for models that can be refused without a forward pass."""
    kind = type(module).__name__
    if not hasattr(module, "config") or not hasattr(module, "named_modules"):
        raise UnsupportedModelError(
            f"a Hugging Face model with its config is needed; got {kind}. Load one with AutoModel…"
        )
    if getattr(module.config, "is_encoder_decoder", False):
        raise UnsupportedModelError(
            f"{kind} is an encoder-decoder model. Every layer of its decoder reads the encoder's states of the whole "
            "text, so a hidden state does not contain everything that the layers above read. Use a model with an "
            "encoder only or a decoder only"
        )
    if getattr(module, "hf_quantizer", None) is not None or not all(p.is_floating_point() for p in module.parameters()):
        raise UnsupportedModelError(
            f"{kind} has quantised weights, through which no gradient passes; load it in float32, bfloat16 or float16"
        )


def _check_vocabulary(module: Any, tokenizer: Any, name: str) -> None:
    """Raises `InputError` if the tokenizer knows far fewer tokens than the model has embeddings."""
    rows = embedding_rows(module)
    if rows is not None and len(tokenizer) < rows // 2:
        raise InputError(
            f"{name}: the tokenizer knows {len(tokenizer)} tokens, the model has {rows}; tokenizer files seem to be "
            "missing from the folder. Save the model's own tokenizer in it: tokenizer.save_pretrained(folder)"
        )
