"""The base of every settings class: frozen, validated, with errors that name the key, the rule and the value."""

import difflib
import re
import reprlib
from collections.abc import Hashable
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from textiba.errors import SettingError

S = TypeVar("S", bound="Settings")  # not Self, which beartype (in the tests) allows only on whole classes

_LARGEST = 1_000_000  # bytes of a config; a larger file is something else, such as weights or data
_VALUES = 100_000  # values of a config, with every alias replaced by its content
_SHORT = reprlib.Repr()
_SHORT.maxstring, _SHORT.maxother, _SHORT.maxlist, _SHORT.maxtuple, _SHORT.maxdict = 120, 200, 12, 12, 20


class Settings(BaseModel):
    """Frozen settings; an unknown key or a value out of its range raises `SettingError`."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    def __init__(self, **values: Any):
        try:
            super().__init__(**values)
        except ValidationError as error:
            raise SettingError(_explain(type(self), type(self).__name__, error)) from None

    @classmethod
    def from_mapping(cls: type[S], values: object, source: str) -> S:
        """Validates a parsed config; the errors begin with `source`."""
        if not isinstance(values, dict):
            raise SettingError(f"{source}: a config is a mapping of names to values; got {type(values).__name__}")
        if odd := [key for key in values if not isinstance(key, str)]:
            raise SettingError(f"{source}: a key is a name; got {odd[0]!r}. Put the name in quotes")
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            raise SettingError(_explain(cls, source, error)) from None

    @classmethod
    def from_yaml(cls: type[S], path: str | Path) -> S:
        """Reads and validates a YAML file.

        Raises:
            SettingError: the file cannot be read, is no YAML, names a key twice, or holds an unknown key or a bad
                value.
        """
        return cls.from_mapping(parse_yaml(_read(Path(path)), str(path)), str(path))


def parse_yaml(text: str, source: str) -> Any:
    """Parses YAML as `yaml.safe_load` does, but refuses repeated keys, and aliases that expand without end.

    A number such as `1e-4` is a float, as in YAML 1.2; PyYAML alone takes it for a string.

    Args:
        text: the YAML.
        source: the beginning of each error message.

    Raises:
        SettingError: the text is no YAML, names a key twice, or is too large once its aliases are written out.
    """
    try:
        loader = _Loader(text)
        try:
            node = loader.get_single_node()
            if node is None:
                return None
            if _size(node, {}) > _VALUES:
                raise SettingError(f"{source}: a config has at most {_VALUES:,} values, aliases written out; got more")
            return loader.construct_document(node)
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = f" (line {mark.line + 1}, column {mark.column + 1})" if mark else ""
        raise SettingError(f"{source}: not valid YAML: {error.problem}{where}") from None
    except yaml.YAMLError as error:
        raise SettingError(f"{source}: not valid YAML: {' '.join(str(error).split())}") from None
    except RecursionError:
        raise SettingError(f"{source}: not a config: its lists or mappings are nested too deeply") from None
    except ValueError as error:  # such as a date that does not exist, or a number with too many digits
        if isinstance(error, SettingError):
            raise
        raise SettingError(f"{source}: not valid YAML: {error}") from None


class _Loader(yaml.SafeLoader):
    """PyYAML's safe loader, which refuses a key that is written twice."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[Hashable] = set()
        for key_node, _ in node.value:
            if key_node.tag == "tag:yaml.org,2002:merge":
                continue  # keys that a merge brings may be overridden
            key = self.construct_object(key_node, deep=True)
            if isinstance(key, Hashable):
                if key in seen:
                    raise yaml.constructor.ConstructorError(
                        problem=f"the key '{key}' is written twice", problem_mark=key_node.start_mark
                    )
                seen.add(key)
        return super().construct_mapping(node, deep)


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)[eE][-+]?\d+"), list("-+.0123456789")
)


def _size(node: yaml.Node, known: dict[int, int]) -> int:
    """Returns the number of values in a node, each alias counted as often as it is used."""
    if id(node) not in known:
        known[id(node)] = _VALUES  # a node that contains itself has no end
        parts = node.value if isinstance(node, yaml.CollectionNode) else []
        children = [part for pair in parts for part in pair] if isinstance(node, yaml.MappingNode) else parts
        known[id(node)] = 1 + sum(_size(child, known) for child in children)
    return known[id(node)]


def _read(path: Path) -> str:
    """The text of a config."""
    try:
        if path.stat().st_size > _LARGEST:
            raise SettingError(f"{path}: a config is a YAML file of a few lines; got {path.stat().st_size:,} bytes")
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise SettingError(f"{path}: no such config; {_near(path)}experiments/ holds examples") from None
    except IsADirectoryError:
        inside = sorted(p.name for p in path.glob("*.yaml"))[:3]
        found = f", such as {', '.join(inside)}" if inside else ""
        raise SettingError(f"{path}: a config is a YAML file; got a folder. Name a file in it{found}") from None
    except UnicodeDecodeError:
        raise SettingError(f"{path}: a config is YAML in UTF-8; got a binary file, or another encoding") from None
    except OSError as error:
        raise SettingError(f"{path}: the config cannot be read ({error.strerror})") from None


def _near(path: Path) -> str:
    """Returns a part of a message: the config files in the same folder that have similar names."""
    if not path.parent.is_dir():
        return ""
    names = [p.name for p in path.parent.iterdir() if p.suffix in (".yaml", ".yml")]
    found = difflib.get_close_matches(path.name, names, n=3)
    return f"did you mean {' or '.join(str(path.with_name(name)) for name in found)}? " if found else ""


def _explain(cls: type[BaseModel], source: str, error: ValidationError) -> str:
    """One line for each problem: the key, the rule, and the value received."""
    lines = []
    for problem in error.errors(include_url=False):
        key = ".".join(str(part) for part in problem["loc"])
        where = f"{key}: " if key else ""
        cause = problem.get("ctx", {}).get("error")
        if problem["type"] == "extra_forbidden":
            names = cls.model_fields if len(problem["loc"]) == 1 else {}
            near = difflib.get_close_matches(key, names, n=1)
            hint = f" (did you mean '{near[0]}'?)" if near else ""
            lines.append(f"{source}: unknown key '{key}'; remove it or correct its spelling{hint}")
        elif isinstance(cause, SettingError):  # from settings within these settings; its message is complete
            lines += [f"{source}: {where}{line}" for line in str(cause).splitlines()]
        else:
            lines.append(f"{source}: {where}{cause or problem['msg']}; got {_SHORT.repr(problem.get('input'))}")
    return "\n".join(lines)
