"""Layer-wise relevance propagation (LRP): propagates the target's output back, layer by layer, to the embeddings.

Every rule is a modified gradient, such that gradient × input equals the relevance. A linear layer needs no modification
(LRP-0). Sources: Achtibat et al., *AttnLRP*, ICML 2024 (arXiv 2402.05602); Ali et al., *XAI for Transformers*, ICML
2022 (arXiv 2202.07304), for normalisation, and for constant attention weights (CP-LRP).
"""

from collections.abc import Sequence
from typing import ClassVar, Literal

import torch
from jaxtyping import Float
from torch import Tensor

from textiba.attribution import Attribution
from textiba.bottleneck.statistics import FeatureStatistics
from textiba.errors import SettingError
from textiba.methods.base import Method, Passes
from textiba.methods.lrp_rules import SHARES, with_rules
from textiba.methods.results import results
from textiba.model.forward import ForwardPass
from textiba.model.view import Model
from textiba.types import Logits, State, Targets

RelevanceOutput = Literal["logit", "margin"]


class LRP(Method):
    """Relevance of the embedding output, signed: positive speaks for the target.

    The relevance of all tokens, special tokens included, sums to the target's output minus the relevance that biases
    absorb. With "uniform" attention, softmax absorbs relevance too: its rule (AttnLRP, proposition 3.1) is a
    first-order expansion, and no token receives the expansion's constant term.

    Attributes:
        attention: "uniform" (AttnLRP): queries, keys and values share the relevance; or "constant" (CP-LRP): the
            attention weights count as constants, and the values receive all relevance.
        output: the output that is propagated back: the target's "logit", or its "margin" over the mean logit of the
            other outcomes. "auto" takes the margin for a yes-or-no outcome, and the logit otherwise.
    """

    name: ClassVar[str] = "lrp"
    unit: ClassVar[str] = "score"
    signed: ClassVar[bool] = True

    attention: Literal["uniform", "constant"] = "uniform"
    output: RelevanceOutput | Literal["auto"] = "auto"

    def explained_output(self, model: Model) -> str:
        """See `Method.explained_output`."""
        return "logit" if model.reading.classes else "margin"

    def _passes(self, layers: int, tokens: int) -> Passes:
        """One forward and one backward pass."""
        return Passes(2.0, 1.0)

    def _attribute(
        self,
        model: Model,
        forward: ForwardPass,
        targets: Targets,
        statistics: FeatureStatistics | None,
        seed: int,
    ) -> list[Attribution]:
        """Propagates the outputs of all texts of the batch back; `seed` is not used. See `Method.attribute`.

        Raises:
            SettingError: `output` is "margin", and the model has one class.
            UnsupportedModelError: a layer lacks modules that the rules need.
        """
        assert self.output != "auto"  # noqa: S101 - `for_model` has chosen
        scores = relevance(model, forward, targets, SHARES[self.attention], self.output)
        scores = forward.batch.by_token(scores)
        return results(self, None, model, forward, targets, scores, [None] * len(forward.batch.texts))


def relevance(
    model: Model, forward: ForwardPass, targets: Targets, shares: dict[str, float], output: RelevanceOutput = "logit"
) -> Float[Tensor, "batch tokens"]:
    """Relevance of each token's embedding output; see `relevance_by_layer` for the arguments."""
    return relevance_by_layer(model, forward, targets, shares, [0], output)[0]


def relevance_by_layer(
    model: Model,
    forward: ForwardPass,
    targets: Targets,
    shares: dict[str, float],
    layers: Sequence[int],
    output: RelevanceOutput = "logit",
) -> Float[Tensor, "layers batch tokens"]:
    """Relevance (input × modified gradient, summed over features) at several layers, from one backward pass.

    Args:
        model: the model.
        forward: the model's plain pass.
        targets: index of the outcome whose output is propagated back, for each text.
        shares: see `SHARES`.
        layers: indices into hidden_states, in increasing order.
        output: see `LRP`.

    Raises:
        SettingError: `output` is "margin", and the model has one class.
        UnsupportedModelError: a layer lacks modules that the rules need.
    """
    lowest, *above = layers
    states = [forward.hidden_states[lowest].detach().requires_grad_(True)]

    def keep(arriving: State) -> State:
        states.append(arriving)
        return arriving

    changes = dict.fromkeys(above, keep)
    logits = with_rules(model, shares).run_from(forward.batch, lowest, states[0], changes)
    gradients = torch.autograd.grad(handed_back(logits, targets, output).sum(), states)
    pairs = zip(gradients, states, strict=True)
    return torch.stack([(gradient * state.detach()).sum(dim=2) for gradient, state in pairs])


def handed_back(logits: Logits, targets: Targets, output: RelevanceOutput) -> Float[Tensor, " batch"]:
    """For each row, the output that is propagated back: the target's logit or margin; see `LRP.output`.

    Raises:
        SettingError: `output` is "margin", and there is only one class.
    """
    own = logits.gather(1, targets[:, None])[:, 0]
    if output == "logit":
        return own
    others = logits.shape[1] - 1
    if others == 0:
        raise SettingError("a margin needs two classes or more; the model has 1. Use output='logit'")
    return own - (logits.sum(dim=1) - own) / others
