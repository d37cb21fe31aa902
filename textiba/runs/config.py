"""What a run is: the YAML files under experiments/, validated. An unknown key is an error."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, model_validator

from textiba import methods
from textiba.errors import InputError
from textiba.methods import Method
from textiba.model.view import Model
from textiba.runs.stream import sweep_grid
from textiba.settings import Settings
from textiba.texts.sources import Text, bundled_reviews, imdb_rows, imdb_stream, movie_rationales, read_texts


class DataChoice(Settings):
    """Which texts.

    Attributes:
        source: "bundled"; a `.jsonl`, `.txt` or `.parquet` file; or IMDB's hub id or folder.
        split: "train" or "test", of IMDB; "train" or "validation" for rationales.
        rationales: the source holds ERASER movie rationales rather than IMDB.
        skip: leave out so many, so that two runs can use disjoint ones.
        limit: take so many after that; None takes all.
        seed: of the order of IMDB and Parquet files; the others keep theirs.
        ids: keep only the texts with these ids.
        streaming: take IMDB, or a data set of its layout, in the order of its file, as it comes from the hub or from
            Parquet: for sources that are too large to download or to shuffle. The hub's IMDB is sorted by label.
    """

    source: str = "bundled"
    split: str = "test"
    rationales: bool = False
    skip: int = Field(default=0, ge=0)
    limit: int | None = Field(default=None, ge=1)
    seed: int = 0
    ids: tuple[str, ...] = ()
    streaming: bool = False

    @model_validator(mode="after")
    def _streamed_imdb(self) -> "DataChoice":
        if self.streaming and (self.rationales or self.ids or self.source == "bundled"):
            raise ValueError("streaming is for IMDB or a data set of its layout, and picks no ids")
        return self

    def open(self) -> Iterable[Text]:
        """The texts, which are read when they are asked for; of unknown number when they are streamed."""
        return _Streamed(self) if self.streaming else self.load()

    def load(self) -> Sequence[Text]:
        """The texts; IMDB's are read when they are asked for.

        Raises:
            InputError: nothing is left of them, or an id is not there.
        """
        end = None if self.limit is None else self.skip + self.limit
        texts = self._all()[self.skip : end]
        if self.ids:
            known = {r.id: r for r in texts}
            if missing := [i for i in self.ids if i not in known]:
                raise InputError(f"{self.source} has no text with the id {missing[0]!r}")
            return [known[i] for i in self.ids]
        if not texts:
            raise InputError(f"no text of {self.source} is left after skipping {self.skip}")
        return texts

    def _all(self) -> Sequence[Text]:
        if self.rationales:
            return movie_rationales(self.source, self.split)
        if self.source == "bundled":
            return bundled_reviews()
        if Path(self.source).suffix in (".jsonl", ".txt"):
            return read_texts(self.source)
        return imdb_rows(self.source, self.split, self.seed)


class _Streamed:
    """Texts that come from their source anew whenever they are iterated over."""

    def __init__(self, choice: DataChoice):
        self._choice = choice

    def __iter__(self) -> Iterator[Text]:
        choice = self._choice
        end = None if choice.limit is None else choice.skip + choice.limit
        return islice(imdb_stream(choice.source, choice.split), choice.skip, end)


class MethodChoice(Settings):
    """A method, its settings, and what it is swept over.

    Attributes:
        name: in the registry.
        settings: of the method; what is not named keeps its default.
        layers: "all" for every layer below the last, or a list; empty keeps the method's own.
        betas: values of β; empty keeps the method's own.
        path: each β goes on from the gates of the one before it, with `steps` steps of its own; they rise.
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
            raise ValueError("a path leads through betas, of per_sample")
        return self

    def expand(self, model: Model) -> list[Method]:
        """The method at every layer and β, for a model.

        At the last layer's output only the first token is read by most heads, so "all" stops below it.
        """
        layers = range(model.n_layers) if self.layers == "all" else self.layers
        swept = sweep_grid(methods.method(self.name, **self.settings), layers, self.betas, self.path)
        return [method.for_model(model) for method in swept]


class SweepConfig(Settings):
    """Methods × layers × β × checkpoints over texts.

    Attributes:
        checkpoints: built-in names, folders or hub ids.
        data: which texts.
        methods: what to run.
        target: "predicted", "gold", or a class for all.
        seed: of whatever is random in the methods.
        max_length: tokens of a text; None takes the checkpoint's own.
        statistics: a file made by `textiba estimate` for each checkpoint without statistics of its own.
    """

    checkpoints: tuple[str, ...] = Field(default=("fine-tuned",), min_length=1)
    data: DataChoice = DataChoice()
    methods: tuple[MethodChoice, ...] = Field(min_length=1)
    target: Literal["predicted", "gold"] | int = "predicted"
    seed: int = 0
    max_length: int | None = Field(default=None, ge=3)
    statistics: dict[str, str] = Field(default_factory=dict)

    def expand(self, model: Model) -> list[Method]:
        """Every method at every layer and β; a layer the model lacks is an error before anything runs."""
        return expand(self.methods, model)


def expand(choices: Iterable[MethodChoice], model: Model) -> list[Method]:
    """Every method at every layer and β.

    Raises:
        LayerError: the model lacks one of the layers.
    """
    methods = [m for choice in choices for m in choice.expand(model)]
    for layer in (layer for method in methods for layer in method.layers_used):
        model.check_layer(layer)
    return methods
