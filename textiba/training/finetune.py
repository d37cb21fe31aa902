"""Making checkpoints on IMDB: a LoRA adapter (Hu et al., ICLR 2022), a linear probe, or a fresh head.

All through well-kept libraries (PEFT, Trainer, scikit-learn). Each leaves a folder with safetensors, the statistics of
its features, and a card: data, recipe, seed, accuracy, loss curve. `textiba finetune` runs them.
"""

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Float
from pydantic import Field
from torch import nn

from textiba.bottleneck.statistics import STATISTICS, estimate_statistics
from textiba.checkpoints.cache import file_hash
from textiba.checkpoints.find import CARD
from textiba.checkpoints.load import ADAPTER, HEAD, load, load_base
from textiba.errors import InputError, missing_extra
from textiba.model.view import Model
from textiba.settings import Settings
from textiba.show.summary import markdown_table
from textiba.store import write_text
from textiba.texts.sources import IMDB, Text, imdb


class Recipe(Settings):
    """How a checkpoint is made.

    Attributes:
        kind: "adapter": LoRA, pooler and head are trained; "probe": a linear probe on the frozen features; "fresh":
            nothing is trained, the head is random.
        base: the model to start from: "built-in", a hub id, or a folder.
        data: IMDB's hub id, a folder, or a Parquet file (see `textiba.texts.sources.imdb`).
        limit: training texts; None takes all.
        statistics: training texts whose features give mean and standard deviation.
        test_limit: test texts for the card's accuracy; None takes all.
        max_length: tokens; longer texts are cut.
        rank: of the LoRA matrices, put on every linear layer; alpha is twice the rank.
        epochs: passes over the training texts.
        batch_size: texts in a step.
        learning_rate: AdamW's, falling linearly to 0 after a warm-up of 6 % of the steps.
        dropout: 0 by default: it doubles a CPU step, and one epoch of LoRA does not overfit.
        bfloat16: autocast; twice as fast on processors with AVX-512 BF16 and on recent GPUs.
        seed: of the head, the LoRA matrices, and the order.
    """

    kind: Literal["adapter", "probe", "fresh"] = "adapter"
    base: str = "built-in"
    data: str = IMDB
    limit: int | None = Field(default=None, ge=2)
    statistics: int = Field(default=2000, ge=1)
    test_limit: int | None = Field(default=2000, ge=2)
    max_length: int = Field(default=256, ge=8)
    rank: int = Field(default=8, ge=1)
    epochs: float = Field(default=1.0, gt=0)
    batch_size: int = Field(default=32, ge=1)
    learning_rate: float = Field(default=5e-4, gt=0)
    dropout: float = Field(default=0.0, ge=0, lt=1)
    bfloat16: bool = False
    seed: int = 0


def finetune(recipe: Recipe, output: str | Path) -> dict[str, Any]:
    """Makes a checkpoint from a recipe: weights, statistics and card, in the folder `output`.

    Args:
        recipe: the settings.
        output: a folder; `textiba.load(output)` reads it.

    Returns:
        The card.

    Raises:
        InputError: the data have no labels.
        MissingExtraError: PEFT, accelerate or scikit-learn is not installed.
    """
    output = Path(output)
    output.mkdir(parents=True, exist_ok=True)
    started = time.monotonic()
    train = imdb(recipe.data, "train", recipe.limit, recipe.seed)
    base, tokenizer, _ = load_base(recipe.base, recipe.seed, warn=False)
    losses: list[dict] = []
    if recipe.kind == "adapter":
        losses = train_adapter(recipe, train, output, base, tokenizer)
    elif recipe.kind == "probe":
        train_probe(recipe, train, output, base, tokenizer)
    else:
        _save_head(base, output)
    return finish(recipe, output, losses, train, time.monotonic() - started)


def finish(recipe: Recipe, output: Path, losses: list[dict], train: Sequence[Text], seconds: float) -> dict[str, Any]:
    """Writes the card, measures accuracy on the test part, and estimates the statistics of the features."""
    weights = ADAPTER if recipe.kind == "adapter" else HEAD
    card: dict[str, Any] = {
        "base": recipe.base,
        "weights": weights,
        "sha256": file_hash(output / weights),
        "recipe": recipe.model_dump(),
        "train_texts": 0 if recipe.kind == "fresh" else len(train),
        "seconds": round(seconds, 1),
        "loss": losses,
    }
    _write_card(card, output)
    model = load(output, recipe.max_length)
    test = imdb(recipe.data, "test", recipe.test_limit, recipe.seed)
    card["test_texts"] = len(test)
    card["test_accuracy"] = accuracy(model, test)
    _write_card(card, output)
    sample = model.tokenize(train[: recipe.statistics])
    passes = (model.forward(batch) for batch in model.batches(sample))
    estimate_statistics(model, passes, f"{recipe.data} train, {recipe.max_length} tokens").save(output / STATISTICS)
    return card


def accuracy(model: Model, texts: Sequence[Text]) -> float:
    """The share of texts whose predicted class is the gold one."""
    tokenized = model.tokenize(texts)
    right = 0
    for batch in model.batches(tokenized):
        predicted = model.logits(batch).argmax(dim=1).tolist()
        right += sum(p == r.source.label for p, r in zip(predicted, batch.texts, strict=True))
    return right / len(tokenized)


def train_adapter(recipe: Recipe, texts: Sequence[Text], output: Path, base: Any, tokenizer: Any) -> list[dict]:
    """Trains a LoRA adapter, the pooler and the head, and saves them in `output` as PEFT does.

    Args:
        recipe: the settings.
        texts: labelled training texts.
        output: folder for the adapter.
        base: a Hugging Face sequence classifier; it is changed, as PEFT wraps it in place.
        tokenizer: its tokenizer.

    Returns:
        The loss curve: `{"step": …, "loss": …}`, nats, mean over 20 steps each.

    Raises:
        InputError: a text without a label.
        MissingExtraError: PEFT or accelerate is not installed.
    """
    try:
        import accelerate  # noqa: F401 - Trainer needs it, and says so less clearly
        import peft
    except ImportError as error:
        raise missing_extra("peft or accelerate", "finetune") from error
    from datasets import Dataset
    from transformers import DataCollatorWithPadding, Trainer, TrainingArguments, set_seed

    if any(r.label is None for r in texts):
        raise InputError("fine-tuning needs a label for every text; some have none")
    set_seed(recipe.seed)
    for module in base.modules():
        if isinstance(module, nn.Dropout):
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

    rows = Dataset.from_list([{"text": r.text, "label": r.label} for r in texts])
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


def train_probe(recipe: Recipe, texts: Sequence[Text], output: Path, base: Any, tokenizer: Any) -> None:
    """Fits a logistic regression on what the untouched model feeds its last linear layer, and saves it as that layer.

    Features are standardised for the fit; the scale is folded into the weights afterwards.

    Raises:
        MissingExtraError: scikit-learn is not installed.
    """
    try:
        from sklearn.linear_model import LogisticRegressionCV
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler
    except ImportError as error:
        raise missing_extra("scikit-learn", "finetune") from error
    model = Model(base, tokenizer, max_length=recipe.max_length, fingerprint="probe")
    features, labels = head_features(model, texts)
    regression = LogisticRegressionCV(Cs=7, cv=3, max_iter=2000, random_state=recipe.seed)
    scaled = make_pipeline(StandardScaler(), regression).fit(features, labels)
    scaler = scaled.named_steps["standardscaler"]
    weight = regression.coef_[0] / scaler.scale_
    bias = float(regression.intercept_[0] - weight @ scaler.mean_)
    _, head = _last_linear(base)
    with torch.no_grad():
        # Two logits ∓z/2 give the same probability as the regression's one logit z.
        head.weight.copy_(torch.from_numpy(np.stack([-weight, weight]) / 2))
        head.bias.copy_(torch.tensor([-bias, bias]) / 2)
    _save_head(base, output)


def head_features(model: Model, texts: Sequence[Text]) -> tuple[Float[np.ndarray, "texts features"], list[int | None]]:
    """What the last linear layer is fed, and the gold labels, in the same order."""
    _, head = _last_linear(model.module)
    seen: list[np.ndarray] = []
    labels: list[int | None] = []
    hook = head.register_forward_pre_hook(lambda _, args: seen.append(args[0].detach().float().cpu().numpy()))
    try:
        for batch in model.batches(model.tokenize(texts)):
            model.logits(batch)
            labels += [r.source.label for r in batch.texts]
    finally:
        hook.remove()
    return np.concatenate(seen), labels


def _last_linear(model: Any) -> tuple[str, nn.Linear]:
    """The layer that gives the logits, by name."""
    linear = [
        (name, module)
        for name, module in model.named_modules()
        if isinstance(module, nn.Linear) and not name.startswith(f"{model.base_model_prefix}.")
    ]
    return linear[-1]


def _save_head(model: Any, output: Path) -> None:
    from safetensors.torch import save_file

    inside = f"{model.base_model_prefix}."
    # A pooler belongs to the head where the base came without one: it was drawn at random with the recipe's seed.
    head = {k: v for k, v in model.state_dict().items() if not k.startswith(inside) or ".pooler." in k}
    save_file({k: v.contiguous() for k, v in head.items()}, str(output / HEAD))


def _write_card(card: dict[str, Any], output: Path) -> None:
    """`card.json` for the loader and README.md for people."""
    write_text(output / CARD, json.dumps(card, indent=1) + "\n")
    recipe = card["recipe"]
    rows = [
        ("kind", recipe["kind"]),
        ("base", card["base"]),
        ("data", f"{recipe['data']}, {card['train_texts']} training texts, {recipe['max_length']} tokens"),
        ("seed", recipe["seed"]),
        ("accuracy", f"{card['test_accuracy']:.4f} on {card['test_texts']} test texts")
        if "test_accuracy" in card
        else ("accuracy", "not measured yet"),
        ("seconds", card["seconds"]),
        ("SHA-256", f"`{card['sha256']}` ({card['weights']})"),
    ]
    settings = " ".join(f"{k}={v}" for k, v in recipe.items())
    blocks = [
        f"# {output.name}",
        markdown_table({"": [name for name, _ in rows], " ": [value for _, value in rows]}),
        f"Made by `textiba finetune` with the recipe `{settings}`.",
    ]
    if card["loss"]:
        curve = {"step": [row["step"] for row in card["loss"]]}
        blocks.append(markdown_table({**curve, "training loss (nats)": [f"{row['loss']:.3f}" for row in card["loss"]]}))
    write_text(output / "README.md", "\n\n".join(blocks) + "\n")
