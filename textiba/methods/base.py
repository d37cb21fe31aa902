"""The base class of all methods: frozen settings, and one function from a forward pass to attributions."""

import abc
from dataclasses import dataclass
from typing import ClassVar, TypeVar

from pydantic import Field

from textiba.attribution import Attribution
from textiba.bottleneck.statistics import FeatureStatistics
from textiba.errors import SettingError
from textiba.model.forward import ForwardPass
from textiba.model.torch_state import own_torch_state
from textiba.model.view import Model
from textiba.settings import Settings
from textiba.types import Targets

M = TypeVar("M", bound="Method")


@dataclass(frozen=True, slots=True)
class Passes:
    """The cost of a method for one text, in passes through all layers of the model.

    A pass through k of L layers counts as k / L. The plain forward pass, which gives the prediction and the hidden
    states that every method receives, counts as one.

    Attributes:
        forward: number of forward passes.
        backward: number of backward passes.
    """

    forward: float
    backward: float


class Method(Settings, abc.ABC):
    """A way to score tokens. An instance holds the method's settings and no other state.

    To write a method, implement `_attribute` and `_passes`. The public `attribute` first puts values in place of the
    settings that depend on the model (see `for_model`), and then checks the layers and the statistics. The public
    `passes` first puts numbers in place of the settings that depend on the model's depth (see `at_depth`).

    Class attributes:
        name: the method's name in the registry, in configs and in results.
        unit: unit of the scores: "bits", "nats" or "score".
        signed: whether a negative score speaks against the target.
        needs: the optional dependency (extra) that the method needs; empty for none.
        optimises: the metric that the method optimises, so that tables can mark the method; empty for none.
    """

    name: ClassVar[str]
    unit: ClassVar[str]
    signed: ClassVar[bool]
    needs: ClassVar[str] = ""
    optimises: ClassVar[str] = ""

    @property
    def needs_statistics(self) -> bool:
        """Whether `attribute` must be given feature statistics."""
        return False

    @property
    def layers_used(self) -> tuple[int, ...]:
        """The layers that the settings name, as indices into hidden_states; the model must have these layers."""
        return ()

    def at_depth(self: M, layers: int) -> M:
        """Returns this method with every setting that depends on the model's depth replaced by a number.

        Args:
            layers: number of layers of the model.
        """
        return self

    def for_model(self: M, model: Model) -> M:
        """Returns this method with every setting that depends on the model (layers, output) replaced by a value."""
        method = self.at_depth(model.n_layers)
        if getattr(method, "output", None) != "auto":
            return method
        return method.model_copy(update={"output": method.explained_output(model)})

    def explained_output(self, model: Model) -> str:
        """The value that `output="auto"` stands for on this model."""
        return model.reading.explained

    @property
    def scores_unit(self) -> str:
        """The unit of the scores with these settings: `unit`, but "score" for a method that explains a probability."""
        return "score" if self.unit == "nats" and getattr(self, "output", None) == "probability" else self.unit

    def variants(self) -> tuple["Method", ...]:
        """The methods whose results `attribute` returns: this method alone, or several that are computed together."""
        return (self,)

    def files(self, model: Model) -> dict[str, str]:
        """A hash, by name, of each file that the results depend on besides model and statistics."""
        return {}

    def passes(self, layers: int, tokens: int) -> Passes:
        """Returns the cost of one text.

        Args:
            layers: number of layers of the model.
            tokens: number of the text's tokens that carry a score.
        """
        return self.at_depth(layers)._passes(layers, tokens)

    @own_torch_state()
    def attribute(
        self,
        model: Model,
        forward: ForwardPass,
        targets: Targets,
        statistics: FeatureStatistics | None = None,
        seed: int = 0,
    ) -> list[Attribution]:
        """Scores every text of a batch.

        Args:
            model: the model to explain.
            forward: the model's plain forward pass over the batch.
            targets: index of the outcome to explain, for each text.
            statistics: feature statistics of the model; required where `needs_statistics`.
            seed: seed of all random draws; each text derives its own seed from this one.

        Returns:
            One attribution per text, in the order of the batch. For a method with several `variants`, the attributions
            of the first variant, then the attributions of the second, and so on.

        Raises:
            LayerError: the model lacks a layer that the settings name.
            SettingError: statistics are missing.
            StatisticsMismatchError: the statistics belong to another model.
            NotFiniteError: a score is NaN or infinite.
        """
        method = self.for_model(model)
        method.check(model, statistics)
        return method._attribute(model, forward, targets, statistics, seed)

    def check(self, model: Model, statistics: FeatureStatistics | None) -> None:
        """Raises those errors of `attribute` that can be raised before anything is computed."""
        for layer in self.at_depth(model.n_layers).layers_used:
            model.check_layer(layer)
        if self.needs_statistics:
            require(statistics, model, self.name)

    @abc.abstractmethod
    def _passes(self, layers: int, tokens: int) -> Passes:
        """Implements `passes`; every setting that depends on the model's depth is already a number."""

    @abc.abstractmethod
    def _attribute(
        self,
        model: Model,
        forward: ForwardPass,
        targets: Targets,
        statistics: FeatureStatistics | None,
        seed: int,
    ) -> list[Attribution]:
        """Implements `attribute`; called after all checks, with every setting given as a value."""


class LayerMethod(Method, abc.ABC):
    """A method at one layer. The default layer is a share of the model's depth.

    Class attributes:
        depth: the default share: in a model with L layers, the default layer is `depth · L`, rounded.

    Attributes:
        layer: index into hidden_states (0 is the embedding output); None takes the default layer.
    """

    depth: ClassVar[float]

    layer: int | None = Field(default=None, ge=0)

    def at_depth(self: M, layers: int) -> M:
        """See `Method.at_depth`."""
        assert isinstance(self, LayerMethod)  # noqa: S101 - for the type checker
        return self if self.layer is not None else self.model_copy(update={"layer": share_of(self.depth, layers)})

    @property
    def layers_used(self) -> tuple[int, ...]:
        """See `Method.layers_used`."""
        return (self.place,)

    @property
    def place(self) -> int:
        """The layer as a number.

        Raises:
            SettingError: `layer` is None; the method that `at_depth` returns has a number.
        """
        if self.layer is None:
            raise SettingError(f"{self.name}: the layer depends on the model; call at_depth(model.n_layers) first")
        return self.layer


def share_of(depth: float, layers: int) -> int:
    """The layer at a share of the model's depth, rounded to the nearest layer; halves are rounded up."""
    return int(depth * layers + 0.5)


def low_layers(layers: int) -> tuple[int, ...]:
    """The layers at a sixth, a third and a half of the depth, without repeats: 1, 2, 3 of 6 and 2, 4, 6 of 12."""
    return tuple(sorted({share_of(depth, layers) for depth in (1 / 6, 1 / 3, 1 / 2)}))


def require(statistics: FeatureStatistics | None, model: Model, method: str) -> FeatureStatistics:
    """Returns the statistics after checking them.

    Args:
        statistics: feature statistics, or None where the caller gave none.
        model: the model that the statistics must belong to.
        method: name of the method, for the error message.

    Raises:
        SettingError: no statistics were given.
        StatisticsMismatchError: the statistics belong to another model.
    """
    if statistics is None:
        raise SettingError(
            f"{method} needs feature statistics; make them with: textiba estimate -c {model.name}, and give the file "
            "as --statistics, or as textiba.load_statistics(file)"
        )
    statistics.check(model)
    return statistics
