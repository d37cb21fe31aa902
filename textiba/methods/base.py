"""What every method is: frozen settings, and one function from a forward pass to attributions."""

import abc
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, TypeVar

import numpy as np
import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor

from textiba.attribution import Attribution, Details
from textiba.bottleneck.statistics import FeatureStatistics
from textiba.errors import NotFiniteError, SettingError, TargetError
from textiba.model.forward import ForwardPass
from textiba.model.view import Model
from textiba.settings import Settings
from textiba.texts.tokens import TokenizedText
from textiba.types import Targets

M = TypeVar("M", bound="Method")


@dataclass(frozen=True, slots=True)
class Passes:
    """The cost of a method for one text, in passes through all layers of the model.

    A pass through some of the layers counts as their share. The plain forward pass that gives the prediction counts as
    one; every method is handed its hidden states.
    """

    forward: float
    backward: float


class Method(Settings, abc.ABC):
    """A way to score tokens. An instance is its settings; it keeps nothing between calls.

    To write a method, implement `_attribute` and `_passes`. The public `attribute` and `passes` first replace the
    settings that depend on the model by values (see `for_model`), and check what the method needs.

    Class attributes:
        name: in the registry, in configs and in results.
        unit: of the scores: "bits", "nats" or "score".
        signed: whether a negative score speaks against the target.
        needs: the optional dependency (extra) that the method needs; empty for none.
        optimises: the metric that the method optimises, so that a table ranked by this metric says it; empty for none.
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
        """Indices into hidden_states that the settings name; the model must have them."""
        return ()

    def at_depth(self: M, layers: int) -> M:
        """This method with every setting that depends on the model's depth given as a number.

        Args:
            layers: of the model.
        """
        return self

    def for_model(self: M, model: Model) -> M:
        """This method with every setting that depends on the model given as a value: layers, and what is explained."""
        method = self.at_depth(model.n_layers)
        if getattr(method, "output", None) != "auto":
            return method
        return method.model_copy(update={"output": method.explained_output(model)})

    def explained_output(self, model: Model) -> str:
        """The value that `output="auto"` stands for."""
        return model.reading.explained

    def variants(self) -> tuple["Method", ...]:
        """The methods whose results `attribute` returns: this one alone, unless it computes several at once."""
        return (self,)

    def files(self, model: Model) -> dict[str, str]:
        """Files besides model and statistics that the results depend on: a name for each, with the file's hash."""
        return {}

    def passes(self, layers: int, tokens: int) -> Passes:
        """The cost for one text.

        Args:
            layers: of the model.
            tokens: of the text that carry a score.
        """
        return self.at_depth(layers)._passes(layers, tokens)

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
            forward: its plain forward pass over the batch.
            targets: the class to explain, for each text.
            statistics: of the model's features, where `needs_statistics`.
            seed: of whatever is random; each text derives its own seed from it.

        Returns:
            One attribution per text, in the order of the batch; for a method with several `variants`, those of the
            first variant, then those of the second, and so on.

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
        """Raises the errors of `attribute` that are known before anything is computed."""
        for layer in self.at_depth(model.n_layers).layers_used:
            model.check_layer(layer)
        if self.needs_statistics:
            require(statistics, model, self.name)

    @abc.abstractmethod
    def _passes(self, layers: int, tokens: int) -> Passes:
        """`passes`, with the settings at the model's depth."""

    @abc.abstractmethod
    def _attribute(
        self,
        model: Model,
        forward: ForwardPass,
        targets: Targets,
        statistics: FeatureStatistics | None,
        seed: int,
    ) -> list[Attribution]:
        """`attribute`, with the settings at the model's depth and after all checks."""


class LayerMethod(Method, abc.ABC):
    """A method at one layer, which by default is a share of the model's depth.

    Class attributes:
        depth: the share of the depth that `layer` takes by default: layer `depth · L`, rounded, of a model with L.

    Attributes:
        layer: index into hidden_states (0 is the embedding output); None takes the default.
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
        """`layer` as a number.

        Raises:
            SettingError: it is None; `at_depth` gives the method with a number.
        """
        if self.layer is None:
            raise SettingError(f"{self.name}: the layer depends on the model; call at_depth(model.n_layers) first")
        return self.layer


def share_of(depth: float, layers: int) -> int:
    """The layer at a share of the model's depth, rounded to the nearest; halves are rounded up."""
    return int(depth * layers + 0.5)


def low_layers(layers: int) -> tuple[int, ...]:
    """The layers at a sixth, a third and a half of the depth, each once: 1, 2 and 3 of 6; 2, 4 and 6 of 12."""
    return tuple(sorted({share_of(depth, layers) for depth in (1 / 6, 1 / 3, 1 / 2)}))


def require(statistics: FeatureStatistics | None, model: Model, method: str) -> FeatureStatistics:
    """Returns the statistics.

    Raises:
        SettingError: there are none.
        StatisticsMismatchError: they belong to another model.
    """
    if statistics is None:
        raise SettingError(
            f"{method} needs feature statistics; make them with: textiba estimate -c {model.name}, and give the file "
            "as --statistics, or as textiba.load_statistics(file)"
        )
    statistics.check(model)
    return statistics


def resolve_targets(model: Model, forward: ForwardPass, target: str | int) -> Targets:
    """The outcome to explain for each text: "predicted", "gold", or one for all, by name or index.

    Raises:
        TargetError: there is no such outcome; or "gold" is asked for a text without a label, or for an outcome that is
            none of the model's classes.
    """
    if target == "predicted":
        return model.predict(forward)
    if target == "gold":
        if not model.reading.classes:
            raise TargetError(
                f"gold labels are of the model's classes; asked is {model.reading.words}. Use 'predicted'"
            )
        golds = [text.source.label for text in forward.batch.texts]
        if any(gold is None for gold in golds):
            raise TargetError("target 'gold' needs a label for every text; some have none. Use 'predicted'")
        for gold in golds:
            model.check_target(gold)  # type: ignore[arg-type] - None was excluded
        return torch.tensor(golds, device=forward.logits.device)
    if isinstance(target, bool) or not isinstance(target, int | str):
        raise TargetError(f"a target is 'predicted', 'gold', or an outcome by name or index; got {target!r}")
    return torch.full((len(forward.logits),), model.find_label(target), device=forward.logits.device)


def results(
    method: Method,
    layer: int | None,
    model: Model,
    forward: ForwardPass,
    targets: Targets,
    scores: Float[Tensor, "batch tokens"],
    details: Sequence[Details | None],
) -> list[Attribution]:
    """Cuts a batch of padded scores into one frozen result per text.

    Raises:
        NotFiniteError: the score of a token is NaN or infinite.
    """
    probabilities = model.target_output(forward.logits, targets, "probability")
    settings: dict[str, Any] = method.model_dump(mode="json")  # as it is read again
    # One copy from the device for all texts.
    columns = (
        targets.tolist(),
        probabilities.tolist(),
        model.predict(forward).tolist(),
        scores.detach().float().cpu().numpy(),
    )
    return [
        Attribution(
            text=text,
            checkpoint=model.name,
            method=method.name,
            settings=settings,
            layer=layer,
            target=target,
            probability=probability,
            predicted=predicted,
            scores=_only_content(method, text, row),
            unit=method.unit,
            signed=method.signed,
            details=detail,
            labels=model.labels,
            asked=model.reading.words,
        )
        for text, target, probability, predicted, row, detail in zip(
            forward.batch.texts, *columns, details, strict=True
        )
    ]


def _only_content(
    method: Method, text: TokenizedText, row: Float[np.ndarray, " padded"]
) -> Float[np.ndarray, " tokens"]:
    scores = np.full(len(text), np.nan, dtype=np.float32)
    content = list(text.content)
    scores[content] = row[content]
    if not np.isfinite(scores[content]).all():
        raise NotFiniteError(
            f"{method.name} gave {np.isfinite(scores[content]).sum()} finite scores of {len(content)} for the text "
            f"'{text.source.text[:60]}…'; load the weights in float32 (model.in_precision(torch.float32)), or use "
            "other settings"
        )
    scores.setflags(write=False)
    return scores
