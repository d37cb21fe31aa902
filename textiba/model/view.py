"""A read-only view on a Hugging Face sequence classifier, which can be entered and left at any layer.

`hidden_states[l]` is what flows into layer l (0 is the embedding output, L the last layer's output). `run_to(l)` gives
it, `run_from(l, state)` goes on from it through layers l … L−1 and the head. The model's own code makes its masks, runs
its layers and its head; a merged batch brings a mask of its own. Exchanged, in a shallow copy of the containers that
hold them, are the list of layers, the embeddings where a run from a state has no use for them, and what the last layer
does for tokens that no head reads.
"""

import copy
import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property, partial
from typing import Any

import torch
from torch import Tensor, nn

from textiba.errors import LayerError, SettingError, TargetError, UnsupportedModelError
from textiba.model.forward import ForwardPass, HiddenStates, finite
from textiba.model.layers import family_of, layers_of
from textiba.model.splice import Between, Given, exchange, first_token_only, recorder, view
from textiba.texts.batches import TOKEN_BUDGET, Batch, buckets, collate
from textiba.texts.sources import Text
from textiba.texts.tokens import TokenizedText, tokenize, usable_length
from textiba.types import Logits, State, Targets, at_least_float32


class Model:
    """A model, its tokenizer, and the split run.

    The given model is never changed: the view has its own modules in evaluation mode, which share the parameters'
    memory and ask for no gradients.

    Args:
        module: a `…ForSequenceClassification` of a family in `textiba.model.layers.FAMILIES`.
        tokenizer: its fast tokenizer.
        name: how results name the checkpoint.
        max_length: tokens a text may have; None takes what the model accepts.
        fingerprint: identity of the weights, where the loader knows a better one than their hash.

    Raises:
        UnsupportedModelError: the family is not in `FAMILIES`, or the tokenizer is a slow one.
        InputError: `max_length` is more than the model accepts.
    """

    def __init__(
        self,
        module: Any,
        tokenizer: Any,
        name: str = "model",
        max_length: int | None = None,
        fingerprint: str | None = None,
    ):
        config = module.config
        family = family_of(config)
        if not any(base.__name__.endswith("ForSequenceClassification") for base in type(module).__mro__):
            raise UnsupportedModelError(
                f"{type(module).__name__} is no sequence classifier; load it as AutoModelForSequenceClassification"
            )
        if not getattr(tokenizer, "is_fast", False):
            raise UnsupportedModelError("a fast tokenizer is needed: scores are merged to words by its word ids")
        self.tokenizer = tokenizer
        self.name = self.source = name
        self._module = view(module)
        self._layers = layers_of(self._module)
        self._given_fingerprint = fingerprint
        self.n_layers = len(self._layers)
        self.n_labels = int(config.num_labels)
        self.labels = tuple(str(config.id2label[i]) for i in range(self.n_labels))
        self.max_length = usable_length(config, tokenizer, max_length, family.counts_padding)
        narrow = first_token_only(self._layers[-1], family)
        self._reads_first_only = narrow is not self._layers[-1] and self._alike(narrow)

    @property
    def module(self) -> Any:
        """The view itself: the whole model, in evaluation mode and without weight gradients."""
        return self._module

    @property
    def can_merge(self) -> bool:
        """Whether `Batch.merge` changes nothing: the head reads the first token alone, and attention adds its mask."""
        return self._reads_first_only and self._module.config._attn_implementation in ("eager", "sdpa")

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return next(self._module.parameters()).device

    def copy(self) -> "Model":
        """Another view on the same weights, whose modules can be exchanged without a trace in this one."""
        twin = copy.copy(self)
        twin._module = view(self._module)
        twin._layers = layers_of(twin._module)
        return twin

    def to(self, device: torch.device | str) -> "Model":
        """The view with its weights on a device; the given model stays where it is."""
        self._module.to(device)
        return self

    def in_precision(self, dtype: torch.dtype) -> "Model":
        """The same model with a copy of its weights in another type, say bfloat16; the logits stay float32.

        Its name says so, wherever results give it.
        """
        twin = copy.copy(self)
        twin._given_fingerprint = self.fingerprint  # statistics of the one are the other's
        twin.name = f"{self.source} in {str(dtype).removeprefix('torch.')}"
        twin._module = copy.deepcopy(self._module).to(dtype)
        twin._layers = layers_of(twin._module)
        return twin

    @cached_property
    def fingerprint(self) -> str:
        """A short hash of the weights, or the one given by the loader."""
        if self._given_fingerprint is not None:
            return self._given_fingerprint
        digest = hashlib.sha256()
        for name, tensor in sorted(self._module.state_dict().items()):
            digest.update(name.encode())
            digest.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
        return digest.hexdigest()[:16]

    def tokenize(self, texts: Sequence[Text | str]) -> list[TokenizedText]:
        """Tokenizes texts; see `textiba.texts.tokens.tokenize` for what it raises and warns of."""
        return tokenize(texts, self.tokenizer, self.max_length)

    def batches(self, texts: Sequence[TokenizedText], budget: int = TOKEN_BUDGET) -> Iterator[Batch]:
        """Batches of texts alike in length, the longest first, each at most `budget` tokens when padded."""
        for group in buckets(texts, [len(r) for r in texts], budget):
            yield self.collate(group)

    def collate(self, texts: Sequence[TokenizedText]) -> Batch:
        """One batch, padded to its longest text, on the model's device."""
        return collate(texts, self.tokenizer.pad_token_id, self.device)

    def without(self, text: TokenizedText, positions: Iterable[int], removal: str) -> TokenizedText:
        """The text without the tokens at `positions`, in one of the four ways of `Degradation.removal`.

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
        """Raises `TargetError` unless the model has the class."""
        if not 0 <= target < self.n_labels:
            raise TargetError(f"a target is between 0 and {self.n_labels - 1} {self.labels}; got {target}")

    @torch.no_grad()
    def logits(self, batch: Batch) -> Logits:
        """The whole model.

        Raises:
            NotFiniteError: the model gives NaN or infinity.
        """
        layers = [*self._layers[:-1], self._last]
        return finite(self._run(self._with_layers(layers), batch), batch, self.name)

    @torch.no_grad()
    def forward(self, batch: Batch) -> ForwardPass:
        """The whole model, keeping every hidden state; the last one is made when it is asked for.

        Raises:
            NotFiniteError: the model gives NaN or infinity.
        """
        states: list[Tensor] = []
        tapped = [module for layer in [*self._layers[:-1], self._last] for module in (recorder(states), layer)]
        logits = finite(self._run(self._with_layers(tapped), batch), batch, self.name)
        below = [at_least_float32(state) for state in states]
        return ForwardPass(batch, HiddenStates(below, partial(self._through_last, batch, states[-1])), logits)

    @torch.no_grad()
    def run_to(self, batch: Batch, layer: int) -> State:
        """`hidden_states[layer]`, without gradients, running no layer above it.

        Raises:
            LayerError: the model has no such layer.
        """
        self.check_layer(layer)
        states: list[Tensor] = []
        below = [*self._layers[:layer], recorder(states)]
        self._run(getattr(self._with_layers(below), self._module.base_model_prefix), batch, head=False)
        return at_least_float32(states[0])

    def run_from(
        self, batch: Batch, layer: int, state: State, through: Mapping[int, Callable[[State], State]] | None = None
    ) -> Logits:
        """The logits when `state` stands in for `hidden_states[layer]`; differentiable in `state`.

        Only layers `layer … L−1` and the head are run, and of the last layer only what the head reads.

        Args:
            batch: gives the attention mask; must have as many rows as `state`.
            layer: 0 … L.
            state: [batch, tokens, features].
            through: {l: change} with `layer < l ≤ L`: `change(arriving)` goes on from layer l in place of what arrives
                there as `hidden_states[l]`. They are called once each, in the order of the layers.

        Raises:
            LayerError: the model has no such layer, or a change is not above `layer`.
        """
        self.check_layer(layer)
        through = through or {}
        for above in through:
            self.check_layer(above)
            if above <= layer:
                raise LayerError(f"a run from layer {layer} can be changed above it only; got a change at {above}")
        state = state.to(self._module.dtype)
        way: list[nn.Module] = [Between(lambda _hidden: state)]
        for place in range(layer, self.n_layers + 1):
            if place in through:
                way.append(Between(partial(_in_float32, through[place])))
            way.extend(self._layers[place : place + 1])  # at L there is none
        if layer < self.n_layers and self.n_layers not in through:
            way[-1] = self._last
        return self._run(self._without_embeddings(self._with_layers(way), state), batch)

    def predict(self, forward: ForwardPass) -> Targets:
        """The predicted class of each text."""
        return forward.logits.argmax(dim=1)

    @torch.no_grad()
    def _through_last(self, batch: Batch, state: State) -> State:
        """`hidden_states[L]` of all tokens, from `hidden_states[L − 1]`."""
        states: list[Tensor] = []
        way = [Between(lambda _hidden: state), self._layers[-1], recorder(states)]
        base = getattr(self._without_embeddings(self._with_layers(way), state), self._module.base_model_prefix)
        self._run(base, batch, head=False)
        return at_least_float32(states[0])

    @property
    def _last(self) -> nn.Module:
        """The last layer; for the first token alone, where the head was seen to read no other."""
        return (
            first_token_only(self._layers[-1], family_of(self._module.config))
            if self._reads_first_only
            else self._layers[-1]
        )

    @torch.no_grad()
    def _alike(self, last: nn.Module) -> bool:
        """Whether another last layer gives the same logits."""
        ids = torch.arange(16, device=self.device).remainder(self._module.config.vocab_size).view(2, 8)
        inputs = {"input_ids": ids, "attention_mask": torch.tensor([[1] * 8, [1] * 5 + [0] * 3]).to(ids)}
        try:
            whole = self._module(**inputs).logits
            given = self._with_layers([*self._layers[:-1], last])(**inputs).logits
        except (RuntimeError, IndexError, TypeError):  # a head that looks for the other tokens, a mask of another kind
            return False
        return given.shape == whole.shape and torch.allclose(given, whole, rtol=1e-4, atol=1e-5)

    def _with_layers(self, layers: Sequence[nn.Module]) -> Any:
        return exchange(self._module, family_of(self._module.config).layers, nn.ModuleList(layers))

    def _without_embeddings(self, module: Any, state: State) -> Any:
        """They would be looked up, normalised, and not used."""
        base = self._module.base_model_prefix
        if hasattr(getattr(self._module, base), "embeddings_project"):  # ELECTRA's, which may have another width
            return module
        return exchange(module, f"{base}.embeddings", Given(state))

    @staticmethod
    def _run(module: Any, batch: Batch, head: bool = True) -> Tensor:
        types = {} if batch.token_type_ids is None else {"token_type_ids": batch.token_type_ids}
        mask = batch.attention_mask.long()
        if batch.stands_for is not None:
            mask = batch.stands_for.log().to(module.dtype)[:, None, None]
        output = module(input_ids=batch.input_ids, attention_mask=mask, **types)
        if not head:
            return output[0]
        return at_least_float32(output.logits)


def _in_float32(change: Callable[[State], State], arriving: State) -> State:
    """`change` computed in float32 or longer, its result in the type of the weights."""
    return change(at_least_float32(arriving)).to(arriving.dtype)
