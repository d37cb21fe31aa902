"""Finds a checkpoint by its name, before anything is loaded: a built-in one, a folder, or a model of the hub.

For a misspelt name, an error that lists similar names is raised at once. The hub is asked once, with a timeout of a few
seconds; the hub's own library would try for half a minute.
"""

import difflib
import re
from functools import lru_cache
from pathlib import Path
from typing import Any

from textiba.errors import HubUnavailableError, NotACheckpointError

BUILTIN = ("fine-tuned", "general-probe", "general-fresh")
BUILTIN_BASE = "built-in"
BUILTIN_FOLDER = Path(__file__).parent / "builtin"
CARD = "card.json"
_CONFIG = "config.json"
_HUB_ID = re.compile(r"\w[\w.-]*(?:/\w[\w.-]*)?")
_SECONDS = 4.0  # for the one question to the hub


def checkpoint_folder(source: str | Path) -> Path:
    """The folder of a checkpoint: for a built-in checkpoint its own folder, otherwise the path itself."""
    return BUILTIN_FOLDER / source if str(source) in BUILTIN else Path(source)


def own_file(source: str | Path, name: str) -> Path | None:
    """A file that comes with a checkpoint, or None if the file is not there."""
    file = checkpoint_folder(source) / name
    return file if file.is_file() else None


def find(source: str | Path) -> dict[str, Any]:
    """Looks for a checkpoint without loading it.

    Args:
        source: a built-in name, "built-in" for the encoder of the built-in checkpoints, a folder, or a hub id.

    Returns:
        Keyword arguments for Hugging Face's `from_pretrained`: `local_files_only` if the hub cannot be reached and the
        model is cached, otherwise none.

    Raises:
        NotACheckpointError: no such folder and no such model on the hub; the message lists similar names.
        HubUnavailableError: the model is not cached, and the hub cannot be reached.
    """
    name = str(source)
    if name in (*BUILTIN, BUILTIN_BASE) or (name and Path(name).is_dir()):
        return {}
    if name and Path(name).exists():
        raise NotACheckpointError(f"{name}: a checkpoint is a folder with {_CONFIG} or {CARD}; got a file")
    return dict(_on_the_hub(name))


@lru_cache(maxsize=64)
def _on_the_hub(name: str) -> tuple[tuple[str, bool], ...]:
    """Does the work of `find` for a name that is not a folder, and caches the result, so that the hub is asked once."""
    from huggingface_hub import HfApi, constants, try_to_load_from_cache
    from huggingface_hub.errors import RepositoryNotFoundError

    if not _HUB_ID.fullmatch(name):
        raise NotACheckpointError(
            f"'{name}': no such folder, and a hub id is owner/name. {_alike(name)}Name a folder, a hub id, or a "
            f"built-in checkpoint: {', '.join(BUILTIN)}"
        )
    cached = isinstance(try_to_load_from_cache(name, _CONFIG), str)
    if not cached and (alike := _alike(name)):
        raise NotACheckpointError(
            f"'{name}': no such checkpoint. {alike}Checkpoints are {', '.join(BUILTIN)}, folders, and hub ids"
        )
    why = "off-line mode is set"
    if not constants.is_offline_mode():
        try:
            HfApi().model_info(name, timeout=_SECONDS)
            return ()
        except RepositoryNotFoundError:
            raise NotACheckpointError(
                f"'{name}': no such folder, and the hub has no such model, or a private one (then run: hf auth "
                f"login). Check the spelling, or take a built-in checkpoint: {', '.join(BUILTIN)}"
            ) from None
        except Exception as error:  # noqa: BLE001 - whatever went wrong, the hub did not answer
            why = " ".join(str(error).split()) or type(error).__name__
    if cached:
        return (("local_files_only", True),)
    raise HubUnavailableError(
        f"'{name}' is no folder here, is not cached, and the hub cannot be reached ({why}). Check the name and the "
        f"network, name a folder, or take a built-in one: {', '.join(BUILTIN)}"
    )


def _alike(name: str) -> str:
    """Returns a question that names the checkpoints with similar names; empty if there are none."""
    parent = Path(name).parent
    folders = parent.iterdir() if parent.is_dir() else ()
    beside = [str(p) for p in folders if (p / CARD).is_file() or (p / _CONFIG).is_file()]
    found = difflib.get_close_matches(name, [*BUILTIN, *beside], n=3, cutoff=0.7)
    return f"Did you mean {' or '.join(found)}? " if found else ""
