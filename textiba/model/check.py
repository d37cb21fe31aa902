"""The self-check of a model: whether every layer can be entered exactly, and whether padding changes the logits.

`Model` runs the self-check at construction, with a few passes over short texts of random tokens. A model that cannot be
entered exactly is refused. To enter a model at a layer means to run it with a given state in place of the hidden state
that arrives at this layer.
"""

from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor

from textiba.errors import NotFiniteError, UnsupportedModelError
from textiba.model.limits import embedding_rows
from textiba.texts.batches import Batch, collate
from textiba.texts.sources import Text
from textiba.texts.tokenizing import padding_id
from textiba.texts.tokens import TokenizedText

if TYPE_CHECKING:
    from textiba.model.view import Model

_LENGTHS = (9, 5, 3)  # content tokens of the texts; odd, so that they are no multiple of a window or a pool
_TOLERANCE = {torch.float16: 2e-2, torch.bfloat16: 5e-2}  # relative to the logits; 1e-4 for other types


def sample_batches(module: Any, tokenizer: Any, template: tuple[str, str] = ("", "")) -> tuple[Batch, Batch]:
    """Returns two batches of three texts each: random tokens between the special tokens and the template's tokens.

    The texts of both batches have the same lengths and different tokens.

    Args:
        module: the model, which gives the device and the size of the vocabulary.
        tokenizer: the model's tokenizer.
        template: text before and after each text; see `Reading.template`.
    """
    table = tokenizer(["a".join(template)], return_special_tokens_mask=True, return_offsets_mapping=True)
    ids, marks, spans = (table[key][0] for key in ("input_ids", "special_tokens_mask", "offset_mapping"))
    place = len(template[0])
    own = [i for i, (start, end) in enumerate(spans) if not marks[i] and start <= place < end] or [len(ids)]
    before, after = ids[: own[0]], ids[own[-1] + 1 :]
    types = "token_type_ids" in table
    known = min(len(tokenizer), embedding_rows(module) or len(tokenizer))
    usable = [i for i in range(known) if i not in set(tokenizer.all_special_ids)]
    generator = torch.Generator().manual_seed(0)

    def text(length: int) -> TokenizedText:
        drawn = [usable[i] for i in torch.randint(len(usable), (length,), generator=generator).tolist()]
        all_ids = (*before, *drawn, *after)
        words = (*[None] * len(before), *range(length), *[None] * len(after))
        blank = tuple("" for _ in all_ids)
        spans = tuple((0, 0) for _ in all_ids)
        return TokenizedText(Text("a"), all_ids, tuple(0 for _ in all_ids) if types else (), blank, spans, words)

    device = next(module.parameters()).device
    pad = padding_id(tokenizer, module.config.get_text_config(), embedding_rows(module))
    first, second = ([text(length) for length in _LENGTHS] for _ in range(2))
    return collate(first, pad, device), collate(second, pad, device)


class Examination:
    """Runs a model on two sample batches, and tests the properties that `Model` relies on.

    Args:
        model: the model, without a narrow last layer.
        batch: three texts.
        other: three other texts of the same lengths.

    Raises:
        NotFiniteError: the model returns NaN or infinity.
    """

    def __init__(self, model: "Model", batch: Batch, other: Batch):
        self._model, self._batch, self._other = model, batch, other
        self._name = type(model.module).__name__
        self._plain = self._alone(batch)
        if not self._plain.isfinite().all():
            raise NotFiniteError(
                f"{model.name} returns NaN or infinity for random tokens; check the weights, and load them in float32"
            )
        self._mine, self._theirs = model.forward(batch), model.forward(other)

    def check_entering(self) -> None:
        """Checks that the model can be entered exactly at every layer.

        Raises:
            UnsupportedModelError: the model cannot be entered; the message says at which layer, and what failed.
        """
        model, name, plain, theirs = self._model, self._name, self._plain, self._theirs.logits
        self._equal(self._mine.logits, f"{name}: a pass that records the hidden states changes the logits")
        tells = not self._close(plain, theirs)  # otherwise the head ignores the text, and no test is possible
        for layer, state in enumerate(self._mine.hidden_states):
            # Enters the state of `batch` with the token ids of `other`: the logits must be those of `batch`.
            try:
                with torch.no_grad():
                    entered = model.run_from(self._other, layer, state)
            except (RuntimeError, TypeError, ValueError, IndexError, AttributeError, KeyError) as error:
                raise UnsupportedModelError(f"{name} cannot be entered at layer {layer}: {error}") from error
            if tells and self._close(entered, theirs):
                raise UnsupportedModelError(
                    f"{name}: the hidden state at layer {layer} is not the state that the layers above read"
                )
            self._equal(
                entered,
                f"{name}: with the hidden state at layer {layer} given, other tokens change the logits, or entering "
                "there is not exact. Encoder-decoder models and models that read the embeddings again do this",
            )

    def check_gradient(self) -> None:
        """Checks that gradients reach a hidden state; raises `UnsupportedModelError` where they do not."""
        layer = self._model.n_layers // 2
        state = self._mine.hidden_states[layer].detach().requires_grad_(True)
        logits = self._model.run_from(self._batch, layer, state)
        if not logits.requires_grad or torch.autograd.grad(logits.sum(), state, allow_unused=True)[0] is None:
            raise UnsupportedModelError(f"{self._name} passes no gradient to its hidden states (quantised weights?)")

    def padding_is_neutral(self) -> bool:
        """Whether the logits of a text are the same alone and in a padded batch."""
        alone = (self._alone(self._model.collate([text])) for text in self._batch.texts)
        return all(self._close(found, self._plain[row : row + 1]) for row, found in enumerate(alone))

    def tokens_read(self) -> Literal["first", "last", "all"]:
        """Which tokens of the last hidden state the head reads; "all" if neither the first nor the last is enough."""
        mine, theirs = self._mine.hidden_states[-1], self._theirs.hidden_states[-1]
        last = self._batch.attention_mask.long().cumsum(dim=1).argmax(dim=1)
        rows = torch.arange(len(last), device=last.device)
        places: dict[Literal["first", "last"], Tensor] = {"first": torch.zeros_like(last), "last": last}
        for which, place in places.items():
            mixed = theirs.clone()
            mixed[rows, place] = mine[rows, place]
            with torch.no_grad():
                found = self._model.run_from(self._batch, self._model.n_layers, mixed)
            if self._close(found, self._plain):
                return which
        return "all"

    def same_logits(self) -> bool:
        """Whether the model still gives the logits that its own forward pass gave; False if the model cannot run."""
        try:
            found = self._model.logits(self._batch)
        except (RuntimeError, IndexError, TypeError, AttributeError):  # a head that reads the other tokens
            return False
        return found.shape == self._plain.shape and self._close(found, self._plain)

    @torch.no_grad()
    def merging_is_exact(self) -> bool:
        """Whether one token may stand for all content tokens that share a hidden state; see `Batch.merge`."""
        model, batch, layer = self._model, self._batch, self._model.n_layers // 2
        state = self._mine.hidden_states[layer].clone()
        state[batch.content] = state[batch.content].mean(dim=0)
        merged, places = batch.merge(batch.content)
        short = state.gather(1, places[..., None].expand(-1, -1, state.shape[2]))
        try:
            found = model.run_from(merged, layer, short)
        except (RuntimeError, IndexError, TypeError, ValueError):
            return False
        return self._close(found, model.run_from(batch, layer, state))

    @torch.no_grad()
    def _alone(self, batch: Batch) -> Tensor:
        """The logits of the model's own forward pass, with no module replaced."""
        return self._model.reading.logits(self._model.module(**self._model.inputs(batch)), batch)

    def _close(self, a: Tensor, b: Tensor) -> bool:
        tolerance = _TOLERANCE.get(self._model.module.dtype, 1e-4)
        return bool((a - b).abs().max() <= tolerance * (1e-3 + b.abs().max()))

    def _equal(self, found: Tensor, rule: str) -> None:
        if not self._close(found, self._plain):
            off = float((found - self._plain).abs().max())
            raise UnsupportedModelError(f"{rule} (the logits are off by {off:.1e})")
