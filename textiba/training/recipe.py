"""The settings of `textiba finetune`."""

from typing import Literal

from pydantic import Field, model_validator

from textiba.settings import Settings
from textiba.texts.sources import IMDB
from textiba.texts.windows import Windows


class Recipe(Settings):
    """The settings of `finetune`: how a checkpoint is made.

    Attributes:
        kind: "adapter" trains a LoRA adapter, the pooler and the head; "probe" fits a linear probe on the frozen
            features; "fresh" trains nothing, and the head is random.
        task: "classes" trains a classifier on labels; "labels" trains a classifier on lists of labels, of which several
            may hold; "tags" trains a classifier of tokens on lists of tags; "value" trains a regression (squared error)
            on the numbers of `value_column`. Kind "probe" is for "classes" alone.
        base: the model to start from: "built-in", a hub id, or a folder.
        data: the hub id or folder of a data set with a training and a test part, or one file (`.csv`, `.tsv`,
            `.jsonl`, `.json` or `.parquet`).
        test_data: where the test texts come from, in the same form as `data`. None takes the test part of `data`, or
            holds out a share if `data` is a file.
        test_share: share of the texts of a file that is held out for the test; the share is the same in each class.
        text_column: column of the texts; None takes `text`, `sentence` or `review`. For tags, the column of the lists
            of tokens; None takes `tokens`.
        label_column: column of the labels; None takes `label`, or `labels` for task "labels", and `tags` or `ner_tags`
            for task "tags".
        pair_column: column of the second texts of pairs; None takes `pair`, or the second of two columns that are known
            as a pair, such as `premise` and `hypothesis`; "" reads single texts.
        value_column: column of the gold values of a regression.
        labels: names of the classes, by index; empty takes them from the data (see
            `textiba.training.labelled.class_names`).
        limit: largest number of training texts; None takes all.
        statistics: largest number of training texts from which the feature statistics are estimated.
        test_limit: largest number of test texts for the card's accuracy; None takes all.
        max_length: largest number of tokens that the model reads at once; longer texts are cut, or read in `windows`.
        windows: how longer texts are read in overlapping windows. In training each window is an example of its own,
            with the gold answer of its text; the test is of whole texts. Not for kind "probe".
        rank: rank of the LoRA matrices, which are added to every linear layer; alpha is twice the rank.
        epochs: number of passes over the training texts.
        batch_size: number of texts in a step.
        learning_rate: highest learning rate of AdamW, which falls linearly to 0 after a warm-up of 6 % of the steps.
        dropout: dropout rate; 0 by default, because dropout doubles the time of a step on a CPU, and one epoch of LoRA
            does not overfit.
        saved_as: type of the adapter's saved numbers. "float16" halves the file; the card's figures are measured after
            the adapter is loaded again, so they are those of the saved numbers.
        bfloat16: whether to use autocast to bfloat16, which is twice as fast on processors with AVX-512 BF16 and on
            recent GPUs.
        seed: seed of the head, the LoRA matrices, the order of the texts, and the choice of the held-out texts.
    """

    kind: Literal["adapter", "probe", "fresh"] = "adapter"
    task: Literal["classes", "labels", "tags", "value"] = "classes"
    base: str = "built-in"
    data: str = IMDB
    test_data: str | None = None
    test_share: float = Field(default=0.1, gt=0, lt=1)
    text_column: str | None = None
    label_column: str | None = None
    pair_column: str | None = None
    value_column: str | None = None
    labels: tuple[str, ...] = ()
    limit: int | None = Field(default=None, ge=2)
    statistics: int = Field(default=2000, ge=1)
    test_limit: int | None = Field(default=2000, ge=2)
    max_length: int = Field(default=256, ge=8)
    windows: Windows | None = None
    rank: int = Field(default=8, ge=1)
    epochs: float = Field(default=1.0, gt=0)
    batch_size: int = Field(default=32, ge=1)
    learning_rate: float = Field(default=5e-4, gt=0)
    dropout: float = Field(default=0.0, ge=0, lt=1)
    saved_as: Literal["float32", "float16"] = "float32"
    bfloat16: bool = False
    seed: int = 0

    @model_validator(mode="after")
    def _settings_fit(self) -> "Recipe":
        if (self.task == "value") != (self.value_column is not None):
            raise ValueError("task: value and value_column belong together; give both or neither")
        if self.task != "classes" and self.kind == "probe":
            raise ValueError(f"a probe is a classifier of exclusive classes; for task: {self.task} use kind: adapter")
        if self.windows is not None and self.kind == "probe":
            raise ValueError("a probe has one row of features for a text, not one for each window; use kind: adapter")
        if self.windows is not None and self.windows.stride >= self.max_length:
            raise ValueError(
                f"windows of {self.max_length} tokens share fewer than {self.max_length}; got stride "
                f"{self.windows.stride}"
            )
        return self
