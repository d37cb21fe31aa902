"""A faster start: transformers is imported without the parts of other libraries that no explanation uses.

To load a classifier, transformers imports torch's compiler, torch's distributed tensors, accelerate and SciPy, which
takes half of the start and is then not used. Here transformers is imported as it is where these are not installed, and
with a stand-in for the compiler, which it does not do without. The stand-in gives way to the compiler as soon as
anything asks for more than a mark on a function. Only `textiba explain` does this, in a process that neither trains nor
shares its work.
"""

import gc
import importlib
import sys
from collections.abc import Callable, Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import module_from_spec
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest.mock import patch

_COMPILER = "torch._dynamo"
_BACKEND = "torch._inductor"  # of the compiler; torch.compile imports it first
_MODELS = "transformers.models"
_MARKS = ("disable", "assume_constant_result", "allow_in_graph")  # decorators that mark a function for the compiler
_NOTHING = ("graph_break", "mark_static_address")  # functions that do nothing while nothing is compiled
_UNUSED = ("is_accelerate_available", "is_scipy_available", "is_torch_distributed_available")
_NEEDED = ("modeling_utils", "masking_utils", "models.auto.modeling_auto", "models.bert.modeling_bert")


def import_transformers() -> None:
    """Imports the parts of transformers that load a classifier, without the libraries that no explanation uses.

    A version of transformers with which this fails is imported as usual, where it is used.
    """
    if "transformers" in sys.modules or _COMPILER in sys.modules:
        return  # someone else's process, such as a notebook's or a test's
    gc.disable()  # imports make many objects and next to no garbage
    import transformers.utils

    before = set(sys.modules)
    sys.meta_path.insert(0, _FINDER)
    try:
        _unlisted_models(transformers.__path__)
        with _without(transformers.utils), _without(transformers.utils.import_utils):
            for name in _NEEDED:
                importlib.import_module(f"transformers.{name}")
    except Exception:  # noqa: BLE001 - whatever another version does at import
        leave()
        for name in [name for name in sys.modules if name not in before and name.startswith("transformers.")]:
            del sys.modules[name]
    finally:
        gc.enable()


def leave() -> None:
    """Removes the stand-in; the next import of the compiler gives the compiler."""
    if _FINDER in sys.meta_path:
        sys.meta_path.remove(_FINDER)
    for name, module in [(n, m) for n, m in sys.modules.items() if isinstance(m, _StandIn)]:
        del sys.modules[name]
        parent, _, child = name.rpartition(".")
        if parent in sys.modules and vars(sys.modules[parent]).get(child) is module:
            delattr(sys.modules[parent], child)


def _unlisted_models(parent: Sequence[str]) -> None:
    """Puts a plain package in the place of transformers.models, which lists the names of all models a second time."""
    spec = ModuleSpec(_MODELS, None, is_package=True)
    spec.submodule_search_locations = [str(Path(folder) / "models") for folder in parent]
    sys.modules[_MODELS] = module_from_spec(spec)


def _without(module: ModuleType) -> Any:
    """While this is in force, the module says that the unused libraries are not installed."""
    return patch.multiple(module, **dict.fromkeys(_UNUSED, lambda: False))


class _Finder(MetaPathFinder, Loader):
    """Finds a stand-in for the compiler and its modules."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname == _BACKEND:
            leave()  # something is compiled
            return None
        inside = fullname == _COMPILER or fullname.startswith(f"{_COMPILER}.")
        return ModuleSpec(fullname, self, is_package=True) if inside else None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return _StandIn(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        """A stand-in has nothing to run."""


_FINDER = _Finder()


class _StandIn(ModuleType):
    """A module of the compiler whose functions load the true module when they are called."""

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name.startswith("__"):
            raise AttributeError(name)
        if name in _MARKS:
            return _unmarked
        if name in _NOTHING:
            return lambda *_, **__: None
        module = self.__name__

        def true(*arguments: Any, **named: Any) -> Any:
            leave()
            return getattr(importlib.import_module(module), name)(*arguments, **named)

        return true


def _unmarked(function: Callable[..., Any] | None = None, *_: Any, **__: Any) -> Any:
    """A decorator that returns its function: nothing is compiled, so no function has to be kept from it."""
    return function if function is not None else _unmarked
