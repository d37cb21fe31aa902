"""Contexts in which transformers loads a model: errors that say what to do, and no messages of the libraries."""

import contextlib
import warnings
from collections.abc import Iterator
from pathlib import Path

from textiba.checkpoints.find import BUILTIN
from textiba.errors import CorruptFileError, HubUnavailableError, NotACheckpointError


@contextlib.contextmanager
def hub_errors(source: str) -> Iterator[None]:
    """Turns the errors of transformers, within a context, into errors that say what to do.

    Args:
        source: the folder or hub id that is loaded, for the messages.

    Raises:
        CorruptFileError: the weights cannot be read.
        NotACheckpointError: the folder holds no model of Hugging Face.
        HubUnavailableError: the hub cannot be reached, or has no such model.
    """
    from huggingface_hub.errors import StrictDataclassError
    from safetensors import SafetensorError

    # An ImportError: the config asks for a package, such as flash-attn or bitsandbytes, that is not installed.
    known = (OSError, ValueError, RuntimeError, LookupError, TypeError, AttributeError, ArithmeticError, ImportError)
    try:
        yield
    except SafetensorError as error:
        raise CorruptFileError(f"{source}: the weights cannot be read ({error}); download them again") from None
    except (*known, StrictDataclassError) as error:
        first = " ".join(str(error).split())[:200] or type(error).__name__
        if Path(source).is_dir():
            raise NotACheckpointError(
                f"{source}: not a Hugging Face model with config.json, a tokenizer and model.safetensors ({first})"
            ) from error
        raise HubUnavailableError(
            f"'{source}' could not be loaded from the hub ({first}). Check the name and the network, name a folder, or "
            f"take a built-in one: {', '.join(BUILTIN)}"
        ) from error


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Silences load reports, progress bars and deprecations of libraries; `load_base` itself checks the weights."""
    from transformers.utils import logging

    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # between transformers and PEFT
            yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()
