"""The registry of outcomes, by name."""

from typing import Any

from textiba.errors import SettingError
from textiba.model.outcomes import Above, Classes, Label, Labels, Outcome, PooledClasses, Rather, Similarity
from textiba.model.places import Answer, Tag
from textiba.model.tokens import MaskedToken, NextToken

OUTCOMES: dict[str, type[Outcome]] = {
    o.kind: o
    for o in (Classes, Labels, Label, Above, Rather, NextToken, MaskedToken, Tag, Answer, Similarity, PooledClasses)
}


def make_outcome(kind: str, **settings: Any) -> Outcome:
    """Returns an outcome by its name.

    Args:
        kind: a key of `OUTCOMES`.
        **settings: the outcome's settings.

    Raises:
        SettingError: there is no such outcome or setting, or a value is out of range.
    """
    if kind not in OUTCOMES:
        raise SettingError(f"an outcome must be one of {sorted(OUTCOMES)}; got {kind!r}")
    return OUTCOMES[kind](**settings)


def outcome_of(settings: dict[str, Any] | None) -> Outcome | None:
    """Returns the outcome that a config describes as `{kind: …, setting: value, …}`; None if the config is None.

    Raises:
        SettingError: there is no `kind` or no such outcome, or a setting is out of its range.
    """
    if settings is None:
        return None
    if not isinstance(settings, dict) or not isinstance(settings.get("kind"), str):
        raise SettingError(f"an outcome has a kind, one of {sorted(OUTCOMES)}; got {settings}")
    return make_outcome(**settings)
