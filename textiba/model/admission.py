"""Prepares a model's config, and refuses unsupported models without a forward pass."""

from typing import Any

from textiba.errors import InputError, UnsupportedModelError
from textiba.model.limits import embedding_rows
from textiba.texts.tokenizing import check_fast, in_table


def settle(module: Any, tokenizer: Any) -> None:
    """Sets the config that the view relies on: outputs by name, no key-value cache, no extra outputs, a pad token.

    Feed-forward blocks run in one chunk. Several chunks would give the same numbers, but would refuse a text whose
    length is not a multiple of the chunk's length.
    """
    for child in module.modules():
        config = getattr(child, "config", None)
        for setting, value in (
            ("return_dict", True), ("use_cache", False), ("output_attentions", False), ("output_hidden_states", False),
        ):  # fmt: skip
            if hasattr(config, setting):
                setattr(config, setting, value)
        if getattr(child, "chunk_size_feed_forward", 0):
            child.chunk_size_feed_forward = 0
    text = module.config.get_text_config()
    rows = embedding_rows(module)
    if not in_table(getattr(text, "pad_token_id", None), rows):
        text.pad_token_id = _stand_in(text, tokenizer, rows)


def _stand_in(config: Any, tokenizer: Any, rows: int | None) -> int:
    """The padding token of a model whose config has none: a token that texts do not hold.

    Some heads read the last token that is not padding. Without a padding token, such a head reads the very last token,
    which may be an end-of-text token that the tokenizer adds. If this token were taken as padding, the head would skip
    it and read another token. So a token that the tokenizer adds to texts is not taken as the padding token. If there
    is no token that texts do not hold, the function returns −1, which is no token's id. Texts of different lengths then
    cannot share a batch.
    """
    ends = getattr(config, "eos_token_id", None)
    ends = ends if isinstance(ends, list | tuple) else [ends]
    beyond = range(len(tokenizer), rows or 0)
    used = {*tokenizer("a")["input_ids"], tokenizer.unk_token_id, tokenizer.mask_token_id}
    known = (tokenizer.pad_token_id, *ends, *beyond[:1], *tokenizer.all_special_ids)
    return next((int(token) for token in known if token not in used and in_table(token, rows)), -1)


def refuse_unsupported(module: Any, tokenizer: Any) -> None:
    """Raises `UnsupportedModelError` for models and tokenizers that can be refused without a forward pass."""
    check_fast(tokenizer)
    kind = type(module).__name__
    if not hasattr(module, "config") or not hasattr(module, "named_modules"):
        raise UnsupportedModelError(
            f"a Hugging Face model with its config is needed; got {kind}. Load one with AutoModel…"
        )
    if any(p.is_meta for p in module.parameters()):
        raise UnsupportedModelError(
            f"{kind} has weights on the device 'meta', which holds no numbers; load it without torch.device('meta'), "
            "with from_pretrained"
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
