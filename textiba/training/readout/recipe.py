"""The settings of the training of a readout network, and its schedules."""

from collections.abc import Sequence
from typing import Literal

from pydantic import Field, model_validator

from textiba.bottleneck.readout import Architecture
from textiba.model.view import Model
from textiba.settings import Settings
from textiba.texts.sources import IMDB


class ReadoutRecipe(Settings):
    """The settings of the training of a readout network.

    Attributes:
        checkpoint: the explained model: a built-in name, a folder, or a hub id.
        data: IMDB's hub id, a folder, or a Parquet file; the training part is used.
        limit: the number of training texts; None takes all that are not held out.
        validation: the number of texts of the training part that are held out for early stopping.
        statistics: a file of `textiba estimate`, for a checkpoint that comes without statistics.
        max_length: largest number of tokens; longer texts are cut.
        shortest: in each epoch every training text is cut at a random length between `shortest` and its own length, so
            that the network learns short texts too; None leaves the texts whole.
        layers: the layers of the bottlenecks, trained in turn; "all" takes every layer below the last. Repeat an index
            to give its layer more steps.
        at_once: the number of layers that one step trains; they share one plain pass.
        reads: the layers whose hidden states the network reads.
        widths: widths of the network's two hidden layers.
        logit_limit: bound of the gates' logits.
        initial_gate: λ before the first step.
        min_std: lower bound of σ, for features that hardly vary.
        start: a folder or file with a trained network of the same shape, for a warm start; None starts with open gates.
        beta: the price of a nat of the KL, which is summed over tokens and features.
        order: weight of the second objective, the order of the tokens; with 0, the paper's loss is the only objective.
            The paper's loss closes most gates, and closed gates have no order. The second objective is the correlation
            of the network's output with the ranks of the tokens' relevance (AttnLRP) at the same layer, averaged over
            all layers.
        beta_decades: β starts this many powers of ten lower, so that gates differ before they close.
        beta_rise: the share of the steps over which β rises to `beta`.
        samples: number of noise draws in each step.
        steps: number of AdamW steps.
        batch_size: number of texts in each step, over all processes.
        learning_rate: highest learning rate, which falls linearly to 0 after a warm-up of 20 steps.
        weight_decay: weight decay of AdamW.
        evaluate_every: steps between two evaluations on the held-out texts; each evaluation saves the state.
        patience: training stops after this many evaluations at the full β without a lower loss.
        bfloat16: whether to use autocast to bfloat16, which is faster on processors with AVX-512 BF16 and on recent
            GPUs.
        seed: seed of the weights, the order of the texts and the noise.
    """

    checkpoint: str = "fine-tuned"
    data: str = IMDB
    limit: int | None = Field(default=None, ge=1)
    validation: int = Field(default=64, ge=1)
    statistics: str | None = None
    max_length: int | None = Field(default=None, ge=3)
    shortest: int | None = Field(default=16, ge=3)
    layers: Literal["all"] | tuple[int, ...] = "all"
    at_once: int = Field(default=1, ge=1)
    reads: Literal["all"] | tuple[int, ...] = "all"
    widths: tuple[int, int] = (128, 64)
    logit_limit: float = Field(default=6.0, gt=0)
    initial_gate: float = Field(default=0.993, gt=0, lt=1)
    min_std: float = Field(default=0.01, gt=0)
    start: str | None = None
    beta: float = Field(default=1e-4, ge=0)
    order: float = Field(default=0.0, ge=0)
    beta_decades: float = Field(default=3.0, ge=0)
    beta_rise: float = Field(default=0.15, ge=0, le=1)
    samples: int = Field(default=1, ge=1)
    steps: int = Field(default=1800, ge=1)
    batch_size: int = Field(default=16, ge=1)
    learning_rate: float = Field(default=1e-3, gt=0)
    weight_decay: float = Field(default=0.01, ge=0)
    evaluate_every: int = Field(default=150, ge=1)
    patience: int = Field(default=6, ge=1)
    bfloat16: bool = False
    seed: int = 0

    @model_validator(mode="after")
    def _named(self) -> "ReadoutRecipe":
        if not self.layers or not self.reads:
            raise ValueError("layers and reads each name at least one layer, or 'all'")
        return self

    def architecture(self, model: Model) -> Architecture:
        """The shape of the network for a model.

        Raises:
            LayerError: the model has no such layer.
        """
        layers = tuple(range(model.n_layers)) if self.layers == "all" else tuple(sorted(set(self.layers)))
        reads = tuple(range(model.n_layers + 1)) if self.reads == "all" else self.reads
        for layer in (*layers, *reads):
            model.check_layer(layer)
        return Architecture(
            layers=layers,
            reads=reads,
            widths=self.widths,
            features=model.module.config.hidden_size,
            limit=self.logit_limit,
            initial_gate=self.initial_gate,
            beta=self.beta,
            fingerprint=model.fingerprint,
        )

    def layers_at(self, step: int, known: Sequence[int]) -> list[int]:
        """The layers that a step trains, without repeats.

        Args:
            step: the step's number, from 0.
            known: the layers of the network.
        """
        turns = known if self.layers == "all" else self.layers
        first = step * self.at_once
        return sorted({turns[(first + i) % len(turns)] for i in range(self.at_once)})

    def beta_at(self, step: int) -> float:
        """β at a step: it rises exponentially to `beta`."""
        risen = min(1.0, step / (self.beta_rise * self.steps)) if self.beta_rise else 1.0
        return self.beta * 10 ** (self.beta_decades * (risen - 1))

    def rate_at(self, step: int) -> float:
        """The learning rate at a step."""
        return self.learning_rate * min(1.0, (step + 1) / 20) * (1 - step / self.steps)
