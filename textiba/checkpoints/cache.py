"""Caches hashes and merged weights in a folder of the user, so that the next start is fast.

The cache is a folder `textiba` in `$XDG_CACHE_HOME` or in `~/.cache`; `$TEXTIBA_CACHE` names another folder. The
cache may be deleted at any time. A cache file that is damaged or cannot be written is ignored, and its content is
computed again.
"""

import hashlib
import json
import os
import platform
from collections.abc import Callable, Mapping
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

_HASHES = "hashes.json"
_CHECKSUM = "sha256"


def cache_folder() -> Path:
    """The folder of the cache; it need not exist."""
    if own := os.environ.get("TEXTIBA_CACHE"):
        return Path(own)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "textiba"


def file_hash(path: Path) -> str:
    """SHA-256 of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def known_hash(path: Path) -> str:
    """SHA-256 of a file, in hex, cached until the file's size or modification time changes."""
    facts = path.stat()
    identity = [facts.st_size, facts.st_mtime_ns]
    record = cache_folder() / _HASHES
    known: dict[str, list] = {}
    with suppress(OSError, ValueError):
        found = json.loads(record.read_text("utf-8"))
        known = found if isinstance(found, dict) else {}
    if (entry := known.get(str(path))) and entry[:2] == identity and isinstance(entry[2], str):
        return entry[2]
    digest = file_hash(path)
    content = json.dumps(known | {str(path): [*identity, digest]}, indent=1)
    _keep(record, lambda target: target.write_text(content, encoding="utf-8"))
    return digest


def merged_tensors(base: str, adapter: str) -> dict[str, Tensor] | None:
    """Returns the cached tensors in which a merged model differs from its base model; None if they are not cached.

    Args:
        base: hash of the base model's weights.
        adapter: hash of the adapter's weights.
    """
    try:
        with safe_open(str(_merged(base, adapter)), framework="pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - it is no dict
            return tensors if (file.metadata() or {}).get(_CHECKSUM) == _checksum(tensors) else None
    except (OSError, SafetensorError):
        return None


def keep_merged(base: str, adapter: str, tensors: Mapping[str, Tensor]) -> None:
    """Caches tensors for `merged_tensors`."""
    whole = {name: tensor.detach().contiguous() for name, tensor in tensors.items()}
    facts = {_CHECKSUM: _checksum(whole)}
    _keep(_merged(base, adapter), lambda target: save_file(whole, str(target), metadata=facts))


def _merged(base: str, adapter: str) -> Path:
    """The cache file of a merge. Each version and kind of machine has its own file, because last digits may differ."""
    try:
        peft = version("peft")
    except PackageNotFoundError:
        peft = ""
    facts = ":".join([base, adapter, torch.__version__, peft, platform.machine()])
    return cache_folder() / f"merged-{hashlib.sha256(facts.encode()).hexdigest()[:32]}.safetensors"


def _checksum(tensors: Mapping[str, Tensor]) -> str:
    digest = hashlib.sha256()
    for name in sorted(tensors):
        digest.update(name.encode())
        digest.update(tensors[name].reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def _keep(target: Path, write: Callable[[Path], object]) -> None:
    """Writes a cache file under a temporary name and renames it; does nothing if the file cannot be written."""
    temporary = target.with_name(f"{target.name}.{os.getpid()}.tmp")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        write(temporary)
        temporary.replace(target)
    except (OSError, SafetensorError):
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
