"""The settings of a corpus view: methods × layers over many texts, as YAML files in experiments/corpus/."""

from typing import Any, Literal

from pydantic import Field

from textiba.corpus.tagging import PIPELINE
from textiba.runs.config import DataChoice, MethodChoice
from textiba.settings import Settings
from textiba.texts.windows import Windows


class CorpusConfig(Settings):
    """The settings of a corpus view.

    Attributes:
        checkpoint: a built-in name, a folder or a hub id.
        data: the texts.
        methods: the methods to run; each row of the tables belongs to one method at one layer.
        target: "predicted", "gold", or a class for all texts.
        outcome: what is asked of the model, by name and settings, such as {kind: above, threshold: 3.5}; see
            `textiba.model.questions`. None takes the question that follows from the model's head and config.
        seed: seed of all random draws of the methods.
        max_length: largest number of tokens of a text; None takes the checkpoint's limit.
        windows: how longer texts are read in overlapping windows, such as {stride: 64, combine: mean}; None cuts them.
        statistics: a file of `textiba estimate`; None takes the statistics that come with the checkpoint.
        min_count: words that occur in fewer texts than this are left out of the tables and figures.
        top: the number of words in a figure or a printed table.
        lower: whether words that differ only in case are counted as one word.
        tagger: a spaCy pipeline that tags parts of speech; None leaves parts of speech out.
    """

    checkpoint: str = "fine-tuned"
    data: DataChoice = DataChoice()
    methods: tuple[MethodChoice, ...] = Field(min_length=1)
    target: Literal["predicted", "gold"] | int = "predicted"
    outcome: dict[str, Any] | None = None
    seed: int = 0
    max_length: int | None = Field(default=None, ge=3)
    windows: Windows | None = None
    statistics: str | None = None
    min_count: int = Field(default=20, ge=2)  # an interval over texts needs two texts
    top: int = Field(default=25, ge=1)
    lower: bool = True
    tagger: str | None = PIPELINE
