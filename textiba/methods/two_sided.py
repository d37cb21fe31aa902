"""Two-sided relevance: what is kept must keep the prediction, and what is removed must take it along.

Scores rank the tokens. For a share q, the bottleneck's gates open for the q highest-ranked tokens, and then for all but
them; the scores are moved to widen

    Σ_q p(target | the top q pass) − p(target | the top q are stopped),

the area that the degradation test measures, at a hidden layer and with soft gates: λ_t = sigmoid((s_t − θ_q) / τ), θ_q
the score that parts the top q from the rest. The objective is that of Fong and Vedaldi, ICCV 2017 (deletion and
preservation), over many shares at once. It starts from evidence and relevance, so a few steps do.
"""

from typing import ClassVar, Literal

import torch
from jaxtyping import Float
from pydantic import Field, field_validator
from torch import Tensor

from textiba.attribution import Attribution
from textiba.bottleneck.statistics import FeatureStatistics
from textiba.information import mix
from textiba.methods.base import LayerMethod, Method, Passes, require, results, share_of
from textiba.methods.evidence import Evidence
from textiba.methods.lrp import LRP, has_rules
from textiba.model.forward import ForwardPass
from textiba.model.view import Model
from textiba.types import Mask, Targets

SMALLEST = 1e-12  # keeps scores that are all alike, as of a text of one token, from dividing by zero


def start_methods(layers: int, rules: bool = True, masks: bool = True) -> tuple[Method, ...]:
    """The initial scores: evidence (mean), evidence (mask) and LRP.

    Args:
        layers: of the model.
        rules: whether LRP's rules hold for the model; else evidence with plain gradients is all.
        masks: whether the tokenizer has a mask token; else evidence (mask) is left out.
    """
    gradient = "lrp" if rules else "plain"
    start: list[Method] = [Evidence(layer=share_of(1 / 3, layers), nodes=3, closed="mean", gradient=gradient)]
    if masks:
        start.append(Evidence(layer=share_of(1 / 6, layers), nodes=3, closed="mask", gradient=gradient))
    return (*start, LRP(output="margin")) if rules else tuple(start)


class TwoSided(LayerMethod):
    """Relevance whose order keeps and takes the prediction, signed: positive speaks for the target.

    Scores are the sum of the start's, each scaled to an absolute sum of 1, in units of its standard deviation over the
    text, then moved by the optimiser. They rank; their size means little.

    Attributes:
        layer: index into hidden_states where the gates sit; None takes a sixth of the depth (layer 1 of 6, 2 of 12).
        shares: the q.
        steps: of Adam. Stopped tokens show the features' mean and the all-[MASK] text's state, turn about.
        learning_rate: of Adam, on the scores.
        temperature: τ.
    """

    name: ClassVar[str] = "two_sided"
    unit: ClassVar[str] = "score"
    signed: ClassVar[bool] = True
    optimises: ClassVar[str] = "area between LeRF and MoRF"
    depth: ClassVar[float] = 1 / 6

    shares: tuple[float, ...] = Field(default=(0.1, 0.3, 0.6), min_length=1)
    steps: int = Field(default=2, ge=0)
    learning_rate: float = Field(default=0.3, gt=0)
    temperature: float = Field(default=1.0, gt=0)

    @field_validator("shares")
    @classmethod
    def _between(cls, shares: tuple[float, ...]) -> tuple[float, ...]:
        if any(not 0 < share < 1 for share in shares):
            raise ValueError("a share lies between 0 and 1")
        return shares

    @property
    def needs_statistics(self) -> bool:
        """See `Method.needs_statistics`."""
        return True

    def _passes(self, layers: int, tokens: int) -> Passes:
        """The start's passes; then for each step and share two there and back above the layer; the [MASK] state's."""
        start = [method.passes(layers, tokens) for method in start_methods(layers)]
        moved = 2 * self.steps * len(self.shares) * (layers - self.place) / layers
        below = self.place / layers
        return Passes(1 + sum(p.forward - 1 for p in start) + below + moved, sum(p.backward for p in start) + moved)

    def _attribute(
        self,
        model: Model,
        forward: ForwardPass,
        targets: Targets,
        statistics: FeatureStatistics | None,
        seed: int,
    ) -> list[Attribution]:
        """Optimises the scores of all texts of the batch at once; nothing here is random. See `Method.attribute`."""
        require(statistics, model, self.name)
        content = forward.batch.content
        kinds: tuple[Literal["mean", "mask"], ...] = ("mean", "mask") if _has_mask(model) else ("mean",)
        scores = self._start(model, forward, targets, statistics).requires_grad_(True)
        closed = [Evidence(layer=self.place, closed=kind).reference(model, forward, statistics) for kind in kinds]
        # Adam works element by element, so each text has its own state within the one tensor.
        adam = torch.optim.Adam([scores], lr=self.learning_rate)
        for step in range(self.steps):
            gain = scores.new_zeros(())
            for number, share in enumerate(self.shares):
                gate = top_gates(scores, content, share, self.temperature)
                stopped = closed[(step + number) % len(closed)]
                gain = gain + two_sided_gain(model, forward, self.place, targets, gate, stopped).sum()
            (gradient,) = torch.autograd.grad(gain, scores)
            scores.grad = -gradient
            adam.step()
        found = scores.detach().masked_fill(~content, 0)
        return results(self, self.place, model, forward, targets, found, [None] * len(found))

    def _start(
        self, model: Model, forward: ForwardPass, targets: Targets, statistics: FeatureStatistics | None
    ) -> Float[Tensor, "batch tokens"]:
        """The sum of the start's scores, each of absolute sum 1 in every text, over its standard deviation."""
        content = forward.batch.content
        total = torch.zeros_like(forward.hidden_states[0][..., 0])
        for method in start_methods(model.n_layers, has_rules(model), _has_mask(model)):
            for row, a in zip(total, method.attribute(model, forward, targets, statistics), strict=True):
                scores = torch.tensor(a.scores).to(row).nan_to_num()
                row[: len(scores)] += scores / scores.abs().sum().clamp_min(SMALLEST)
        count = content.sum(dim=1, keepdim=True)
        mean = total.sum(dim=1, keepdim=True) / count
        spread = ((total - mean).masked_fill(~content, 0).square().sum(dim=1, keepdim=True) / count).sqrt()
        return total / spread.clamp_min(SMALLEST)


def _has_mask(model: Model) -> bool:
    return model.tokenizer.mask_token_id is not None


def top_gates(
    scores: Float[Tensor, "batch tokens"], content: Mask, share: float | Float[Tensor, "batch 1"], temperature: float
) -> Float[Tensor, "batch tokens 1"]:
    """λ of every token, open for the top share; the last of these has ½. Differentiable in `scores`.

    Args:
        scores: whose order is taken.
        content: the tokens that carry a score.
        share: of them; one for all texts, or one for each.
        temperature: τ.
    """
    with torch.no_grad():
        falling = scores.masked_fill(~content, -torch.inf).sort(dim=1, descending=True).values
        last = (share * content.sum(dim=1, keepdim=True)).round().long().clamp_min(1) - 1
        threshold = falling.gather(1, last)
    return torch.sigmoid((scores - threshold) / temperature).unsqueeze(-1)


def two_sided_gain(
    model: Model,
    forward: ForwardPass,
    layer: int,
    targets: Targets,
    gate: Float[Tensor, "batch tokens 1"],
    closed: Float[Tensor, "... features"],
) -> Float[Tensor, " batch"]:
    """p(target) with the gates at a layer minus p(target) with their complement.

    Args:
        model: the model.
        forward: its plain pass.
        layer: index into hidden_states.
        targets: of each text.
        gate: λ; special tokens pass whatever it is.
        closed: what closed gates show.
    """
    batch, state = forward.batch, forward.hidden_states[layer]
    mixed = torch.cat([mix(state, gate, closed), mix(state, 1 - gate, closed)])
    states = torch.where(batch.repeat(2).content.unsqueeze(-1), mixed, state.repeat(2, 1, 1))
    logits = model.run_from(batch.repeat(2), layer, states)
    kept, left = model.target_output(logits, targets.repeat(2), "probability").chunk(2)
    return kept - left
