"""Removes the wrappers that other libraries put around a model."""

import copy
from dataclasses import dataclass
from typing import Any

from torch import nn

from textiba.errors import UnsupportedModelError
from textiba.model.outcomes import Outcome, PooledClasses


def unwrapped(module: Any) -> Any:
    """Returns the Hugging Face model inside the wrappers of `torch.compile`, `DataParallel`, PEFT and accelerate.

    An unmerged adapter stays in place: its layers give the same results as merged weights. The given object is not
    changed.

    Raises:
        UnsupportedModelError: accelerate has offloaded weights, or the adapter is a soft prompt.
    """
    while True:
        if hasattr(module, "_orig_mod"):  # torch.compile
            module = module._orig_mod
        elif isinstance(module, nn.DataParallel | nn.parallel.DistributedDataParallel):
            module = module.module
        elif type(module).__module__.startswith("peft.") and hasattr(module, "get_base_model"):
            _refuse_soft_prompts(module)
            module = module.get_base_model()  # the base model, with the adapter's layers in it
        else:
            break
    if hasattr(module, "modules") and any(hasattr(child, "_hf_hook") for child in module.modules()):
        module = _without_accelerate_hooks(module)
    return module


def _refuse_soft_prompts(module: Any) -> None:
    """Raises `UnsupportedModelError` for PEFT's soft prompts, which live in the wrapper and not in the base model."""
    config = getattr(module, "active_peft_config", None)
    if getattr(config, "is_prompt_learning", False):
        raise UnsupportedModelError(
            f"the adapter is a soft prompt ({type(config).__name__}): it adds states that are no tokens of the text, "
            "and the base model without them predicts something else. Use an adapter that changes weights, such as LoRA"
        )


def _without_accelerate_hooks(module: Any) -> Any:
    """Returns a copy of the module tree, with shared weights and without accelerate's hooks.

    Raises:
        UnsupportedModelError: weights are offloaded, and only accelerate's hooks bring them into memory.
    """
    if any(p.is_meta for p in module.parameters()):
        raise UnsupportedModelError(
            f"{type(module).__name__} has weights that accelerate keeps on the disk or another device; load it without "
            "device_map, or with one that fits all weights on one device"
        )
    shared: dict[int, Any] = {id(t): t for t in (*module.parameters(), *module.buffers())}
    clone = copy.deepcopy(module, shared)
    for child in clone.modules():
        for name in ("_hf_hook", "_old_forward", "forward"):
            child.__dict__.pop(name, None)
    return clone


_POOLING = {  # by the names of sentence-transformers
    "mean": "mean", "cls": "first", "pooling_mode_mean_tokens": "mean", "pooling_mode_cls_token": "first",
    "pooling_mode_max_tokens": "max", "pooling_mode_mean_sqrt_len_tokens": "mean_sqrt_len",
    "pooling_mode_weightedmean_tokens": "weightedmean", "pooling_mode_lasttoken": "lasttoken",
}  # fmt: skip


@dataclass(frozen=True, eq=False)
class Taken:
    """The parts of another library's object from which a `Model` is made.

    Attributes:
        module: the Hugging Face model.
        tokenizer: its tokenizer.
        outcome: the question that the object answers; None takes the outcome of the model's head.
    """

    module: Any
    tokenizer: Any
    outcome: Outcome | None = None


def taken(holder: Any) -> Taken:
    """Returns model, tokenizer and outcome of a text-classification pipeline, SetFit model, CrossEncoder or the like.

    Args:
        holder: an object that holds a Hugging Face model and its tokenizer.

    Raises:
        UnsupportedModelError: no model and tokenizer were found in `holder`, or the head of `holder` cannot be read.
    """
    kind = type(holder).__name__
    if hasattr(holder, "model_body") and hasattr(holder, "model_head"):  # SetFit
        body = _sentence_encoder(holder.model_body)
        return Taken(body.module, body.tokenizer, _linear_head(holder))
    if hasattr(holder, "encode") and hasattr(holder, "tokenizer") and hasattr(holder, "__getitem__"):
        found = _sentence_encoder(holder)
        if found.module is not None:
            return found
    task = getattr(holder, "task", "text-classification")
    if task not in ("text-classification", "sentiment-analysis"):
        raise UnsupportedModelError(f"a text-classification pipeline is needed; got one for {task}")
    module, tokenizer = getattr(holder, "model", None), getattr(holder, "tokenizer", None)
    if module is None or tokenizer is None or not hasattr(module, "config"):
        raise UnsupportedModelError(
            f"{kind} holds no Hugging Face model and tokenizer that textiba can find; pass both: "
            "textiba.Model(model, tokenizer)"
        )
    return Taken(module, tokenizer)


def _sentence_encoder(holder: Any) -> Taken:
    """The Hugging Face encoder within a SentenceTransformer."""
    first = holder[0]
    return Taken(getattr(first, "auto_model", None), getattr(first, "tokenizer", None) or holder.tokenizer)


def _pooling_modes(pooling: Any) -> list[Any]:
    """How a Pooling module of sentence-transformers pools: "mean", "first", or the module's name for another way."""
    if pooling is None:
        return ["mean"]
    named = getattr(pooling, "pooling_mode", None)
    found = [named] if isinstance(named, str) else [mode for mode in _POOLING if getattr(pooling, mode, False) is True]
    return [_POOLING.get(mode, mode) for mode in found]


def _linear_head(holder: Any) -> Outcome:
    """Returns the outcome of SetFit's logistic regression on pooled embeddings.

    Raises:
        UnsupportedModelError: the head is not a logistic regression, or pools neither the mean nor the first token.
    """
    head = holder.model_head
    weights, bias = getattr(head, "coef_", None), getattr(head, "intercept_", None)
    if weights is None or bias is None:
        raise UnsupportedModelError(
            f"a SetFit head is a logistic regression with coef_ and intercept_; got {type(head).__name__}"
        )
    kinds = [type(part).__name__ for part in holder.model_body]
    pooling = next((part for part in holder.model_body if type(part).__name__ == "Pooling"), None)
    modes = _pooling_modes(pooling)
    if modes not in (["mean"], ["first"]):
        raise UnsupportedModelError(
            f"a SetFit model must pool the mean of the tokens or the first token; got {', '.join(modes) or 'none'}"
        )
    names = getattr(holder, "labels", None) or [str(name) for name in head.classes_]
    if len(weights) == 1:  # one logit z for two classes: [−z/2, z/2] has the same probabilities
        weights, bias = [-weights[0] / 2, weights[0] / 2], [-bias[0] / 2, bias[0] / 2]
    return PooledClasses(
        weights=tuple(tuple(float(w) for w in row) for row in weights), bias=tuple(float(b) for b in bias),
        names=tuple(str(name) for name in names), pooling=modes[0], normalize="Normalize" in kinds,
    )  # fmt: skip
