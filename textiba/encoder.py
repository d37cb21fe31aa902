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

from textiba.data import Review
from textiba.errors import LayerError, SettingError, TargetError, UnsupportedModelError
from textiba.forward import ForwardPass, HiddenStates, finite
from textiba.splice import Between, Given, exchange, first_token_only, recorder, view
from textiba.text import Batch, EncodedReview, buckets, collate, encode, usable_length
from textiba.types import Logits, State, Targets

# To add an architecture, add its line: config.model_type -> where its layers are in a ...ForSequenceClassification.
LAYER_PATHS = {
    "bert": "bert.encoder.layer",
    "roberta": "roberta.encoder.layer",
    "distilbert": "distilbert.transformer.layer",
    "electra": "electra.encoder.layer",
}

# Tokens in a batch, padding included. On a CPU small batches stay in its cache and are faster; see benchmarks/.
TOKEN_BUDGET = 512


class Encoder:
    """A model, its tokenizer, and the split run.

    The given model is never changed: the view has its own modules in evaluation mode, which share the parameters'
    memory and ask for no gradients.

    Args:
        model: a `…ForSequenceClassification` whose type is in `LAYER_PATHS`.
        tokenizer: its fast tokenizer.
        name: how results name the checkpoint.
        max_length: tokens a review may have; None takes what the model accepts.
        fingerprint: identity of the weights, where the loader knows a better one than their hash.

    Raises:
        UnsupportedModelError: the architecture has no line in `LAYER_PATHS`, or the tokenizer is a slow one.
        InputError: `max_length` is more than the model accepts.
    """

    def __init__(
        self,
        model: Any,
        tokenizer: Any,
        name: str = "model",
        max_length: int | None = None,
        fingerprint: str | None = None,
    ):
        config = model.config
        if config.model_type not in LAYER_PATHS:
            raise UnsupportedModelError(
                f"model type '{config.model_type}' is not supported; known are {sorted(LAYER_PATHS)}. "
                "A new one is a line in textiba.encoder.LAYER_PATHS"
            )
        if not any(base.__name__.endswith("ForSequenceClassification") for base in type(model).__mro__):
            raise UnsupportedModelError(
                f"{type(model).__name__} is no sequence classifier; load it as AutoModelForSequenceClassification"
            )
        if not getattr(tokenizer, "is_fast", False):
            raise UnsupportedModelError("a fast tokenizer is needed: scores are merged to words by its word ids")
        self.tokenizer = tokenizer
        self.name = self.source = name
        self._model = view(model)
        self._path = LAYER_PATHS[config.model_type]
        self._layers: nn.ModuleList = self._model.get_submodule(self._path)  # type: ignore[assignment]
        self._given_fingerprint = fingerprint
        self.n_layers = len(self._layers)
        self.n_labels = int(config.num_labels)
        self.labels = tuple(str(config.id2label[i]) for i in range(self.n_labels))
        self.max_length = usable_length(config, tokenizer, max_length)
        narrow = first_token_only(self._layers[-1])
        self._reads_first_only = narrow is not self._layers[-1] and self._alike(narrow)

    @property
    def model(self) -> Any:
        """The view itself: the whole model, in evaluation mode and without weight gradients."""
        return self._model

    @property
    def can_merge(self) -> bool:
        """Whether `Batch.merge` changes nothing: the head reads the first token alone, and attention adds its mask."""
        return self._reads_first_only and self._model.config._attn_implementation in ("eager", "sdpa")

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return next(self._model.parameters()).device

    def copy(self) -> "Encoder":
        """Another view on the same weights, whose modules can be exchanged without a trace in this one."""
        twin = copy.copy(self)
        twin._model = view(self._model)
        twin._layers = twin._model.get_submodule(self._path)
        return twin

    def to(self, device: torch.device | str) -> "Encoder":
        """The view with its weights on a device; the given model stays where it is."""
        self._model.to(device)
        return self

    def in_precision(self, dtype: torch.dtype) -> "Encoder":
        """The same model with a copy of its weights in another type, say bfloat16; the logits stay float32.

        Its name says so, wherever results give it.
        """
        twin = copy.copy(self)
        twin._given_fingerprint = self.fingerprint  # statistics of the one are the other's
        twin.name = f"{self.source} in {str(dtype).removeprefix('torch.')}"
        twin._model = copy.deepcopy(self._model).to(dtype)
        twin._layers = twin._model.get_submodule(self._path)
        return twin

    @cached_property
    def fingerprint(self) -> str:
        """A short hash of the weights, or the one given by the loader."""
        if self._given_fingerprint is not None:
            return self._given_fingerprint
        digest = hashlib.sha256()
        for name, tensor in sorted(self._model.state_dict().items()):
            digest.update(name.encode())
            digest.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
        return digest.hexdigest()[:16]

    def encode(self, reviews: Sequence[Review | str]) -> list[EncodedReview]:
        """Tokenizes reviews; see `textiba.text.encode` for what it raises and warns of."""
        return encode(reviews, self.tokenizer, self.max_length)

    def batches(self, reviews: Sequence[EncodedReview], budget: int = TOKEN_BUDGET) -> Iterator[Batch]:
        """Batches of reviews alike in length, the longest first, each at most `budget` tokens when padded."""
        for group in buckets(reviews, [len(r) for r in reviews], budget):
            yield self.collate(group)

    def collate(self, reviews: Sequence[EncodedReview]) -> Batch:
        """One batch, padded to its longest review, on the model's device."""
        return collate(reviews, self.tokenizer.pad_token_id, self.device)

    def without(self, review: EncodedReview, positions: Iterable[int], removal: str) -> EncodedReview:
        """The review without the tokens at `positions`, in one of the four ways of `Degradation.removal`.

        Raises:
            SettingError: "mask" (or "pad"), and the tokenizer has no such token.
        """
        if removal == "delete":
            return review.drop(positions)
        if removal == "attention":
            return review.hide(positions)
        token = self.tokenizer.mask_token_id if removal == "mask" else self.tokenizer.pad_token_id
        if token is None:
            raise SettingError(f"removal='{removal}' needs a tokenizer with a {removal} token; use removal='delete'")
        return review.substitute(positions, token)

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
        return ForwardPass(batch, HiddenStates(states, partial(self._through_last, batch, states[-1])), logits)

    @torch.no_grad()
    def run_to(self, batch: Batch, layer: int) -> State:
        """`hidden_states[layer]`, without gradients, running no layer above it.

        Raises:
            LayerError: the model has no such layer.
        """
        self.check_layer(layer)
        states: list[Tensor] = []
        below = [*self._layers[:layer], recorder(states)]
        self._run(getattr(self._with_layers(below), self._model.base_model_prefix), batch, head=False)
        return states[0]

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
        state = state.to(self._model.dtype)
        way: list[nn.Module] = [Between(lambda _hidden: state)]
        for place in range(layer, self.n_layers + 1):
            if place in through:
                way.append(Between(through[place]))
            way.extend(self._layers[place : place + 1])  # at L there is none
        if layer < self.n_layers and self.n_layers not in through:
            way[-1] = self._last
        return self._run(self._without_embeddings(self._with_layers(way), state), batch)

    def predict(self, forward: ForwardPass) -> Targets:
        """The predicted class of each review."""
        return forward.logits.argmax(dim=1)

    @torch.no_grad()
    def _through_last(self, batch: Batch, state: State) -> State:
        """`hidden_states[L]` of all tokens, from `hidden_states[L − 1]`."""
        states: list[Tensor] = []
        way = [Between(lambda _hidden: state), self._layers[-1], recorder(states)]
        base = getattr(self._without_embeddings(self._with_layers(way), state), self._model.base_model_prefix)
        self._run(base, batch, head=False)
        return states[0]

    @property
    def _last(self) -> nn.Module:
        """The last layer; for the first token alone, where the head was seen to read no other."""
        return first_token_only(self._layers[-1]) if self._reads_first_only else self._layers[-1]

    @torch.no_grad()
    def _alike(self, last: nn.Module) -> bool:
        """Whether another last layer gives the same logits."""
        ids = torch.arange(16, device=self.device).remainder(self._model.config.vocab_size).view(2, 8)
        inputs = {"input_ids": ids, "attention_mask": torch.tensor([[1] * 8, [1] * 5 + [0] * 3]).to(ids)}
        try:
            whole = self._model(**inputs).logits
            given = self._with_layers([*self._layers[:-1], last])(**inputs).logits
        except (RuntimeError, IndexError, TypeError):  # a head that looks for the other tokens, a mask of another kind
            return False
        return given.shape == whole.shape and torch.allclose(given, whole, rtol=1e-4, atol=1e-5)

    def _with_layers(self, layers: Sequence[nn.Module]) -> Any:
        return exchange(self._model, self._path, nn.ModuleList(layers))

    def _without_embeddings(self, model: Any, state: State) -> Any:
        """They would be looked up, normalised, and not used."""
        base = self._model.base_model_prefix
        if hasattr(getattr(self._model, base), "embeddings_project"):  # ELECTRA's, which may have another width
            return model
        return exchange(model, f"{base}.embeddings", Given(state))

    @staticmethod
    def _run(model: Any, batch: Batch, head: bool = True) -> Tensor:
        types = {} if batch.token_type_ids is None else {"token_type_ids": batch.token_type_ids}
        mask = batch.attention_mask.long()
        if batch.stands_for is not None:
            mask = batch.stands_for.log().to(model.dtype)[:, None, None]
        output = model(input_ids=batch.input_ids, attention_mask=mask, **types)
        if not head:
            return output[0]
        return output.logits.to(torch.promote_types(output.logits.dtype, torch.float32))
