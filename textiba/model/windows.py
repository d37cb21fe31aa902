"""Reads long texts in windows: runs the windows a few at a time, and combines their logits into the text's logits."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from textiba.errors import SettingError
from textiba.model.reading import Reading
from textiba.model.splice import Change
from textiba.texts.batches import Batch, filled
from textiba.texts.windows import Windows
from textiba.types import Logits, State

Piece = tuple[Batch, slice]  # some rows of a batch, and their places among all rows
WINDOW_TOKENS = 512  # tokens of the windows that run together; the activations of only these are in memory


def checked_windows(windows: object, size: int) -> Windows:
    """Returns the setting after checking it.

    Args:
        windows: the setting.
        size: number of tokens of a window.

    Raises:
        SettingError: it is no `Windows`, or windows would share all of their tokens.
    """
    if not isinstance(windows, Windows):
        raise SettingError(f"windows are set as textiba.Windows(stride=…); got {windows!r}")
    if windows.stride >= size:
        raise SettingError(f"windows of {size} tokens share fewer than {size}; got stride {windows.stride}")
    return windows


def reading_windows(reading: Reading, windows: Windows, size: int) -> Reading:
    """Returns the reading with a question that says how the windows of a text are combined.

    Args:
        reading: the outcome bound to the model.
        windows: how long texts are read.
        size: number of tokens of a window.
    """
    how = "in the most central window" if reading.places else f"{windows.combine} over windows"
    return replace(reading, words=f"{reading.words}, {how} of {size} tokens that share {windows.stride}")


def pieces(batch: Batch) -> Iterator[Piece]:
    """Yields the batch's rows a few windows at a time, and their places among all rows; one piece without windows."""
    rows = batch.rows
    count, length = rows.input_ids.shape
    if batch.unrolled is None:
        yield rows, slice(0, count)
        return
    step = max(1, WINDOW_TOKENS // length)
    for start in range(0, count, step):
        own = slice(start, start + step)
        yield rows.part(own), own


def joined(parts: list[Tensor]) -> Tensor:
    """Returns the tensors of all pieces as one; a single tensor is not copied."""
    return parts[0] if len(parts) == 1 else torch.cat(parts)


def changed_by_text(batch: Batch, change: Change, arriving: State) -> State:
    """Calls `change` with states [batch, tokens, features], and returns its result with a row for each window."""
    return batch.by_window(change(batch.by_text(arriving)))


def run_by_piece(run: Callable[[Batch, State], Logits], batch: Batch, state: State) -> Logits:
    """Returns the logits of every window, from the windows' states [windows, tokens, features].

    With gradients, the backward pass runs each piece again instead of keeping its activations (Chen et al., *Training
    Deep Nets with Sublinear Memory Cost*, 2016, arXiv 1604.06174). So memory does not grow with the number of windows,
    at the cost of a second forward pass.

    Args:
        run: returns the logits of some windows from their states.
        batch: the texts.
        state: the windows' states.
    """
    found = list(pieces(batch))
    if torch.is_grad_enabled() and state.requires_grad and len(found) > 1:
        return _RunAgain.apply(run, found, state)  # type: ignore[return-value]
    return joined([run(rows, state[own]) for rows, own in found])


class _RunAgain(torch.autograd.Function):
    """Runs pieces forward without keeping activations, and once more, each with its own backward pass."""

    @staticmethod
    def forward(ctx: Any, run: Callable[[Batch, State], Logits], found: Sequence[Piece], state: State) -> Logits:
        """Returns the logits of all pieces."""
        ctx.run, ctx.found = run, found
        ctx.save_for_backward(state)
        return torch.cat([run(rows, state[own]) for rows, own in found])

    @staticmethod
    def backward(ctx: Any, *outputs: Tensor) -> tuple[None, None, State]:
        """Returns the gradient of the states, piece by piece."""
        [states], [above] = ctx.saved_tensors, outputs
        gradients: list[Tensor] = []
        for rows, own in ctx.found:
            part = states[own].detach().requires_grad_(True)
            with torch.enable_grad():
                logits = ctx.run(rows, part)
            gradients += torch.autograd.grad(logits, part, above[own])
        return None, None, torch.cat(gradients)


def combined(logits: Float[Tensor, "windows labels"], batch: Batch, reading: Reading, combine: str) -> Logits:
    """Returns the logits of each text from those of its windows.

    The softmax (or the sigmoids) of the result are the combined probabilities. For exclusive classes, the mean over
    windows of the logarithm of the softmax's denominator is added, so that a text with one window keeps its logits.

    Args:
        logits: logits of every window.
        batch: the texts.
        reading: the outcome bound to the model.
        combine: see `Windows.combine`.
    """
    if batch.unrolled is None:
        return logits
    if reading.places:
        return logits[_central_windows(batch, reading.places)]
    real = batch.unrolled.real
    each = filled(logits, real)
    gone = ~real.unsqueeze(-1)
    count = real.sum(dim=1, keepdim=True).to(logits)
    if reading.independent:
        if combine == "max":
            return each.masked_fill(gone, -torch.inf).amax(dim=1)
        log_p = (functional.logsigmoid(signed).masked_fill(gone, -torch.inf) for signed in (each, -each))
        yes, no = (terms.logsumexp(dim=1) for terms in log_p)
        return yes - no
    if combine == "max" and reading.explained == "log_odds":  # a yes-or-no outcome: the window with the highest odds
        surest = (each[..., 1] - each[..., 0]).masked_fill(~real, -torch.inf).argmax(dim=1)
        return each[torch.arange(len(each), device=each.device), surest]
    log_p = each.log_softmax(dim=-1).masked_fill(gone, -torch.inf)
    scale = (each.logsumexp(dim=-1) * real).sum(dim=1, keepdim=True) / count
    return scale + (log_p.amax(dim=1) if combine == "max" else log_p.logsumexp(dim=1) - count.log())


def _central_windows(batch: Batch, words: tuple[int, ...]) -> Tensor:
    """For each text, the number (among all windows) of the window that has most tokens on both sides of the words."""
    chosen: list[int] = []
    start = 0
    for windows in batch.windows:
        margins = [margin(window.word_ids, words) for window in windows]
        chosen.append(start + margins.index(max(margins)))
        start += len(windows)
    return torch.tensor(chosen, device=batch.input_ids.device)


def margin(word_ids: tuple[int | None, ...], words: tuple[int, ...]) -> float:
    """The number of tokens before the first or after the last of these words, whichever is smaller.

    Returns −∞ if a word is missing.
    """
    if not set(words) <= set(word_ids):
        return -math.inf
    places = [i for i, word in enumerate(word_ids) if word in words]
    return float(min(places[0], len(word_ids) - 1 - places[-1]))
