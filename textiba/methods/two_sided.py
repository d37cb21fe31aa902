"""Two-sided relevance: keeping the top tokens must keep the prediction, and removing them must destroy it.

Scores rank the tokens. For a share q, gates at a hidden layer open either for the share q of tokens with the highest
scores, or for all other tokens. Adam changes the scores to maximise

    Σ_q p(target | only the top q pass) − p(target | the top q are stopped).

This is the area that the degradation test measures, with soft gates at a hidden layer: λ_t = sigmoid((s_t − θ_q) / τ),
where θ_q is the score that separates the top q from the rest. Fong and Vedaldi, ICCV 2017, combine deletion and
preservation in the same way for one mask; here the objective sums over several shares. The initial scores come from
evidence and relevance, so a few steps suffice.
"""

from typing import ClassVar, Literal

import torch
from jaxtyping import Float
from pydantic import Field, field_validator
from torch import Tensor

from textiba.attribution import Attribution
from textiba.bottleneck.statistics import FeatureStatistics
from textiba.information import mix
from textiba.methods.base import LayerMethod, Method, Passes, require, share_of
from textiba.methods.evidence import Evidence
from textiba.methods.lrp import LRP
from textiba.methods.lrp_rules import has_rules
from textiba.methods.results import results
from textiba.model.forward import ForwardPass
from textiba.model.limits import embedding_rows
from textiba.model.view import Model
from textiba.texts.tokenizing import in_table
from textiba.types import Mask, Targets

SMALLEST = 1e-12  # avoids division by zero where all scores are equal, as for a text of one token


def start_methods(layers: int, rules: bool = True, masks: bool = True) -> tuple[Method, ...]:
    """The methods that give the initial scores: evidence (mean), evidence (mask) and LRP.

    Args:
        layers: number of layers of the model.
        rules: whether LRP's rules can be applied to the model; otherwise LRP is left out, and evidence uses plain
            gradients.
        masks: whether the tokenizer has a mask token; otherwise evidence (mask) is left out.
    """
    gradient = "lrp" if rules else "plain"
    start: list[Method] = [Evidence(layer=share_of(1 / 3, layers), nodes=3, closed="mean", gradient=gradient)]
    if masks:
        start.append(Evidence(layer=share_of(1 / 6, layers), nodes=3, closed="mask", gradient=gradient))
    return (*start, LRP(output="margin")) if rules else tuple(start)


class TwoSided(LayerMethod):
    """Relevance optimised for the area of the degradation test, signed: positive speaks for the target.

    The scores of several methods are scaled to an absolute sum of 1 per text, and added. The initial scores are this
    sum, divided by its standard deviation over the text. Adam then changes the scores. Only the order of the scores has
    a meaning; their size has none.

    Attributes:
        layer: index into hidden_states of the layer where the gates sit; None takes a sixth of the depth (layer 1 of 6,
            2 of 12).
        shares: the shares q.
        steps: number of Adam steps. From each step to the next, and from each share to the next, the closed state
            alternates between the features' mean and the state of the all-[MASK] text.
        learning_rate: Adam's learning rate, on the scores.
        temperature: the temperature τ of the soft gates.
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
            raise ValueError("a share must lie between 0 and 1")
        return shares

    @property
    def needs_statistics(self) -> bool:
        """See `Method.needs_statistics`."""
        return True

    def _passes(self, layers: int, tokens: int) -> Passes:
        """The passes of the initial scores, of the optimisation, and of the all-[MASK] text below the layer.

        The optimisation takes two forward and two backward passes above the layer for each step and share. If LRP's
        rules cannot be applied to the model, or the tokenizer has no mask token, some initial scores are left out, and
        the true number of passes is smaller.
        """
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
        """Optimises the scores of all texts of the batch at once; `seed` is not used. See `Method.attribute`."""
        require(statistics, model, self.name)
        content = forward.batch.scored
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
        """Returns the initial scores.

        The scores of each method are scaled to an absolute sum of 1 per text, and added. The sum is divided by its
        standard deviation over the text.
        """
        content = forward.batch.scored
        total = forward.hidden_states[0].new_zeros(content.shape)
        for method in start_methods(model.n_layers, has_rules(model), _has_mask(model)):
            for row, a in zip(total, method.attribute(model, forward, targets, statistics), strict=True):
                scores = torch.tensor(a.scores).to(row).nan_to_num()
                row[: len(scores)] += scores / scores.abs().sum().clamp_min(SMALLEST)
        count = content.sum(dim=1, keepdim=True)
        mean = total.sum(dim=1, keepdim=True) / count
        spread = ((total - mean).masked_fill(~content, 0).square().sum(dim=1, keepdim=True) / count).sqrt()
        return total / spread.clamp_min(SMALLEST)


def _has_mask(model: Model) -> bool:
    return in_table(model.tokenizer.mask_token_id, embedding_rows(model.module))


def top_gates(
    scores: Float[Tensor, "batch tokens"], content: Mask, share: float | Float[Tensor, "batch 1"], temperature: float
) -> Float[Tensor, "batch tokens 1"]:
    """Returns λ of every token: ½ for the last token of the top share, and above ½ for tokens with higher scores.

    λ is differentiable in `scores`.

    Args:
        scores: the scores that rank the tokens.
        content: True for the tokens that carry a score.
        share: share of the content tokens; one number for all texts, or one for each text.
        temperature: the temperature τ.
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
    """Returns p(target) with gates λ at a layer, minus p(target) with gates 1 − λ.

    Args:
        model: the model.
        forward: the model's plain pass.
        layer: index into hidden_states.
        targets: index of the target for each text.
        gate: λ of each token of the whole texts; special tokens always pass.
        closed: the closed state.
    """
    batch, state = forward.batch, forward.hidden_states[layer]
    gate = batch.at_places(gate)
    mixed = torch.cat([mix(state, gate, closed), mix(state, 1 - gate, closed)])
    states = torch.where(batch.repeat(2).content.unsqueeze(-1), mixed, state.repeat(2, 1, 1))
    logits = model.run_from(batch.repeat(2), layer, states)
    kept, left = model.target_output(logits, targets.repeat(2), "probability").chunk(2)
    return kept - left
