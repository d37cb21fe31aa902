"""The settings of a run: the YAML files under experiments/, validated. An unknown key is an error."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, Literal

from pydantic import Field, model_validator

from textiba import methods
from textiba.errors import InputError
from textiba.methods import Method
from textiba.model.view import Model
from textiba.runs.stream import sweep_grid
from textiba.settings import Settings
from textiba.texts.columns import Named
from textiba.texts.sources import BUNDLED, imdb_stream, is_file, movie_rationales, open_texts
from textiba.texts.text import Text
from textiba.texts.windows import Windows


class DataChoice(Settings):
    """Which texts a run reads.

    Attributes:
        source: "bundled"; a file of texts (`.jsonl`, `.json`, `.csv`, `.tsv`, `.txt` or `.parquet`), or "-" for
            standard input; or the hub id or folder of IMDB, or of a data set in IMDB's layout.
        split: part of the data set that a hub id or a folder holds, "train" or "test" ("train" or "validation" for
            rationales).
        text_column: column of the texts; None takes `text`, `sentence` or `review`.
        label_column: column of the labels; None takes `label`, where there is one; "" reads none.
        id_column: column of the ids; None takes `id`, where there is one.
        pair_column: column of the second texts of pairs; None takes `pair`, or the second of two columns that are known
            as a pair, such as `premise` and `hypothesis`; "" reads single texts.
        rationale_column: column of the rationales, or a list of two columns: the starts and the ends of the spans. None
            takes `rationale`, or else, for a text with tokens, `evidence_starts` and `evidence_ends`, or `rationales`;
            "" reads none. `textiba.texts.rationales` lists the shapes.
        pair_rationale_column: the same for the second text; None takes `pair_rationale`.
        value_column: column of gold values for regression; None reads none.
        tokens_column: column of the tokens, which token spans and masks count; None takes `tokens` or `post_tokens`. If
            there is no column of texts, or for text_column: "", the text is the tokens, joined with single spaces.
        pair_tokens_column: the same for the second text; None reads none.
        rationale_format: what the numbers of the rationales are: "characters", "tokens" or "mask" (a 0 or 1 for each
            token). If None, starts and ends in two columns count tokens, a list of numbers is a mask, and spans
            `[start, end]` count characters if there is a column of texts, and otherwise tokens.
        annotators: of a rationale by several annotators, "any" takes what at least one annotator marked, "majority"
            what more than half of them marked; a tie is no majority.
        gold: what the column of the labels holds: a "label", a list of "labels", or the "tags" of a list of tokens; see
            `textiba.texts.sources.read_texts`.
        rationales: whether the source holds ERASER movie rationales rather than a data set in IMDB's layout.
        skip: number of texts left out at the beginning, so that two runs can take disjoint texts.
        limit: number of texts to take after the skipped texts; None takes all.
        seed: seed of the order in which the texts of a hub id, a folder or a Parquet file are shuffled; other files
            keep their order.
        ids: keep only the texts with these ids.
        streaming: take a hub id, a folder or a Parquet file in the order of its file, text by text, without
            downloading or shuffling it. The hub's IMDB is sorted by label.
    """

    source: str = BUNDLED
    split: str = "test"
    text_column: str | None = None
    label_column: str | None = None
    id_column: str | None = None
    pair_column: str | None = None
    rationale_column: str | tuple[str, str] | None = None
    pair_rationale_column: str | tuple[str, str] | None = None
    value_column: str | None = None
    tokens_column: str | None = None
    pair_tokens_column: str | None = None
    rationale_format: Literal["characters", "tokens", "mask"] | None = None
    annotators: Literal["any", "majority"] = "majority"
    gold: Literal["label", "labels", "tags"] = "label"
    rationales: bool = False
    skip: int = Field(default=0, ge=0)
    limit: int | None = Field(default=None, ge=1)
    seed: int = 0
    ids: tuple[str, ...] = ()
    streaming: bool = False

    @model_validator(mode="after")
    def _streamed_imdb(self) -> "DataChoice":
        whole = is_file(self.source) and not self.source.lower().endswith(".parquet")
        if self.streaming and (self.rationales or self.ids or self.source == BUNDLED or whole):
            raise ValueError("streaming is for IMDB, a data set of its layout or a Parquet file, and picks no ids")
        return self

    @model_validator(mode="after")
    def _columns_exist(self) -> "DataChoice":
        if self.named != Named() and (self.rationales or self.source == BUNDLED):
            kind = "rationales" if self.rationales else BUNDLED
            raise ValueError(f"columns are named for files and data sets of your own; {kind} have fixed columns")
        return self

    @property
    def named(self) -> Named:
        """The columns that the user named."""
        return Named(
            self.text_column, self.label_column, self.id_column, self.pair_column, self.rationale_column,
            self.pair_rationale_column, self.value_column, self.tokens_column, self.pair_tokens_column,
            self.rationale_format, self.annotators, self.gold,
        )  # fmt: skip

    def open(self) -> Iterable[Text]:
        """The texts, read lazily; if they are streamed, their number is unknown."""
        return _Streamed(self) if self.streaming else self.load()

    def load(self) -> Sequence[Text]:
        """The texts; a hub id, a folder or a Parquet file is read lazily.

        Raises:
            InputError: no text is left, an id does not exist or belongs to two texts, or a row is no text.
        """
        end = None if self.limit is None else self.skip + self.limit
        texts = self._all()[self.skip : end]
        if self.ids:
            return self._picked(texts)
        if not len(texts):
            raise InputError(f"no text of {self.source} is left after skipping {self.skip}")
        return texts

    def _all(self) -> Sequence[Text]:
        if self.rationales:
            return movie_rationales(self.source, self.split)
        return open_texts(self.source, self.split, self.seed, self.named)

    def _picked(self, texts: Iterable[Text]) -> list[Text]:
        """The texts with the given ids, in the order of the ids."""
        found: dict[str, Text] = {}
        for text in texts:
            if text.id in found and text.id in self.ids:
                raise InputError(f"{self.source} has two texts with the id {text.id!r}; make the ids unique")
            found[text.id] = text
        if missing := [i for i in self.ids if i not in found]:
            raise InputError(f"{self.source} has no text with the id {missing[0]!r}")
        return [found[i] for i in self.ids]


class _Streamed:
    """Texts that are read from their source again each time they are iterated over."""

    def __init__(self, choice: DataChoice):
        self._choice = choice

    def __iter__(self) -> Iterator[Text]:
        choice = self._choice
        end = None if choice.limit is None else choice.skip + choice.limit
        return islice(imdb_stream(choice.source, choice.split, choice.named), choice.skip, end)


class MethodChoice(Settings):
    """A method, its settings, and the layers and β that it runs at.

    Attributes:
        name: the method's name in the registry.
        settings: settings of the method; a setting that is not named keeps its default.
        layers: "all" for every layer below the last, or a list; empty keeps the method's own layer.
        betas: values of β; empty keeps the method's own β.
        path: whether the optimisation at each β is a warm start from the gates at the β before, with `steps` steps at
            each β; name the values of β from low to high.
    """

    name: str
    settings: dict[str, Any] = Field(default_factory=dict)
    layers: Literal["all"] | tuple[int, ...] = ()
    betas: tuple[float, ...] = ()
    path: bool = False

    @model_validator(mode="after")
    def _method_exists(self) -> "MethodChoice":
        method = methods.method(self.name, **self.settings)
        for axis, values in (("layer", self.layers), ("beta", self.betas)):
            if values and axis not in type(method).model_fields:
                raise ValueError(f"{self.name} has no {axis} to sweep; remove it")
        if self.path and ("path" not in type(method).model_fields or not self.betas):
            raise ValueError("path is for per_sample, and needs betas; name some, or remove it")
        return self

    def expand(self, model: Model) -> list[Method]:
        """The method at every layer and β, for a model.

        Most heads read only the first token of the last layer's output, so "all" stops below the last layer.
        """
        layers = range(model.n_layers) if self.layers == "all" else self.layers
        swept = sweep_grid(methods.method(self.name, **self.settings), layers, self.betas, self.path)
        return [method.for_model(model) for method in swept]


class SweepConfig(Settings):
    """Methods × layers × β × checkpoints over texts.

    Attributes:
        checkpoints: built-in names, folders or hub ids.
        data: the texts.
        methods: the methods.
        target: "predicted", "gold", or the index or the label of one class for all texts.
        outcome: what is asked of the model, by name and settings, such as {kind: above, threshold: 3.5}; see
            `textiba.model.questions`. None takes the question that follows from the model's head and config.
        seed: seed of all random draws of the methods.
        max_length: largest number of tokens of a text; None takes the checkpoint's limit.
        windows: how longer texts are read in overlapping windows, such as {stride: 64, combine: mean}; None cuts them.
        statistics: a file of `textiba estimate` for each checkpoint that comes without feature statistics.
    """

    checkpoints: tuple[str, ...] = Field(default=("fine-tuned",), min_length=1)
    data: DataChoice = DataChoice()
    methods: tuple[MethodChoice, ...] = Field(min_length=1)
    target: int | str = "predicted"
    outcome: dict[str, Any] | None = None
    seed: int = 0
    max_length: int | None = Field(default=None, ge=3)
    windows: Windows | None = None
    statistics: dict[str, str] = Field(default_factory=dict)

    def expand(self, model: Model) -> list[Method]:
        """Every method at every layer and β; see `expand`."""
        return expand(self.methods, model)


def expand(choices: Iterable[MethodChoice], model: Model) -> list[Method]:
    """Every method at every layer and β, checked against the model before anything runs.

    Raises:
        LayerError: the model lacks one of the layers.
    """
    methods = [m for choice in choices for m in choice.expand(model)]
    for layer in (layer for method in methods for layer in method.layers_used):
        model.check_layer(layer)
    return methods
