"""The self-check of a model when it is taken: every layer can be entered exactly, and padding changes nothing.

It runs a few passes over a few short texts of random tokens. What is checked holds for any text, as the model's own code
is run; a model for which it does not hold is refused.
"""

from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor

from textiba.errors import NotFiniteError, UnsupportedModelError
from textiba.model.limits import embedding_rows
from textiba.texts.batches import Batch, collate
from textiba.texts.sources import Text
from textiba.texts.tokens import TokenizedText

if TYPE_CHECKING:
    from textiba.model.view import Model

_LENGTHS = (11, 7, 3)  # content tokens of the texts; odd ones, so that windows and pools do not happen to fit
_TOLERANCE = {torch.float16: 2e-2, torch.bfloat16: 5e-2}  # of the logits' size; 1e-4 for longer types


def sample_batches(module: Any, tokenizer: Any) -> tuple[Batch, Batch]:
    """Two batches of three texts each, of the same lengths and other tokens: the tokenizer's template around random ids.

    Args:
        module: the model; it gives the device and the size of the vocabulary.
        tokenizer: its tokenizer.
    """
    table = tokenizer(["a"], return_special_tokens_mask=True)
    ids, marks = table["input_ids"][0], table["special_tokens_mask"][0]
    own = [i for i, mark in enumerate(marks) if not mark] or [len(ids)]
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
    pad = tokenizer.pad_token_id or 0
    first, second = ([text(length) for length in _LENGTHS] for _ in range(2))
    return collate(first, pad, device), collate(second, pad, device)


def self_check(model: "Model", batch: Batch, other: Batch) -> bool:
    """Checks a model, and says whether padding is neutral.

    Args:
        model: as it was made, without a narrow last layer.
        batch: three texts.
        other: three other texts of the same lengths.

    Returns:
        Whether the logits of a text are the same alone and in a padded batch. Where they are not, only texts of one
        length may share a batch.

    Raises:
        UnsupportedModelError: the model cannot be entered at every layer; it says at which, and what failed.
        NotFiniteError: the model returns NaN or infinity.
    """
    name = type(model.module).__name__
    plain = _logits(model, batch)
    if not plain.isfinite().all():
        raise NotFiniteError(
            f"{model.name} returns NaN or infinity for random tokens; check the weights, and load them in float32"
        )
    forward = model.forward(batch)
    _equal(model, forward.logits, plain, f"{name}: a pass that records the hidden states changes the logits")
    theirs = _logits(model, other)
    tells = not _close(model, plain, theirs)  # else the head ignores the text, and nothing can be told
    for layer, state in enumerate(forward.hidden_states):
        # The state of `batch` under the tokens of `other`: the logits must be those of `batch`.
        try:
            entered = model.run_from(other, layer, state)
        except (RuntimeError, TypeError, ValueError, IndexError, AttributeError, KeyError) as error:
            raise UnsupportedModelError(f"{name} cannot be entered at layer {layer}: {error}") from error
        if tells and _close(model, entered, theirs):
            raise UnsupportedModelError(f"{name}: the hidden state at layer {layer} is not what the layers above read")
        _equal(
            model, entered, plain,
            f"{name}: with the hidden state at layer {layer} given, other tokens change the logits, or entering there "
            "is not exact. Encoder-decoder models and models that read the embeddings again higher up do so",
        )  # fmt: skip
    start = forward.hidden_states[0].detach().requires_grad_(True)
    logits = model.run_from(batch, 0, start)
    if not logits.requires_grad or torch.autograd.grad(logits.sum(), start, allow_unused=True)[0] is None:
        raise UnsupportedModelError(f"{name} passes no gradient to its hidden states (quantised weights?)")
    return _padding_is_neutral(model, batch, plain)


def _padding_is_neutral(model: "Model", batch: Batch, together: Tensor) -> bool:
    for row, text in enumerate(batch.texts):
        alone = model.collate([text])
        if not _close(model, _logits(model, alone), together[row : row + 1]):
            return False
    return True


def tokens_read(model: "Model", batch: Batch, other: Batch) -> Literal["first", "last", "all"]:
    """Which tokens of the last hidden state the head reads; "all" where neither the first nor the last is enough."""
    layer = model.n_layers
    state, theirs = model.run_to(batch, layer), model.run_to(other, layer)
    expected = model.run_from(batch, layer, state)
    last = batch.attention_mask.long().cumsum(dim=1).argmax(dim=1)
    rows = torch.arange(len(last), device=last.device)
    places: dict[Literal["first", "last"], Tensor] = {"first": torch.zeros_like(last), "last": last}
    for which, place in places.items():
        mixed = theirs.clone()
        mixed[rows, place] = state[rows, place]
        if _close(model, model.run_from(batch, layer, mixed), expected):
            return which
    return "all"


def same_logits(model: "Model", batch: Batch, expected: Tensor) -> bool:
    """Whether the model as it is now gives these logits; False where it cannot run at all."""
    try:
        found = model.logits(batch)
    except (RuntimeError, IndexError, TypeError, AttributeError):  # a head that reads the other tokens, another mask
        return False
    return found.shape == expected.shape and _close(model, found, expected)


def merging_is_exact(model: "Model", batch: Batch) -> bool:
    """Whether one token may stand for all content tokens that share a hidden state; see `Batch.merge`."""
    forward = model.forward(batch)
    for layer in {0, model.n_layers // 2}:
        state = forward.hidden_states[layer].clone()
        state[batch.content] = state[batch.content].mean(dim=0)
        merged, places = batch.merge(batch.content)
        short = state.gather(1, places[..., None].expand(-1, -1, state.shape[2]))
        try:
            found = model.run_from(merged, layer, short)
        except (RuntimeError, IndexError, TypeError, ValueError):
            return False
        if not _close(model, found, model.run_from(batch, layer, state)):
            return False
    return True


@torch.no_grad()
def _logits(model: "Model", batch: Batch) -> Tensor:
    """The logits of the model's own forward pass, with nothing exchanged."""
    return model.reading.logits(model.module(**model.inputs(batch)), batch)


def _close(model: "Model", a: Tensor, b: Tensor) -> bool:
    tolerance = _TOLERANCE.get(model.module.dtype, 1e-4)
    return bool((a - b).abs().max() <= tolerance * (1e-3 + b.abs().max()))


def _equal(model: "Model", found: Tensor, expected: Tensor, rule: str) -> None:
    if not _close(model, found, expected):
        off = float((found - expected).abs().max())
        raise UnsupportedModelError(f"{rule} (the logits are off by {off:.1e})")
