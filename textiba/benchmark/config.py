"""What a benchmark is: methods × metrics × checkpoints × data, as a YAML file under experiments/benchmark/."""

import re
from collections.abc import Iterable
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from textiba import methods
from textiba.errors import SettingError
from textiba.evaluation.degradation import Degradation, Removal
from textiba.evaluation.metrics import aopc_steps
from textiba.methods import Method
from textiba.runs.config import DataChoice
from textiba.settings import Settings
from textiba.store import settings_key

_LABEL = re.compile(r"[A-Za-z0-9][\w .+=@-]*")


class Entry(Settings):
    """A method in the table.

    Attributes:
        name: in the registry.
        label: its name in the table; the registry's when empty.
        settings: of the method; what is not named keeps its default.
        limit: run on the first so many texts of each data set only, since it is expensive.
    """

    name: str
    label: str = ""
    settings: dict[str, Any] = Field(default_factory=dict)
    limit: int | None = Field(default=None, ge=1)

    @property
    def title(self) -> str:
        """What the table calls it."""
        return self.label or self.name

    def build(self) -> Method:
        """The method itself."""
        return methods.method(self.name, **self.settings)

    @property
    def identity(self) -> str:
        """What its rows rest on: the method with all its settings, and the limit."""
        return settings_key({"name": self.name, "limit": self.limit, **self.build().model_dump()})

    @model_validator(mode="after")
    def _can_be_built(self) -> "Entry":
        self.build()
        if not _LABEL.fullmatch(self.title):
            raise ValueError("a label starts with a letter or digit and has letters, digits, blanks and .+=@-_ only")
        return self


class Subsets(Settings):
    """Random subsets of tokens that are removed together, for sensitivity-n; the same ones for every method.

    Attributes:
        count: subsets of each text.
        share: of its content tokens that a subset removes.
        removal: how.
        limit: only the first so many texts.
    """

    count: int = Field(default=20, ge=3)
    share: float = Field(default=0.2, gt=0, lt=1)
    removal: Removal = "delete"
    limit: int | None = Field(default=None, ge=1)


class Sanity(Settings):
    """The model's layers are randomised from the top down, and the scores compared with the original's.

    Attributes:
        texts: the first so many of each data set.
        methods: labels; none leaves the check out.
    """

    texts: int = Field(default=16, ge=1)
    methods: tuple[str, ...] = ()


class BenchmarkConfig(Settings):
    """Methods × metrics × checkpoints × data.

    Attributes:
        checkpoints: built-in names, folders or hub ids.
        data: which texts, by the name of each set in the tables. Sets with rationales get the plausibility metrics.
        methods: what is compared.
        reference: the label that all others are compared with, pairwise on the texts that both have.
        removals: how tokens are removed for the faithfulness metrics; none leaves them out, and with them, where there
            are no subsets either, the texts that have no marked word within the model's length.
        steps: shares removed; 0, 1 and those of AOPC are added.
        rationale_share: of a text's words that token F1 and IOU take as chosen: the mean length of a rationale in the
            data set, as in ERASER. None takes as many as are marked, which makes token F1 the top-n share.
        subsets: for sensitivity-n, or None to leave it out.
        leave_one_out: the label whose scores others are rank-correlated with, or None.
        sanity: randomised layers.
        target: "predicted", "gold", or a class for all.
        seed: of whatever is random.
        max_length: tokens of a text; None takes the checkpoint's own.
        statistics: a file made by `textiba estimate` for each checkpoint without statistics of its own.
        chunk: texts that are computed between two writes; a kill loses one method's chunk at most.
    """

    checkpoints: tuple[str, ...] = Field(default=("fine-tuned",), min_length=1)
    data: dict[str, DataChoice] = Field(min_length=1)
    methods: tuple[Entry, ...] = Field(min_length=1)
    reference: str
    removals: tuple[Removal, ...] = ("delete", "mask")
    steps: tuple[float, ...] = ()
    rationale_share: float | None = Field(default=None, gt=0, le=1)
    subsets: Subsets | None = None
    leave_one_out: str | None = None
    sanity: Sanity = Sanity()
    target: Literal["predicted", "gold"] | int = "predicted"
    seed: int = 0
    max_length: int | None = Field(default=None, ge=3)
    statistics: dict[str, str] = Field(default_factory=dict)
    chunk: int = Field(default=20, ge=1)

    @field_validator("steps")
    @classmethod
    def _shares(cls, steps: tuple[float, ...]) -> tuple[float, ...]:
        if any(not 0 <= step <= 1 for step in steps):
            raise ValueError("steps are shares between 0 and 1")
        return steps

    @model_validator(mode="after")
    def _labels_exist(self) -> "BenchmarkConfig":
        titles = [entry.title for entry in self.methods]
        if twice := sorted({title for title in titles if titles.count(title) > 1}):
            raise ValueError(f"two methods are labelled {twice[0]!r}; give one a label of its own")
        asked = {"reference": [self.reference], "sanity.methods": self.sanity.methods}
        asked["leave_one_out"] = [self.leave_one_out] if self.leave_one_out else []
        for where, labels in asked.items():
            if unknown := [label for label in labels if label not in titles]:
                raise ValueError(f"{where} names {unknown[0]!r}, which is no method's label; there are {titles}")
        if unknown := sorted(self.statistics.keys() - set(self.checkpoints)):
            raise ValueError(f"statistics names {unknown[0]!r}, which is no checkpoint; there are {self.checkpoints}")
        for name in self.data:
            if not _LABEL.fullmatch(name):
                raise ValueError(f"a data set's name has letters, digits, blanks and .+=@-_ only; got {name!r}")
        return self

    @property
    def shared(self) -> dict[str, Any]:
        """The settings that every row rests on. A method, data set or checkpoint may be added to a benchmark later."""
        fields = {"removals", "steps", "rationale_share", "subsets", "target", "seed", "max_length", "chunk"}
        return {**self.model_dump(mode="json", include=fields), "sanity_texts": self.sanity.texts}

    @property
    def rationales_only(self) -> bool:
        """Whether nothing is measured on a text without a rationale; such texts are then left out."""
        return not self.removals and self.subsets is None

    def with_sources(self, sources: Iterable[str]) -> "BenchmarkConfig":
        """With data sets taken from elsewhere: `name=source` each, or `source` alone where there is one data set.

        Raises:
            SettingError: no data set has that name.
        """
        data = dict(self.data)
        for source in sources:
            name, equals, place = source.partition("=")
            if not equals and len(data) == 1:
                name, place = next(iter(data)), source
            if name not in data:
                raise SettingError(f"--data takes name=source with a name of {sorted(data)}; got {source!r}")
            data[name] = data[name].model_copy(update={"source": place})
        return self.model_copy(update={"data": data})

    def degradation(self, removal: Removal) -> Degradation:
        """How the faithfulness curves of one way of removal are made."""
        return Degradation(removal=removal, steps=aopc_steps(others=(*self.steps, 1.0)), orders=("morf", "lerf"))
