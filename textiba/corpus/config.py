"""What a corpus view is: methods × layers over many texts, as a YAML file under experiments/corpus/."""

from typing import Any, Literal

from pydantic import Field

from textiba.corpus.tagging import PIPELINE
from textiba.runs.config import DataChoice, MethodChoice
from textiba.settings import Settings


class CorpusConfig(Settings):
    """Whose bits are summed up by word and by part of speech, over which texts.

    Attributes:
        checkpoint: a built-in name, a folder or a hub id.
        data: which texts.
        methods: what to run; a row of the tables is of one method at one layer.
        target: "predicted", "gold", or a class for all.
        outcome: what is asked of the model, by name and settings, such as {kind: above, threshold: 3.5}; see
            `textiba.model.questions`. None takes what the head and config tell.
        seed: of whatever is random in the methods.
        max_length: tokens of a text; None takes the checkpoint's own.
        statistics: a file made by `textiba estimate`; None takes those that come with the checkpoint.
        min_count: texts; words that occur in fewer are left out of the tables and figures.
        top: words that a figure or a printed table shows.
        lower: whether words are one that differ in case only.
        tagger: a spaCy pipeline that tags parts of speech; None leaves these out.
    """

    checkpoint: str = "fine-tuned"
    data: DataChoice = DataChoice()
    methods: tuple[MethodChoice, ...] = Field(min_length=1)
    target: Literal["predicted", "gold"] | int = "predicted"
    outcome: dict[str, Any] | None = None
    seed: int = 0
    max_length: int | None = Field(default=None, ge=3)
    statistics: str | None = None
    min_count: int = Field(default=20, ge=2)  # an interval over texts needs two
    top: int = Field(default=25, ge=1)
    lower: bool = True
    tagger: str | None = PIPELINE
