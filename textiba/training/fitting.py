"""Fits the trained part of a checkpoint on a base model: a LoRA adapter with its head, or a linear probe."""

import math
import shutil
import warnings
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import nn

from textiba.checkpoints.load import HEAD
from textiba.errors import InputError, missing_extra
from textiba.model.view import Model
from textiba.runs.sweep import Progress, texts_hash
from textiba.store import Manifest, claimed
from textiba.texts.text import Text
from textiba.training.examples import examples
from textiba.training.recipe import Recipe

_STATES = "trainer"  # folder of the saved states of an unfinished training
_LOGGED = 20  # number of steps whose mean loss is a point of the loss curve
_SAVED = 20  # number of states that are saved during a training
FOLDS = 3  # number of folds of the cross-validation that chooses the probe's regularisation


def train_adapter(
    recipe: Recipe, texts: Sequence[Text], output: Path, base: Any, tokenizer: Any, progress: Progress = lambda *_: None
) -> list[dict]:
    """Trains a LoRA adapter, the pooler and the head, and saves them in `output` as PEFT does.

    About twenty times during the training, at most every 20 steps, a state is saved in `output/trainer`. A stopped
    training with the same recipe and texts resumes from this state. If the training was stopped in the first epoch, the
    result equals that of an uninterrupted training. After a stop in a later epoch, the order of the texts differs.

    Args:
        recipe: the settings.
        texts: training texts, with labels (or tags) as indices of the classes.
        output: folder for the adapter.
        base: a Hugging Face sequence or token classifier, which PEFT wraps, and so changes, in place.
        tokenizer: its tokenizer.
        progress: called after every step.

    Returns:
        The loss curve, as points `{"step": …, "loss": …}`. Each loss is the mean over 20 steps, in nats; with several
        labels, it is the mean over the labels too. The loss of a regression is the squared error.

    Raises:
        InputError: a text has no gold answer, some texts are pairs and some are not, or `output` has an unfinished
            training with another recipe or other texts.
        MissingExtraError: PEFT or accelerate is not installed.
    """
    try:
        import accelerate  # noqa: F401 - Trainer needs accelerate, but its own error is less clear
        import peft
    except ImportError as error:
        raise missing_extra("peft or accelerate", "finetune") from error
    from transformers import PrinterCallback, Trainer, TrainerCallback, TrainingArguments, set_seed

    rows, collator = examples(recipe, texts, base.config, tokenizer)
    set_seed(recipe.seed)
    for module in base.modules():
        if isinstance(module, nn.Dropout):
            module.p = recipe.dropout
    head = [name for name, _ in base.named_children() if name != base.base_model_prefix]
    pooler = ["pooler"] if getattr(base.base_model, "pooler", None) is not None else []
    lora = peft.LoraConfig(
        task_type="TOKEN_CLS" if recipe.task == "tags" else "SEQ_CLS",
        r=recipe.rank,
        lora_alpha=2 * recipe.rank,
        target_modules="all-linear",
        modules_to_save=[name for name in head if name != "dropout"] + pooler,
    )
    model = peft.get_peft_model(base, lora)

    folder = output / _STATES
    arguments = TrainingArguments(
        output_dir=str(folder),
        num_train_epochs=recipe.epochs,
        per_device_train_batch_size=recipe.batch_size,
        learning_rate=recipe.learning_rate,
        warmup_steps=0.06,
        bf16=recipe.bfloat16,
        use_cpu=not torch.cuda.is_available(),
        seed=recipe.seed,
        train_sampling_strategy="group_by_length",
        logging_steps=_LOGGED,
        log_level="error",
        save_strategy="steps",
        save_steps=_saved_every(recipe, len(rows)),
        save_total_limit=1,
        disable_tqdm=True,
        report_to="none",
        dataloader_pin_memory=torch.cuda.is_available(),
    )
    trainer = Trainer(
        model=model,
        args=arguments,
        train_dataset=rows,
        data_collator=collator,
        processing_class=tokenizer,
        callbacks=[_reporter(TrainerCallback, progress)],
    )
    trainer.remove_callback(PrinterCallback)
    with claimed(folder):
        Manifest(folder, recipe.model_dump(), "finetune").hold("texts", "train", texts_hash(texts))
        trainer.train(resume_from_checkpoint=_last_state(folder))
    model.peft_config["default"].base_model_name_or_path = recipe.base
    if recipe.saved_as == "float16":
        model.half()
    model.save_pretrained(str(output), safe_serialization=True)
    shutil.rmtree(folder)
    return [{"step": row["step"], "loss": round(row["loss"], 5)} for row in trainer.state.log_history if "loss" in row]


def _saved_every(recipe: Recipe, rows: int) -> int:
    """Steps between two saved states: about a twentieth of all steps, rounded to whole logging intervals.

    A saved state does not hold the sums of an unfinished logging interval.
    """
    steps = math.ceil(rows / recipe.batch_size) * recipe.epochs
    return _LOGGED * max(1, round(steps / _SAVED / _LOGGED))


def _last_state(folder: Path) -> str | None:
    """The last state that was saved completely; Trainer writes `trainer_state.json` last."""
    whole = [path.parent for path in folder.glob("checkpoint-*/trainer_state.json")]
    return str(max(whole, key=lambda path: int(path.name.partition("-")[2]))) if whole else None


def _reporter(base: type, progress: Progress) -> Any:
    """A callback of Trainer that reports the steps."""

    def report(_self: Any, _arguments: Any, state: Any, _control: Any, **_: Any) -> None:
        progress("training steps", state.global_step, state.max_steps)

    return type("Reporter", (base,), {"on_train_begin": report, "on_step_end": report})()


def train_probe(recipe: Recipe, texts: Sequence[Text], output: Path, base: Any, tokenizer: Any) -> None:
    """Fits a logistic regression on the inputs of the model's last linear layer, and saves it in place of that layer.

    With two classes the regression is binomial, and with more classes it is multinomial. Features are standardised for
    the fit; the standardisation is merged into the weights afterwards.

    Args:
        recipe: the settings.
        texts: training texts, with labels as indices of the classes.
        output: folder for the head.
        base: a Hugging Face sequence classifier; its last linear layer is changed in place.
        tokenizer: its tokenizer.

    Raises:
        InputError: a class of the model has fewer than three texts.
        MissingExtraError: scikit-learn is not installed.
    """
    try:
        from sklearn.linear_model import LogisticRegressionCV
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler
    except ImportError as error:
        raise missing_extra("scikit-learn", "finetune") from error
    model = Model(base, tokenizer, max_length=recipe.max_length, fingerprint="probe")
    counts = Counter(text.label for text in texts)
    if few := [name for i, name in enumerate(model.labels) if counts[i] < FOLDS]:
        raise InputError(
            f"a probe needs {FOLDS} training texts of each class; there are {counts[model.labels.index(few[0])]} of "
            f"'{few[0]}'. Give more texts, a larger limit, or kind: adapter"
        )
    features, labels = head_features(model, texts)
    _, head = last_linear(base)
    affine = head.bias is not None
    regression = LogisticRegressionCV(
        Cs=7, cv=FOLDS, max_iter=2000, random_state=recipe.seed, fit_intercept=affine, scoring="accuracy"
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # warnings about attributes that are not used here
        scaled = make_pipeline(StandardScaler(with_mean=affine), regression).fit(features, labels)
    scaler = scaled.named_steps["standardscaler"]
    weight = regression.coef_ / scaler.scale_
    bias = regression.intercept_ - (weight @ scaler.mean_ if affine else 0)
    if len(weight) == 1:  # two logits ∓z/2 give the same probability as the binomial regression's one logit z
        weight, bias = np.concatenate([-weight, weight]) / 2, np.concatenate([-bias, bias]) / 2
    with torch.no_grad():
        head.weight.copy_(torch.from_numpy(weight))
        if affine:
            head.bias.copy_(torch.from_numpy(bias))
    save_head(base, output)


def head_features(model: Model, texts: Sequence[Text]) -> tuple[Float[np.ndarray, "texts features"], list[int]]:
    """The inputs of the last linear layer, and the gold labels, in the same order.

    Args:
        model: the model.
        texts: texts with labels as indices of the classes.
    """
    _, head = last_linear(model.module)
    seen: list[np.ndarray] = []
    labels: list[int] = []
    hook = head.register_forward_pre_hook(lambda _, args: seen.append(args[0].detach().float().cpu().numpy()))
    try:
        for batch in model.batches(model.tokenize(texts)):
            model.logits(batch)
            labels += [int(text.source.label) for text in batch.texts if text.source.label is not None]
    finally:
        hook.remove()
    return np.concatenate(seen), labels


def last_linear(model: Any) -> tuple[str, nn.Linear]:
    """The linear layer that gives the logits, and its name."""
    linear = [
        (name, module)
        for name, module in model.named_modules()
        if isinstance(module, nn.Linear) and not name.startswith(f"{model.base_model_prefix}.")
    ]
    return linear[-1]


def save_head(model: Any, output: Path) -> None:
    """Saves the weights outside the encoder."""
    from safetensors.torch import save_file

    inside = f"{model.base_model_prefix}."
    # The pooler is saved too: a base without a trained pooler got random weights, drawn with the recipe's seed.
    head = {k: v for k, v in model.state_dict().items() if not k.startswith(inside) or ".pooler." in k}
    save_file({k: v.contiguous() for k, v in head.items()}, str(output / HEAD))


def fresh_head(model: Any, seed: int) -> None:
    """Draws the weights outside the encoder at random, in place."""
    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(seed)
        for name, child in model.named_children():
            if name != model.base_model_prefix:
                child.apply(_reset)


def start_at_shares(model: Any, texts: Sequence[Text]) -> None:
    """Sets the bias of each label, in place, to the log-odds of the label's share of the texts.

    Otherwise the first steps, in which all the rare labels push towards "no", can make the pooler's output the same for
    every text, and nothing more is learned. Source: Lin et al., *Focal Loss for Dense Object Detection*, ICCV 2017,
    section 4.1.

    Args:
        model: a Hugging Face sequence classifier with a fresh head.
        texts: training texts, with labels as indices of the classes.
    """
    _, head = last_linear(model)
    if head.bias is None:
        return
    counts = Counter(label for text in texts for label in text.labels or ())
    # Half a text more on each side keeps the log-odds of a label without any text finite.
    held = torch.tensor([counts[label] + 0.5 for label in range(head.out_features)])
    with torch.no_grad():
        head.bias.copy_(torch.log(held / (len(texts) + 1 - held)))


def _reset(module: nn.Module) -> None:
    if isinstance(module, nn.Linear):
        nn.init.normal_(module.weight, std=0.02)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
    elif isinstance(module, nn.LayerNorm):
        module.reset_parameters()
