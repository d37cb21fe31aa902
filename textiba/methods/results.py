"""Turns a batch of scores into results, and the setting `target` into the index of an outcome for each text."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, SupportsIndex

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from textiba.attribution import Attribution, Details
from textiba.errors import NotFiniteError, TargetError
from textiba.model.forward import ForwardPass
from textiba.model.view import Model
from textiba.texts.tokens import TokenizedText
from textiba.types import Targets

if TYPE_CHECKING:
    from textiba.methods.base import Method


def resolve_targets(model: Model, forward: ForwardPass, target: str | SupportsIndex) -> Targets:
    """Returns the index of the outcome to explain for each text.

    Args:
        model: the model.
        forward: the model's plain pass.
        target: "predicted", "gold" (the text's own label), or one outcome for all texts, by name or index.

    Raises:
        TargetError: the model has no such outcome; or "gold" was given, but a text has no label, or the outcomes are
            not the model's classes.
    """
    if target == "predicted":
        return model.predict(forward)
    if target == "gold":
        if not model.reading.classes:
            raise TargetError(
                f"target 'gold' needs outcomes that are the model's classes; this model was asked: "
                f"{model.reading.words}. Use 'predicted'"
            )
        golds = [text.source.label for text in forward.batch.texts]
        if any(gold is None for gold in golds):
            raise TargetError("target 'gold' needs a label for every text; some have none. Use 'predicted'")
        return torch.tensor([model.find_label(gold) for gold in golds], device=forward.logits.device)  # type: ignore[arg-type]
    if isinstance(target, bool) or not isinstance(target, SupportsIndex | str):
        raise TargetError(f"a target must be 'predicted', 'gold', or an outcome's name or index; got {target!r}")
    return torch.full((len(forward.logits),), model.find_label(target), device=forward.logits.device)


def results(
    method: "Method",
    layer: int | None,
    model: Model,
    forward: ForwardPass,
    targets: Targets,
    scores: Float[Tensor, "batch tokens"],
    details: Sequence[Details | None],
) -> list[Attribution]:
    """Returns one frozen result per text from a batch of padded scores.

    Args:
        method: the method that gave the scores.
        layer: index into hidden_states, or None for a method without a single layer.
        model: the model.
        forward: the model's plain pass over the batch.
        targets: index of the explained outcome, for each text.
        scores: one score per token of the whole texts (`Batch.by_token`); scores of special tokens and padding are
            ignored.
        details: for each text, additional results of the method, or None.

    Raises:
        NotFiniteError: the score of a content token is NaN or infinite.
    """
    probabilities = model.target_output(forward.logits, targets, "probability")
    settings: dict[str, Any] = method.model_dump(mode="json")  # plain values, as a config file has them
    # Copies the columns of the whole batch from the device at once.
    columns = (
        targets.tolist(),
        probabilities.tolist(),
        model.predict(forward).tolist(),
        scores.detach().float().cpu().numpy(),
    )
    return [
        Attribution(
            text=text,
            checkpoint=model.name,
            method=method.name,
            settings=settings,
            layer=layer,
            target=target,
            probability=probability,
            predicted=predicted,
            scores=_only_content(method, text, row),
            unit=method.scores_unit,
            signed=method.signed,
            details=detail,
            labels=model.labels,
            asked=model.reading.words,
        )
        for text, target, probability, predicted, row, detail in zip(
            forward.batch.texts, *columns, details, strict=True
        )
    ]


def _only_content(
    method: "Method", text: TokenizedText, row: Float[np.ndarray, " padded"]
) -> Float[np.ndarray, " tokens"]:
    scores = np.full(len(text), np.nan, dtype=np.float32)
    content = list(text.content)
    scores[content] = row[content]
    if not np.isfinite(scores[content]).all():
        raise NotFiniteError(
            f"every score must be finite; {method.name} gave {np.isfinite(scores[content]).sum()} finite scores of "
            f"{len(content)} for the text '{text.source.whole[:60]}…'. Load the weights in float32 "
            "(model.in_precision(torch.float32)), or use other settings"
        )
    scores.setflags(write=False)
    return scores
