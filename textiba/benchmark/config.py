"""The settings of a benchmark: methods × metrics × checkpoints × data, as YAML files in experiments/benchmark/."""

import re
from collections.abc import Iterable
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from textiba import methods
from textiba.errors import SettingError
from textiba.evaluation.degradation import Degradation, Removal
from textiba.evaluation.metrics import AOPC_SHARES, aopc_steps
from textiba.methods import Method
from textiba.methods.base import share_of
from textiba.runs.config import DataChoice
from textiba.settings import Settings
from textiba.store import settings_key
from textiba.texts.windows import Windows

_LABEL = re.compile(r"[A-Za-z0-9][\w .+=@-]*")


class Entry(Settings):
    """A method of the benchmark.

    Attributes:
        name: the method's name in the registry.
        label: the method's name in the tables; empty takes the registry's name.
        settings: settings of the method; a setting that is not named keeps its default.
        limit: the number of texts, the first of each data set, on which an expensive method runs; None takes all.
    """

    name: str
    label: str = ""
    settings: dict[str, Any] = Field(default_factory=dict)
    limit: int | None = Field(default=None, ge=1)

    @property
    def title(self) -> str:
        """The method's name in the tables."""
        return self.label or self.name

    def build(self) -> Method:
        """The method with its settings."""
        return methods.method(self.name, **self.settings)

    @property
    def optimises(self) -> str:
        """The metric that the method optimises for each text; empty for most methods."""
        return self.build().optimises

    @property
    def identity(self) -> str:
        """A key of all values that the rows depend on: the method, its settings and the limit."""
        return settings_key({"name": self.name, "limit": self.limit, **self.build().model_dump()})

    @model_validator(mode="after")
    def _can_be_built(self) -> "Entry":
        self.build()
        if not _LABEL.fullmatch(self.title):
            raise ValueError(
                "a label starts with a letter or digit and has only letters, digits, blanks and .+=@-_; "
                f"got {self.title!r}"
            )
        return self


class Subsets(Settings):
    """Sensitivity-n: random subsets of tokens that are removed together, the same subsets for every method.

    Attributes:
        count: number of subsets of each text.
        share: share of the text's content tokens that each subset removes.
        removal: how tokens are removed; see `Degradation`.
        limit: the number of texts, the first of each data set; None takes all.
    """

    count: int = Field(default=20, ge=3)
    share: float = Field(default=0.2, gt=0, lt=1)
    removal: Removal = "delete"
    limit: int | None = Field(default=None, ge=1)


class Noise(Settings):
    """Noise at a hidden layer: all tokens but the top k are replaced by noise, and p(target) is measured.

    Attributes:
        layer: index into hidden_states of the replaced states; None takes half of the model's depth.
        shares: values of k, as shares of the text's content tokens; the metric is the mean over these values.
        draws: number of noise draws for each text; every method and every k gets the same draws.
        limit: the number of texts, the first of each data set; None takes all.
    """

    layer: int | None = Field(default=None, ge=0)
    shares: tuple[float, ...] = Field(default=AOPC_SHARES, min_length=1)
    draws: int = Field(default=4, ge=1)
    limit: int | None = Field(default=None, ge=1)

    @field_validator("shares")
    @classmethod
    def _between(cls, shares: tuple[float, ...]) -> tuple[float, ...]:
        if any(not 0 < share < 1 for share in shares):
            raise ValueError("a share of the tokens lies between 0 and 1")
        return shares

    def place(self, layers: int) -> int:
        """`layer` as a number, for a model with `layers` layers."""
        return share_of(0.5, layers) if self.layer is None else self.layer


class Sanity(Settings):
    """The sanity check: the model's layers are randomised from the top down, and the scores are compared.

    Attributes:
        texts: the number of texts, the first of each data set.
        methods: labels of the checked methods; empty leaves the check out.
    """

    texts: int = Field(default=16, ge=1)
    methods: tuple[str, ...] = ()


class BenchmarkConfig(Settings):
    """Methods × metrics × checkpoints × data.

    Attributes:
        checkpoints: built-in names, folders or hub ids.
        data: the texts of each data set, by the data set's name in the tables. Data sets with rationales get the
            plausibility metrics.
        methods: the compared methods.
        reference: the label of the method that all others are compared with, paired by text.
        removals: how tokens are removed for the faithfulness metrics; empty leaves these metrics out. If `removals` is
            empty, and `subsets` and `noise` are None, the methods run only on texts that still have a marked word when
            cut to the model's length.
        steps: shares of the tokens to remove; 0, 1 and the shares of AOPC are added.
        rationale_share: the share of a text's words that token F1 and IOU choose; ERASER takes the mean length of a
            rationale in the data set. None chooses as many words as are marked, which makes token F1 the top-n share.
        rationale_part: of a pair, the text whose words are judged against the rationale: "text" or "pair" if people
            marked only one of them; else "both".
        subsets: sensitivity-n; None leaves it out.
        noise: the metric that replaces all but the top k tokens by noise at a hidden layer (see `Noise`). Each
            checkpoint then needs feature statistics. None leaves the metric out.
        leave_one_out: the label of an occlusion method. The scores of every other method are rank-correlated with the
            scores of this method; None leaves this metric out.
        sanity: the check with randomised layers.
        target: "predicted", "gold", or a class for all texts.
        outcome: what is asked of the model, by name and settings, such as {kind: above, threshold: 3.5}; see
            `textiba.model.questions`. None takes the question that follows from the model's head and config.
        seed: seed of all random draws.
        max_length: largest number of tokens of a text; None takes the checkpoint's limit.
        windows: how longer texts are read in overlapping windows, such as {stride: 64, combine: mean}; None cuts them.
        statistics: a file of `textiba estimate` for each checkpoint that comes without statistics.
        chunk: number of texts that are computed between two writes; a killed run loses at most one chunk of one method.
    """

    checkpoints: tuple[str, ...] = Field(default=("fine-tuned",), min_length=1)
    data: dict[str, DataChoice] = Field(min_length=1)
    methods: tuple[Entry, ...] = Field(min_length=1)
    reference: str
    removals: tuple[Removal, ...] = ("delete", "mask")
    steps: tuple[float, ...] = ()
    rationale_share: float | None = Field(default=None, gt=0, le=1)
    rationale_part: Literal["both", "text", "pair"] = "both"
    subsets: Subsets | None = None
    noise: Noise | None = None
    leave_one_out: str | None = None
    sanity: Sanity = Sanity()
    target: Literal["predicted", "gold"] | int = "predicted"
    outcome: dict[str, Any] | None = None
    seed: int = 0
    max_length: int | None = Field(default=None, ge=3)
    windows: Windows | None = None
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
                raise ValueError(f"{where} names {unknown[0]!r}, which is no method's label; the labels are {titles}")
        if unknown := sorted(self.statistics.keys() - set(self.checkpoints)):
            raise ValueError(
                f"statistics names {unknown[0]!r}, which is no checkpoint; the checkpoints are {list(self.checkpoints)}"
            )
        for name in self.data:
            if not _LABEL.fullmatch(name):
                raise ValueError(f"a data set's name has only letters, digits, blanks and .+=@-_; got {name!r}")
        return self

    @property
    def shared(self) -> dict[str, Any]:
        """The settings that every row depends on. Methods, data sets and checkpoints can be added later."""
        fields = {
            "removals",
            "steps",
            "rationale_share",
            "rationale_part",
            "subsets",
            "noise",
            "target",
            "outcome",
            "seed",
            "max_length",
            "windows",
            "chunk",
        }
        return {**self.model_dump(mode="json", include=fields), "sanity_texts": self.sanity.texts}

    @property
    def rationales_only(self) -> bool:
        """Whether every metric needs a rationale; texts without one are then left out."""
        return not self.removals and self.subsets is None and self.noise is None

    def with_sources(self, sources: Iterable[str]) -> "BenchmarkConfig":
        """This config with other sources for some of its data sets.

        Args:
            sources: `name=source` for each data set to replace; in a config with one data set, `source` alone is
                enough.

        Raises:
            SettingError: no data set has that name.
        """
        data = dict(self.data)
        for source in sources:
            name, equals, place = source.partition("=")
            if not equals and len(data) == 1:
                name, place = next(iter(data)), source
            if name not in data:
                raise SettingError(f"--data takes name=source, with a name of {sorted(data)}; got {source!r}")
            data[name] = data[name].model_copy(update={"source": place})
        return self.model_copy(update={"data": data})

    def degradation(self, removal: Removal) -> Degradation:
        """The settings of the faithfulness curves for one way of removal."""
        return Degradation(removal=removal, steps=aopc_steps(others=(*self.steps, 1.0)), orders=("morf", "lerf"))
