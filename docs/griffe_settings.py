"""Lists every setting of a class on its API page, inherited ones too, each with its default.

The docstring of a class describes its own settings and leaves inherited settings to the base class, and the constructor
takes `**values`. mkdocstrings reads the code through griffe, which calls `on_package` once the package is loaded.
Nothing is imported.
"""

from collections.abc import Iterator
from typing import Any

from griffe import (
    Attribute,
    Class,
    DocstringAttribute,
    DocstringSectionAttributes,
    Extension,
    Function,
    Module,
    Parameter,
    ParameterKind,
    Parameters,
)

SETTINGS = "textiba.settings.Settings"


class InheritedSettings(Extension):
    """Completes the docstring section and the constructor of every subclass of `textiba.settings.Settings`."""

    def on_package(self, *, pkg: Module, **_: Any) -> None:
        """Completes all classes of a package."""
        for cls in list(_classes(pkg)):
            lineage = [cls, *cls.mro()]
            if any(base.path == SETTINGS for base in lineage[1:]):
                _complete(cls, lineage)


def _classes(module: Module) -> Iterator[Class]:
    """The classes that a module and its submodules define."""
    for member in module.members.values():
        if isinstance(member, Class):
            yield member
        elif isinstance(member, Module):
            yield from _classes(member)


def _complete(cls: Class, lineage: list[Class]) -> None:
    """Gives a class a section "Settings" and a constructor with all settings."""
    descriptions = _descriptions(lineage)
    inherited = dict.fromkeys(name for base in lineage for name in base.members)
    found = {name: _field(lineage, name) for name in dict.fromkeys([*descriptions, *inherited])}
    fields = {name: field for name, field in found.items() if field is not None}
    rows = [_row(name, field, descriptions.get(name, "")) for name, field in fields.items()]
    if cls.docstring is not None and rows:
        sections = [s for s in cls.docstring.parsed if not isinstance(s, DocstringSectionAttributes)]
        texts = sum(section.kind.value == "text" for section in sections)
        settings = DocstringSectionAttributes(rows, title="Settings:")
        cls.docstring.parsed = [*sections[:texts], settings, *sections[texts:]]
    cls.set_member("__init__", _constructor(fields))


def _descriptions(lineage: list[Class]) -> dict[str, str]:
    """The description of each setting, from the class itself or else from the nearest base class that has one."""
    descriptions: dict[str, str] = {}
    for cls in lineage:
        # The docstring is parsed anew, since `parsed` of a base class may be completed already.
        for section in cls.docstring.parse() if cls.docstring else ():
            if isinstance(section, DocstringSectionAttributes):
                for row in section.value:
                    descriptions.setdefault(row.name, row.description)
    return descriptions


def _field(lineage: list[Class], name: str) -> Attribute | None:
    """The definition of a setting; None for a class attribute, a property or a method."""
    for cls in lineage:
        member = cls.members.get(name)
        if member is not None:
            known = isinstance(member, Attribute) and member.annotation is not None and not name.startswith("_")
            return member if known and "instance-attribute" in member.labels else None
    return None


def _row(name: str, field: Attribute, description: str) -> DocstringAttribute:
    default = _default(field)
    end = "Required." if default is None else f"Default: `{default}`."
    return DocstringAttribute(name, annotation=field.annotation, description=f"{description.rstrip()} {end}".strip())


def _constructor(fields: dict[str, Attribute]) -> Function:
    """`__init__(self, *, name: annotation = default, …)`."""
    parameters = [Parameter("self", kind=ParameterKind.positional_or_keyword)]
    for name, field in fields.items():
        default = _default(field)
        parameters.append(
            Parameter(name, annotation=field.annotation, kind=ParameterKind.keyword_only, default=default)
        )
    return Function("__init__", parameters=Parameters(*parameters))


def _default(field: Attribute) -> str | None:
    """The default as the code writes it; None where a value is required."""
    if field.value is None:
        return None
    value: Any = field.value
    if str(getattr(value, "function", "")) != "Field":
        return str(value)
    for argument in value.arguments:
        if getattr(argument, "name", "") == "default":
            return str(argument.value)
        if getattr(argument, "name", "") == "default_factory":
            return f"{argument.value}()"
    return None
