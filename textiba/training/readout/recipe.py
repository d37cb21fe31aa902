"""How a readout network is trained: settings and schedules."""

from collections.abc import Sequence
from typing import Literal

from pydantic import Field, model_validator

from textiba.bottleneck.readout import Architecture
from textiba.model.view import Model
from textiba.settings import Settings
from textiba.texts.sources import IMDB


class ReadoutRecipe(Settings):
    """How a readout network is trained.

    Attributes:
        checkpoint: the model that it explains: a built-in name, a folder, or a hub id.
        data: IMDB's hub id, a folder, or a Parquet file; its training part is used.
        limit: training texts; None takes all but the validation ones.
        validation: texts held out of the training part, for early stopping.
        statistics: a file made by `textiba estimate`, for a checkpoint without statistics of its own.
        max_length: tokens; longer texts are cut.
        shortest: every epoch cuts each training text anew, at a length drawn between this and its own, so that the
            network knows short texts too; None leaves them whole.
        layers: where the bottlenecks sit, turn about; "all" for every layer below the last. One that is named more
            often is trained more.
        at_once: how many of them a step trains; they share its plain pass.
        reads: the layers whose hidden states are read.
        widths: of the two hidden layers.
        logit_limit: bound of the gates' logits.
        initial_gate: λ before the first step.
        min_std: floor of σ, for features that hardly vary.
        start: a trained network of the same shape to go on from: its folder or file; None begins with open gates.
        beta: the price of a nat of the KL, summed over tokens and features.
        order: weight of the second objective, which puts all tokens in order; 0 is the paper's loss alone. That loss
            closes most gates, and then tells nothing of their order. The second is the correlation of what the gates
            follow from with the ranks of the tokens' relevance (AttnLRP) at the same layer, mean over all layers.
        beta_decades: β starts so many powers of ten lower, so that gates part before they close.
        beta_rise: the share of the steps over which it rises.
        samples: noise draws a step.
        steps: of AdamW.
        batch_size: texts in a step, over all processes.
        learning_rate: falling linearly to 0 after a warm-up of 20 steps.
        weight_decay: of AdamW.
        evaluate_every: steps from one evaluation on the validation texts, and saved state, to the next.
        patience: stop after so many evaluations at full β without a lower loss.
        bfloat16: autocast; faster on processors with AVX-512 BF16 and on recent GPUs.
        seed: of the weights, the order and the noise.
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
            raise ValueError("layers and reads name at least one layer each")
        return self

    def architecture(self, model: Model) -> Architecture:
        """The network's shape for a model.

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
        """The layers of the bottlenecks that a step trains, each once.

        Args:
            step: from 0.
            known: those of the network.
        """
        turns = known if self.layers == "all" else self.layers
        first = step * self.at_once
        return sorted({turns[(first + i) % len(turns)] for i in range(self.at_once)})

    def beta_at(self, step: int) -> float:
        """β rises by powers of ten to its value."""
        risen = min(1.0, step / (self.beta_rise * self.steps)) if self.beta_rise else 1.0
        return self.beta * 10 ** (self.beta_decades * (risen - 1))

    def rate_at(self, step: int) -> float:
        """The learning rate."""
        return self.learning_rate * min(1.0, (step + 1) / 20) * (1 - step / self.steps)
