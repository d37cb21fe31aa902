"""The contents of an explorer's page, as plain values."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from jaxtyping import Float
from numpy import ndarray

from textiba.attribution import Attribution, Curve
from textiba.evaluation.profile import LayerRow

Board = Mapping[str, Sequence[str]]  # a table as columns of text


@dataclass(frozen=True, eq=False)
class Removed:
    """The degradation of one text, with its tokens removed in the order of one attribution.

    Attributes:
        attribution: the attribution whose scores gave the order.
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
        name: the run's folder.
        facts: main facts about the run: {"seed": "0", …}.
        manifest: settings, versions, fingerprints and timings, as YAML.
    """

    name: str
    facts: Mapping[str, str]
    manifest: str


@dataclass(frozen=True, eq=False)
class Exploration:
    """The results that one page shows.

    Attributes:
        title: title of the page.
        attributions: attributions of texts × checkpoints × methods × layers × β, in any order; some may be missing.
        profile: the rows of `layer_profile`.
        curves: curves over many texts; each entry is a dict by order, as `degrade` returns it.
        removed: the degradation of single texts of `attributions`.
        leaderboards: tables by their titles.
        made: the runs that the results come from.
        advice: a sentence for each result that is missing; it says why, or how to make the result.
    """

    title: str
    attributions: Sequence[Attribution]
    profile: Sequence[LayerRow] = ()
    curves: Sequence[Mapping[str, Curve]] = ()
    removed: Sequence[Removed] = ()
    leaderboards: Mapping[str, Board] = field(default_factory=dict)
    made: Sequence[Made] = ()
    advice: Sequence[str] = ()
