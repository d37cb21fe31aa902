"""What the explorer shows, as plain values."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from jaxtyping import Float
from numpy import ndarray

from textiba.attribution import Attribution, Curve
from textiba.evaluation.profile import LayerRow

Board = Mapping[str, Sequence[str]]  # a table as columns of text


@dataclass(frozen=True, eq=False)
class Removed:
    """What happened to one text as its tokens were removed in the order of one attribution.

    Attributes:
        attribution: whose scores gave the order.
        removal, by, steps, seed: see `Curve`.
        probability: {order: [steps]} of the attribution's target.
    """

    attribution: Attribution
    removal: str
    by: str
    steps: Float[ndarray, " steps"]
    seed: int
    probability: Mapping[str, Float[ndarray, " steps"]]


@dataclass(frozen=True)
class Made:
    """How a run was made.

    Attributes:
        name: its folder.
        facts: what it rests on in a few words: {"seed": "0", …}.
        manifest: settings, versions, fingerprints and timings, as YAML.
    """

    name: str
    facts: Mapping[str, str]
    manifest: str


@dataclass(frozen=True, eq=False)
class Exploration:
    """The results that one page shows.

    Attributes:
        title: of the page.
        attributions: texts × checkpoints × methods × layers × β, in any order and not necessarily all.
        profile: of `layer_profile`, over as many texts as it was made from.
        curves: over many texts, each a dict by order, as `degrade` gives it.
        removed: the degradation of single texts of `attributions`.
        leaderboards: tables by their titles.
        made: the runs behind it all.
        advice: what to do about what the page has not, one sentence each.
    """

    title: str
    attributions: Sequence[Attribution]
    profile: Sequence[LayerRow] = ()
    curves: Sequence[Mapping[str, Curve]] = ()
    removed: Sequence[Removed] = ()
    leaderboards: Mapping[str, Board] = field(default_factory=dict)
    made: Sequence[Made] = ()
    advice: Sequence[str] = ()
