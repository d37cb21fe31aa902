"""Tiny random classifiers of every text family that transformers has, and what it means that one is taken rightly."""

from functools import lru_cache
from typing import Any

import torch
import toys
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import CONFIG_MAPPING, AutoModelForSequenceClassification, PreTrainedTokenizerFast
from transformers.models.auto.modeling_auto import MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING_NAMES as NAMES

from textiba.model.view import Model

# They classify more than text: boxes, images, tables, latents.
NOT_TEXT = frozenset({
    "layoutlm", "layoutlmv2", "layoutlmv3", "lilt", "markuplm", "tapas", "modernvbert", "ultravbert", "perceiver",
    "t5gemma2",
})  # fmt: skip
KINDS = tuple(kind for kind in NAMES if kind not in NOT_TEXT)
SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
WORDS = tuple(f"w{i}" for i in range(5, 60))
LABELS = 3

# Whatever of these a config knows, so that every model is tiny.
_SMALL: dict[str, Any] = {
    **dict.fromkeys(("hidden_size", "d_model", "n_embd", "dim", "emb_dim", "embedding_size", "input_embedding_size",
                     "word_embed_proj_dim", "q_lora_rank", "kv_lora_rank", "moe_intermediate_size",
                     "shared_expert_intermediate_size"), 32),
    **dict.fromkeys(("num_hidden_layers", "n_layer", "n_layers", "num_layers", "encoder_layers", "decoder_layers",
                     "num_decoder_layers"), 3),
    **dict.fromkeys(("num_attention_heads", "n_head", "n_heads", "num_heads", "encoder_attention_heads",
                     "decoder_attention_heads", "num_experts", "num_local_experts", "n_routed_experts"), 4),
    **dict.fromkeys(("intermediate_size", "hidden_dim", "n_inner", "d_ff", "d_inner", "ffn_dim", "encoder_ffn_dim",
                     "decoder_ffn_dim", "dff", "ffn_hidden_size"), 64),
    **dict.fromkeys(("d_kv", "d_head", "head_dim", "kv_channels", "qk_nope_head_dim", "qk_rope_head_dim",
                     "v_head_dim"), 8),
    **dict.fromkeys(("vocab_size", "n_vocab", "n_words"), len(SPECIAL) + len(WORDS)),
    **dict.fromkeys(("max_position_embeddings", "n_positions", "n_ctx", "max_seq_len", "max_sequence_length"), 128),
    **dict.fromkeys(("num_key_value_heads", "num_experts_per_tok"), 2),
    **dict.fromkeys(("n_group", "topk_group", "first_k_dense_replace"), 1),
    "pad_token_id": 0, "bos_token_id": 2, "eos_token_id": 3, "decoder_start_token_id": 0, "cls_token_id": 2,
    "sep_token_id": 3, "num_labels": LABELS,
}  # fmt: skip
_LINEAR = ["linear_attention", "full_attention", "linear_attention"]
_LATENT = {"head_dim": None, "num_key_value_heads": 4}  # attention through a latent has no width of its own
_OF_ITS_OWN: dict[str, dict[str, Any]] = {
    "longformer": {"attention_window": [4, 4, 4]},
    "big_bird": {"attention_type": "original_full", "block_size": 4, "num_random_blocks": 1},
    "bigbird_pegasus": {"attention_type": "original_full", "block_size": 4, "num_random_blocks": 1},
    "funnel": {"block_sizes": [1, 1, 1], "num_decoder_layers": 2, "d_head": 8, "block_repeats": None},
    "mobilebert": {"true_hidden_size": 16, "intra_bottleneck_size": 16},
    "gpt_neo": {"attention_types": [[["global", "local"], 1], [["global"], 1]], "window_size": 4},
    "gptj": {"rotary_dim": 8},
    "xmod": {"languages": ["en_XX"], "default_language": "en_XX"},
    "reformer": {
        "attn_layers": ["local"] * 3, "axial_pos_shape": [8, 16], "axial_pos_embds_dim": [16, 16],
        "feed_forward_size": 64, "attention_head_size": 8, "local_attn_chunk_length": 4, "hash_seed": 0,
        "is_decoder": False,
    },
    "canine": {"num_hash_buckets": 64, "downsampling_rate": 4, "local_transformer_stride": 16},
    "rembert": {"input_embedding_size": 16, "output_embedding_size": 16},
    "albert": {"embedding_size": 16},
    "electra": {"embedding_size": 16},
    "convbert": {"embedding_size": 16, "conv_kernel_size": 3},
    "roformer": {"embedding_size": 16},
    "modernbert": {"local_attention": 4, "global_attn_every_n_layers": 2},
    "gemma2": {"sliding_window": 4}, "gemma3_text": {"sliding_window": 4}, "mistral": {"sliding_window": 4},
    "fnet": {"tpu_short_seq_length": 16},
    "luke": {"entity_vocab_size": 10, "entity_emb_size": 16},
    "nystromformer": {"num_landmarks": 4, "segment_means_seq_len": 4},
    "yoso": {"use_expectation": True, "hash_code_len": 4, "num_hash": 2},
    "mra": {"num_block_per_row": 1, "approx_mode": "full"},
    "esm": {"mask_token_id": 4, "position_embedding_type": "rotary", "token_dropout": False},
    "esmc": {"num_key_value_heads": 4, "mask_token_id": 4},
    "jamba": {
        "attn_layer_period": 2, "attn_layer_offset": 1, "mamba_d_state": 4, "mamba_expand": 2,
        "expert_layer_period": 2, "expert_layer_offset": 1, "use_mamba_kernels": False,
    },
    "zamba": {
        "mamba_d_state": 4, "n_mamba_heads": 2, "mamba_dt_rank": 4, "use_mamba_kernels": False,
        "attention_head_dim": 16, "attention_hidden_size": 64, "num_key_value_heads": 4, "num_hidden_layers": 4,
        "layers_block_type": ["linear_attention", "hybrid"] * 2,
    },
    "zamba2": {
        "mamba_d_state": 4, "mamba_ngroups": 1, "n_mamba_heads": 8, "mamba_headdim": 8, "mamba_expand": 2,
        "layers_block_type": ["linear_attention", "hybrid", "linear_attention"], "hybrid_layer_ids": [1],
        "attention_hidden_size": 64, "attention_head_dim": 16, "num_query_groups": 4, "use_mamba_kernels": False,
        "chunk_size": 8, "adapter_rank": 8, "num_key_value_heads": 4,
    },
    "roc_bert": {
        "pronunciation_vocab_size": 60, "shape_vocab_size": 60, "pronunciation_embed_dim": 16, "shape_embed_dim": 16,
    },
    "qwen3_next": {
        "linear_num_key_heads": 2, "linear_num_value_heads": 4, "linear_key_head_dim": 8, "linear_value_head_dim": 8,
        "layer_types": _LINEAR, "decoder_sparse_step": 1,
    },
    "qwen3_5_text": {
        "linear_num_key_heads": 2, "linear_num_value_heads": 4, "linear_key_head_dim": 8, "linear_value_head_dim": 8,
        "layer_types": _LINEAR,
    },
    "cohere_compass_text": {
        "rope_parameters": {
            kind: {"rope_theta": 1e4, "rope_type": "default"} for kind in ("full_attention", "sliding_attention")
        },
        "sliding_window": 4, "layer_types": ["full_attention", "sliding_attention", "full_attention"],
    },
    **dict.fromkeys(("axk1", "axk2", "deepseek_v2", "deepseek_v3", "minicpm3", "mistral4"), _LATENT),
}  # fmt: skip


def config(kind: str, **changes: Any) -> Any:
    """The config of a tiny model of a family."""
    cls: Any = CONFIG_MAPPING[kind]
    if kind in ("gemma3", "qwen3_5"):  # a language model beside a vision tower that text never enters
        small = {"hidden_size": 32, "num_hidden_layers": 1, "depth": 1, "intermediate_size": 32,
                 "num_attention_heads": 2, "num_heads": 2, "image_size": 28, "patch_size": 14,
                 "out_hidden_size": 32}  # fmt: skip
        tower = {k: v for k, v in small.items() if k in cls().vision_config.to_dict()}
        made = cls(text_config=config(f"{kind}_text").to_dict(), vision_config=tower)
        made.num_labels, made.pad_token_id = LABELS, 0
        return made
    if kind == "t5gemma":
        half = {k: v for k, v in _SMALL.items() if k in ("vocab_size", "hidden_size", "intermediate_size")}
        half |= {"num_hidden_layers": 3, "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 8,
                 "sliding_window": 4, "max_position_embeddings": 128}  # fmt: skip
        made = cls(encoder=half, decoder=half, vocab_size=half["vocab_size"])
        made.num_labels, made.pad_token_id = LABELS, 0
        made.decoder.pad_token_id, made.decoder.bos_token_id = 0, 2
        return made
    known = set(cls().to_dict())
    settings = {k: v for k, v in _SMALL.items() if k in known or k in ("pad_token_id", "num_labels")}
    settings |= _OF_ITS_OWN.get(kind, {}) | changes
    return cls(**{k: v for k, v in settings.items() if v is not None})


def tiny(kind: str, seed: int = 0, made_by: Any = AutoModelForSequenceClassification, **changes: Any) -> Any:
    """A random model of a family, with weights and biases spread so that every difference shows in the logits."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        module = made_by.from_config(config(kind, **changes)).eval()
        with torch.no_grad():
            for parameter in module.parameters():
                if parameter.is_floating_point() and parameter.numel():
                    flat = parameter.dim() == 1
                    if not flat or parameter.abs().max() == 0:
                        parameter.add_(torch.randn(parameter.shape) * (0.05 if flat else 0.15))
    return module


@lru_cache
def tokenizer(types: bool = False) -> PreTrainedTokenizerFast:
    """A tokenizer of whole words, `[CLS] … [SEP]`."""
    vocabulary = {token: i for i, token in enumerate((*SPECIAL, *WORDS))}
    whole = Tokenizer(models.WordLevel(vocabulary, "[UNK]"))
    whole.pre_tokenizer = pre_tokenizers.Whitespace()
    whole.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    inputs = ["input_ids", *(["token_type_ids"] if types else []), "attention_mask"]
    return PreTrainedTokenizerFast(
        tokenizer_object=whole, model_max_length=64, model_input_names=inputs, **toys.SPECIAL_TOKENS
    )


def texts(seed: int, lengths: tuple[int, ...] = (10, 6, 3)) -> list[str]:
    """Texts of known words."""
    generator = torch.Generator().manual_seed(seed)
    return [" ".join(WORDS[i] for i in torch.randint(len(WORDS), (n,), generator=generator)) for n in lengths]


def fault(module: Any, model: Model) -> str | None:
    """What is wrong with a model that was taken; None where everything is right.

    Right is: the logits are those of the Hugging Face model on each text alone; entering at any layer with the state of
    that layer gives them too; the state is read; and other words under the same state change nothing.
    """
    tokens, others = (model.tokenize(texts(seed)) for seed in (1, 2))
    with torch.no_grad():
        alone = {
            id(t): module(
                input_ids=torch.tensor([t.ids]), attention_mask=torch.ones(1, len(t), dtype=torch.long)
            ).logits[0]
            for t in tokens
        }
    for batch, other in zip(model.batches(tokens), model.batches(others), strict=True):
        expected = torch.stack([alone[id(t)] for t in batch.texts])
        if (off := float((model.logits(batch) - expected).abs().max())) > 1e-5:
            return f"the whole model is off by {off:.0e}"
        for layer in range(model.n_layers + 1):
            state = model.run_to(batch, layer).detach().requires_grad_(True)
            logits = model.run_from(batch, layer, state)
            if (off := float((logits - expected).detach().abs().max())) > 1e-5:
                return f"entered at layer {layer} it is off by {off:.0e}"
            (gradient,) = torch.autograd.grad(logits.sum(), state, allow_unused=True)
            if gradient is None or not gradient.abs().sum() > 0:
                return f"the state at layer {layer} is not read"
            with torch.no_grad():
                leak = float((model.run_from(other, layer, state.detach()) - logits).abs().max())
            if leak > 1e-5:
                return f"the text comes round the state at layer {layer} ({leak:.0e})"
    return None
