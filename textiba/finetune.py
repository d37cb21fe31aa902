"""Fine-tuning a checkpoint on IMDB with LoRA (Hu et al., ICLR 2022), and the linear probe on frozen features.

Both are made through well-kept libraries (PEFT, Trainer, scikit-learn) and leave a folder with safetensors and a
card: data, command, seed, accuracy, loss curve. `textiba finetune` runs them.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import Field

from textiba.data import IMDB, Review
from textiba.errors import InputError, missing_extra
from textiba.settings import Settings


class Recipe(Settings):
    """How a checkpoint is fine-tuned.

    Attributes:
        base: the encoder to start from: "built-in", a hub id, or a folder.
        data: IMDB's hub id, a folder, or a Parquet file (see `textiba.data.imdb`).
        limit: training reviews; None takes all.
        test_limit: test reviews for the card's accuracy; None takes all.
        max_length: tokens; longer reviews are cut.
        rank: of the LoRA matrices, put on every linear layer; alpha is twice the rank.
        epochs: passes over the training reviews.
        batch_size: reviews in a step.
        learning_rate: AdamW's, falling linearly to 0 after a warm-up of 6 % of the steps.
        dropout: 0 by default: it doubles a CPU step, and one epoch of LoRA does not overfit.
        bfloat16: autocast; twice as fast on processors with AVX-512 BF16 and on recent GPUs.
        seed: of the head, the LoRA matrices, and the order.
    """

    base: str = "built-in"
    data: str = IMDB
    limit: int | None = Field(default=None, ge=2)
    test_limit: int | None = Field(default=2000, ge=2)
    max_length: int = Field(default=256, ge=8)
    rank: int = Field(default=8, ge=1)
    epochs: float = Field(default=1.0, gt=0)
    batch_size: int = Field(default=32, ge=1)
    learning_rate: float = Field(default=5e-4, gt=0)
    dropout: float = Field(default=0.0, ge=0, lt=1)
    bfloat16: bool = False
    seed: int = 0


def train_adapter(recipe: Recipe, reviews: Sequence[Review], output: Path, base: Any, tokenizer: Any) -> list[dict]:
    """Trains a LoRA adapter, the pooler and the head, and saves them in `output` as PEFT does.

    Args:
        recipe: the settings.
        reviews: labelled training reviews.
        output: folder for the adapter.
        base: a Hugging Face sequence classifier; it is changed, as PEFT wraps it in place.
        tokenizer: its tokenizer.

    Returns:
        The loss curve: `{"step": …, "loss": …}`, nats, mean over 20 steps each.

    Raises:
        InputError: a review without a label.
        MissingExtraError: PEFT or accelerate is not installed.
    """
    try:
        import accelerate  # noqa: F401 - Trainer needs it, and says so less clearly
        import peft
    except ImportError as error:
        raise missing_extra("peft or accelerate", "finetune") from error
    import torch
    from datasets import Dataset
    from transformers import DataCollatorWithPadding, Trainer, TrainingArguments, set_seed

    if any(r.label is None for r in reviews):
        raise InputError("fine-tuning needs a label for every review; some have none")
    set_seed(recipe.seed)
    for module in base.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = recipe.dropout
    head = [name for name, _ in base.named_children() if name != base.base_model_prefix]
    pooler = ["pooler"] if getattr(base.base_model, "pooler", None) is not None else []
    lora = peft.LoraConfig(
        task_type="SEQ_CLS",
        r=recipe.rank,
        lora_alpha=2 * recipe.rank,
        target_modules="all-linear",
        modules_to_save=[name for name in head if name != "dropout"] + pooler,
    )
    model = peft.get_peft_model(base, lora)

    rows = Dataset.from_list([{"text": r.text, "label": r.label} for r in reviews])
    rows = rows.map(
        lambda batch: tokenizer(batch["text"], truncation=True, max_length=recipe.max_length),
        batched=True,
        remove_columns=["text"],
    )
    arguments = TrainingArguments(
        output_dir=str(output / "trainer"),
        num_train_epochs=recipe.epochs,
        per_device_train_batch_size=recipe.batch_size,
        learning_rate=recipe.learning_rate,
        warmup_steps=0.06,
        bf16=recipe.bfloat16,
        use_cpu=not torch.cuda.is_available(),
        seed=recipe.seed,
        train_sampling_strategy="group_by_length",
        logging_steps=20,
        save_strategy="no",
        report_to="none",
        dataloader_pin_memory=torch.cuda.is_available(),
    )
    trainer = Trainer(
        model=model,
        args=arguments,
        train_dataset=rows,
        data_collator=DataCollatorWithPadding(tokenizer),
        processing_class=tokenizer,
    )
    trainer.train()
    model.peft_config["default"].base_model_name_or_path = recipe.base
    model.save_pretrained(str(output), safe_serialization=True)
    return [{"step": row["step"], "loss": round(row["loss"], 5)} for row in trainer.state.log_history if "loss" in row]
