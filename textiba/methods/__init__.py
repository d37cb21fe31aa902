"""The methods, and the one registry of them. To add a method: a file here, and its class in `METHODS`."""

from collections.abc import Mapping
from typing import Any

from textiba.errors import SettingError
from textiba.methods.base import Method
from textiba.methods.evidence import Evidence
from textiba.methods.per_sample import PerSample
from textiba.methods.random import Random

METHODS: dict[str, type[Method]] = {m.name: m for m in (PerSample, Evidence, Random)}


def build(name: str, settings: Mapping[str, Any] | None = None) -> Method:
    """A method by its name in the registry.

    Raises:
        SettingError: no such method, an unknown setting, or a value out of its range.
    """
    if name not in METHODS:
        raise SettingError(f"no method is called '{name}'; there are {sorted(METHODS)}")
    return METHODS[name](**(settings or {}))
