"""Prepares a model's config, and refuses unsupported models without a forward pass."""

from typing import Any

from textiba.errors import InputError, UnsupportedModelError
from textiba.model.limits import embedding_rows
from textiba.texts.tokenizing import check_fast


def settle(module: Any) -> None:
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


def refuse_unsupported(module: Any, tokenizer: Any) -> None:
    """Raises `UnsupportedModelError` for models and tokenizers that can be refused without a forward pass."""
    check_fast(tokenizer)
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


def check_vocabulary(module: Any, tokenizer: Any, name: str) -> None:
    """Raises `InputError` if the tokenizer knows far fewer tokens than the model has embeddings."""
    rows = embedding_rows(module)
    if rows is not None and len(tokenizer) < rows // 2:
        raise InputError(
            f"{name}: the tokenizer knows {len(tokenizer)} tokens, the model has {rows}; tokenizer files seem to be "
            "missing from the folder. Save the model's own tokenizer in it: tokenizer.save_pretrained(folder)"
        )
