"""Odd configs, tokenizers and wrappers: taken rightly, or refused with the reason."""

from typing import Any

import families
import pytest
import torch
import toys
from peft import LoraConfig, PrefixTuningConfig, PromptEncoderConfig, PromptTuningConfig, get_peft_model

import textiba
from textiba.errors import InputError, SettingError, UnsupportedModelError
from textiba.model.view import Model

TEXTS = ["w7 w9 w11 w5", "w8 w5", "w6", "w7 [SEP]"]


def decoder(kind: str, pad: int | None, end: Any) -> Any:
    """A classifier that reads the last token that is not padding."""
    module = families.tiny(kind)
    module.config.pad_token_id, module.config.eos_token_id = pad, end
    return module


def without_padding() -> Any:
    """The tokenizer of the families, `[CLS] … [SEP]`, without a padding token."""
    tokenizer = families.tokenizer.__wrapped__()
    tokenizer.pad_token = None
    return tokenizer


@pytest.mark.filterwarnings("ignore::textiba.errors.SpecialTokenWarning")
@pytest.mark.parametrize("kind", ["gpt2", "llama", "qwen3"])
@pytest.mark.parametrize("end", [None, 3, [3, 4], [], 50256, 10], ids=repr)
def test_a_head_without_a_padding_token_reads_the_last_token(kind: str, end: Any):
    """Number 3 is [SEP], which the tokenizer puts at every text's end; it must not count as padding."""
    module, tokenizer = decoder(kind, None, end), without_padding()
    for a in textiba.explain(Model(module, tokenizer), textiba.Saliency(), TEXTS):
        with torch.no_grad():
            alone = module(torch.tensor([a.text.ids])).logits.softmax(1)[0]
        assert a.probability == pytest.approx(float(alone.max()), abs=1e-5)
    assert module.config.pad_token_id is None


def test_without_any_token_to_spare_texts_of_different_lengths_share_no_batch():
    tokenizer = without_padding()
    for name in ("mask_token", "cls_token", "sep_token"):
        setattr(tokenizer, name, None)
    model = Model(decoder("gpt2", None, 3), tokenizer)
    assert model.module.config.pad_token_id == -1
    assert not model.pads


@pytest.mark.parametrize("chunk", [2, 3, 7])
def test_chunks_of_the_feed_forward_block_may_be_of_any_size(chunk: int):
    text = ["the film was played in town"]
    [plain], [chunked] = (
        textiba.explain(Model(toys.classifier(chunk_size_feed_forward=size), toys.tokenizer()), "saliency", text)
        for size in (0, chunk)
    )
    assert chunked.scores == pytest.approx(plain.scores, rel=1e-4, nan_ok=True)


@pytest.mark.parametrize("settings", [PromptTuningConfig, PrefixTuningConfig, PromptEncoderConfig])
def test_soft_prompts_are_refused(settings: Any):
    """Their base model alone predicts something else."""
    made = settings(task_type="SEQ_CLS", num_virtual_tokens=4)
    with pytest.raises(UnsupportedModelError, match=f"soft prompt \\({settings.__name__}\\).*such as LoRA"):
        Model(get_peft_model(toys.classifier(), made), toys.tokenizer())


def test_adapters_that_change_weights_are_taken_with_them():
    made = LoraConfig(task_type="SEQ_CLS", target_modules=["query"], init_lora_weights=False)
    wrapped = get_peft_model(toys.classifier(), made).eval()
    [a] = textiba.explain(Model(wrapped, toys.tokenizer()), "saliency", ["the film was played"])
    with torch.no_grad():
        alone = wrapped(**toys.tokenizer()(["the film was played"], return_tensors="pt")).logits.softmax(1)
    assert a.probability == pytest.approx(float(alone.max()), abs=1e-5)


@pytest.mark.parametrize("length", [0, -1, float("inf"), 1e30])
def test_a_tokenizer_without_a_limit_leaves_the_model_s(length: Any):
    tokenizer = toys.tokenizer.__wrapped__()
    tokenizer.model_max_length = length
    assert Model(toys.classifier(), tokenizer).max_length == toys.MAX_LENGTH


@pytest.mark.parametrize("length", [None, "512", [64]])
def test_a_tokenizer_whose_limit_is_no_number_is_refused(length: Any):
    tokenizer = toys.tokenizer.__wrapped__()
    tokenizer.model_max_length = length
    with pytest.raises(InputError, match="model_max_length must be a number of tokens; got .* Set it, for example to"):
        Model(toys.classifier(), tokenizer)


def test_weights_without_numbers_are_refused():
    with torch.device("meta"):
        module = toys.classifier(biases=False)
    with pytest.raises(UnsupportedModelError, match="device 'meta', which holds no numbers; load it without"):
        Model(module, toys.tokenizer())


@pytest.mark.parametrize("length", ["16", 10.5, 2, 65, True])
@pytest.mark.usefixtures("unchecked")
def test_a_length_that_is_no_number_of_tokens_is_refused(length: Any):
    with pytest.raises(
        InputError, match=f"max_length must lie between 3 and 64, the model's own limit; got {length!r}"
    ):
        Model(toys.classifier(), toys.tokenizer(), max_length=length)


@pytest.mark.parametrize(
    ("numbers", "message"),
    [
        ({"seed": None}, "seed must be a whole number; got None"),
        ({"seed": 1.5}, "seed must be a whole number; got 1.5"),
        ({"budget": None}, "budget must be a whole number of tokens from 1 on; got None"),
        ({"budget": -5}, "budget must be a whole number of tokens from 1 on; got -5"),
        ({"budget": "512"}, "budget must be a whole number of tokens from 1 on; got '512'"),
    ],
)
@pytest.mark.usefixtures("unchecked")
def test_numbers_that_are_none_are_refused(numbers: dict[str, Any], message: str):
    with pytest.raises(SettingError, match=message):
        textiba.explain(toys.model(), textiba.Random(), ["the film"], **numbers)


@pytest.mark.parametrize(
    ("model", "method", "statistics", "fix"),
    [
        (toys.classifier(), textiba.Saliency(), None, "got BertFor.* Make one: textiba.load"),
        (toys.model(), textiba.Saliency, None, r"got Saliency\. Make one: textiba\.Saliency\(\)"),
        (toys.model(), None, None, r"got NoneType\. Make one: textiba\.method\(name\)"),
        (toys.model(), textiba.PerSampleBottleneck(), "fine-tuned", r"got str\. Load them: textiba\.load_statistics"),
    ],
)
@pytest.mark.usefixtures("unchecked")
def test_arguments_that_are_easily_mistaken_are_refused(model: Any, method: Any, statistics: Any, fix: str):
    with pytest.raises(SettingError, match=fix):
        textiba.explain(model, method, ["the film"], statistics)
