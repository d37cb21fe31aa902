"""A faster start: transformers is imported without the parts of other libraries that no explanation uses.

To load a classifier, transformers imports torch's compiler, torch's distributed tensors, accelerate and SciPy. These
imports take half of the time of a start, and no explanation uses them. Here transformers is told that distributed
tensors, accelerate and SciPy are not installed. The compiler cannot be left out, so a stand-in takes its place: its
decorators and `graph_break` do nothing, and any other use of the stand-in imports the real compiler. Only `textiba
explain` imports transformers in this way, in a process that neither trains nor shares its work.
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
_BACKEND = "torch._inductor"  # the compiler's backend, which torch.compile imports first
_MODELS = "transformers.models"
_MARKS = ("disable", "assume_constant_result", "allow_in_graph")  # decorators that mark a function for the compiler
_NOTHING = ("graph_break", "mark_static_address")  # functions that do nothing while nothing is compiled
_UNUSED = ("is_accelerate_available", "is_scipy_available", "is_torch_distributed_available")
_NEEDED = ("modeling_utils", "masking_utils", "models.auto.modeling_auto", "models.bert.modeling_bert")


def import_transformers() -> None:
    """Imports the parts of transformers that load a classifier, without the libraries that no explanation uses.

    If this fails with some version of transformers, transformers is imported as usual where it is used.
    """
    if "transformers" in sys.modules or _COMPILER in sys.modules:
        return  # something else has imported it, such as a notebook or a test
    gc.disable()  # imports create many objects and almost no garbage
    import transformers.utils

    before = set(sys.modules)
    sys.meta_path.insert(0, _FINDER)
    try:
        _unlisted_models(transformers.__path__)
        with _without(transformers.utils), _without(transformers.utils.import_utils):
            for name in _NEEDED:
                importlib.import_module(f"transformers.{name}")
    except Exception:  # noqa: BLE001 - another version may raise anything at import
        leave()
        for name in [name for name in sys.modules if name not in before and name.startswith("transformers.")]:
            del sys.modules[name]
    finally:
        gc.enable()


def leave() -> None:
    """Removes the stand-in, so that the next import of the compiler imports the real one."""
    if _FINDER in sys.meta_path:
        sys.meta_path.remove(_FINDER)
    for name, module in [(n, m) for n, m in sys.modules.items() if isinstance(m, _StandIn)]:
        del sys.modules[name]
        parent, _, child = name.rpartition(".")
        if parent in sys.modules and vars(sys.modules[parent]).get(child) is module:
            delattr(sys.modules[parent], child)


def _unlisted_models(parent: Sequence[str]) -> None:
    """Replaces the package transformers.models by an empty one; the real one only lists all models a second time."""
    spec = ModuleSpec(_MODELS, None, is_package=True)
    spec.submodule_search_locations = [str(Path(folder) / "models") for folder in parent]
    sys.modules[_MODELS] = module_from_spec(spec)


def _without(module: ModuleType) -> Any:
    """Within this context, the module says that the unused libraries are not installed."""
    return patch.multiple(module, **dict.fromkeys(_UNUSED, lambda: False))


class _Finder(MetaPathFinder, Loader):
    """Finds a stand-in for the compiler and its modules."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname == _BACKEND:
            leave()  # something is about to be compiled
            return None
        inside = fullname == _COMPILER or fullname.startswith(f"{_COMPILER}.")
        return ModuleSpec(fullname, self, is_package=True) if inside else None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return _StandIn(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        """Does nothing: a stand-in has no code."""


_FINDER = _Finder()


class _StandIn(ModuleType):
    """A stand-in for a module of the compiler: its functions import the real module when they are called."""

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
    """A decorator that returns its function unchanged, because nothing is compiled."""
    return function if function is not None else _unmarked
