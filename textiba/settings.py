"""The base of every settings class: frozen, validated, and clear about what is wrong."""

from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from textiba.errors import SettingError

S = TypeVar("S", bound="Settings")  # not Self: beartype, which checks shapes in the tests, wants it on whole classes


class Settings(BaseModel):
    """Frozen settings; an unknown key or a value out of range raises `SettingError`."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    def __init__(self, **values: Any):
        try:
            super().__init__(**values)
        except ValidationError as error:
            raise SettingError(_explain(type(self).__name__, error)) from None

    @classmethod
    def from_mapping(cls: type[S], values: object, source: str) -> S:
        """Validates a parsed config; `source` names it in the error."""
        if not isinstance(values, dict):
            raise SettingError(f"{source}: a config is a mapping of names to values; got {type(values).__name__}")
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            raise SettingError(_explain(source, error)) from None

    @classmethod
    def from_yaml(cls: type[S], path: str | Path) -> S:
        """Reads and validates a YAML file.

        Raises:
            SettingError: the file is missing, is no YAML, or holds an unknown key or a bad value.
        """
        try:
            values = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise SettingError(f"{path}: no such config; experiments/ holds examples") from None
        except yaml.YAMLError as error:
            raise SettingError(f"{path}: not valid YAML: {error}") from None
        return cls.from_mapping(values, str(path))


def _explain(source: str, error: ValidationError) -> str:
    """One line per problem: where, which rule, what was received."""
    lines = []
    for problem in error.errors(include_url=False):
        key = ".".join(str(part) for part in problem["loc"])
        where = f"{key}: " if key else ""
        cause = problem.get("ctx", {}).get("error")
        if problem["type"] == "extra_forbidden":
            lines.append(f"{source}: unknown key '{key}'; remove it or correct its spelling")
        elif isinstance(cause, SettingError):  # from settings within these, which have explained themselves
            lines += [f"{source}: {where}{line}" for line in str(cause).splitlines()]
        else:
            lines.append(f"{source}: {where}{cause or problem['msg']}; got {problem.get('input')!r}")
    return "\n".join(lines)
