"""Integrated gradients as users of Captum and of interpreto run them: on a plain model, one text at a time."""

from collections.abc import Callable, Sequence
from importlib.util import find_spec
from typing import Any

import torch
from captum.attr import LayerIntegratedGradients

from benchmarks.subjects import Subject
from textiba.texts.tokens import TokenizedText

Explain = Callable[[Sequence[TokenizedText]], object]


def captum_explainer(subject: Subject, steps: int) -> Explain:
    """Captum's `LayerIntegratedGradients` at the embeddings, all steps of a text in one batch, as by default."""
    model, tokenizer = subject.whole, subject.model.tokenizer

    def probability(ids: torch.Tensor) -> torch.Tensor:
        return model(ids).logits.softmax(dim=1)

    explainer = LayerIntegratedGradients(probability, model.get_input_embeddings())

    def explain(texts: Sequence[TokenizedText]) -> object:
        scores = []
        for text in texts:
            ids = torch.tensor([text.ids])
            blank = ids.clone()
            blank[0, list(text.content)] = tokenizer.mask_token_id
            with torch.no_grad():
                target = int(model(ids).logits.argmax())
            scores.append(explainer.attribute(ids, blank, target=target, n_steps=steps))
        return scores

    return explain


def interpreto_explainer(subject: Subject, steps: int) -> Explain | None:
    """Interpreto's `IntegratedGradients` over tokens, all steps in one batch; None if it is not installed."""
    if find_spec("interpreto") is None:
        return None
    import interpreto  # type: ignore[import-not-found]

    library: Any = interpreto
    explainer = library.IntegratedGradients(
        subject.whole,
        subject.model.tokenizer,
        batch_size=steps,
        n_perturbations=steps,
        granularity=library.Granularity.TOKEN,
    )

    def explain(texts: Sequence[TokenizedText]) -> object:
        return [explainer.explain(text.source.text) for text in texts]

    return explain
