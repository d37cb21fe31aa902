"""Takes the wrappers of other libraries off a model, and finds model and tokenizer in objects that hold both."""

import copy
from typing import Any

from torch import nn

from textiba.errors import UnsupportedModelError


def unwrapped(module: Any) -> Any:
    """The Hugging Face model within `torch.compile`, `DataParallel`, PEFT's and accelerate's wrappers.

    An adapter that is not merged stays in place: its layers compute what the merged weights would. The given object is
    not changed.
    """
    while True:
        if hasattr(module, "_orig_mod"):  # torch.compile
            module = module._orig_mod
        elif isinstance(module, nn.DataParallel | nn.parallel.DistributedDataParallel):
            module = module.module
        elif type(module).__module__.startswith("peft.") and hasattr(module, "get_base_model"):
            module = module.get_base_model()  # the base with the adapter's layers in it
        else:
            break
    if hasattr(module, "modules") and any(hasattr(child, "_hf_hook") for child in module.modules()):
        module = _without_accelerate_hooks(module)
    return module


def _without_accelerate_hooks(module: Any) -> Any:
    """A copy of the module tree, with shared parameters, whose calls are not wrapped by accelerate.

    Raises:
        UnsupportedModelError: weights are offloaded, so that they are in memory only while a hook runs.
    """
    if any(p.is_meta for p in module.parameters()):
        raise UnsupportedModelError(
            f"{type(module).__name__} has weights that accelerate keeps on the disk or another device; load it without "
            "device_map, or with one that fits all weights on one device"
        )
    shared: dict[int, Any] = {id(t): t for t in (*module.parameters(), *module.buffers())}
    clone = copy.deepcopy(module, shared)
    for child in clone.modules():
        for name in ("_hf_hook", "_old_forward", "forward"):
            child.__dict__.pop(name, None)
    return clone
