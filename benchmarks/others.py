"""Integrated gradients as users of Captum and of interpreto run them: a plain model, one review at a time."""

from collections.abc import Callable, Sequence
from importlib.util import find_spec
from typing import Any

import torch
from captum.attr import LayerIntegratedGradients

from benchmarks.subjects import Subject
from textiba.text import EncodedReview

Explain = Callable[[Sequence[EncodedReview]], object]


def captum_explainer(subject: Subject, steps: int) -> Explain:
    """Captum's `LayerIntegratedGradients` at the embeddings, all steps of a review in one batch, as is its default."""
    model, tokenizer = subject.whole, subject.encoder.tokenizer

    def probability(ids: torch.Tensor) -> torch.Tensor:
        return model(ids).logits.softmax(dim=1)

    explainer = LayerIntegratedGradients(probability, model.get_input_embeddings())

    def explain(reviews: Sequence[EncodedReview]) -> object:
        scores = []
        for review in reviews:
            ids = torch.tensor([review.ids])
            blank = ids.clone()
            blank[0, list(review.content)] = tokenizer.mask_token_id
            with torch.no_grad():
                target = int(model(ids).logits.argmax())
            scores.append(explainer.attribute(ids, blank, target=target, n_steps=steps))
        return scores

    return explain


def interpreto_explainer(subject: Subject, steps: int) -> Explain | None:
    """Interpreto's `IntegratedGradients` over tokens, all steps in one batch; None where it is not installed."""
    if find_spec("interpreto") is None:
        return None
    import interpreto  # type: ignore[import-not-found]

    library: Any = interpreto
    explainer = library.IntegratedGradients(
        subject.whole,
        subject.encoder.tokenizer,
        batch_size=steps,
        n_perturbations=steps,
        granularity=library.Granularity.TOKEN,
    )

    def explain(reviews: Sequence[EncodedReview]) -> object:
        return [explainer.explain(review.review.text) for review in reviews]

    return explain
