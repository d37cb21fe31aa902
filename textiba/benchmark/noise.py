"""Noise at a hidden layer: does the prediction stay if all tokens but the top k are replaced by noise?

With its default settings, no method of the registry optimises this metric: `two_sided` puts mean and [MASK] states at a
sixth of the depth, and `per_sample` optimises its gates at a third of the depth. (`joint` also has gates at half of the
depth, where this metric has its noise by default.)
"""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float

from textiba.attribution import Attribution
from textiba.benchmark.config import Noise
from textiba.bottleneck.statistics import FeatureStatistics
from textiba.evaluation.degradation import removal_order
from textiba.evaluation.metrics.faithfulness import top_count
from textiba.methods.optimised import standard_normal
from textiba.model.view import Model
from textiba.texts.batches import TOKEN_BUDGET


@torch.no_grad()
def noise_kept(
    model: Model, attributions: Sequence[Attribution], statistics: FeatureStatistics, choice: Noise, seed: int
) -> Float[np.ndarray, " texts"]:
    """p(target) when noise replaces all content tokens outside the top k, averaged over the shares k.

    Higher is better. The noise is ε ~ N(μ, σ²) with the feature statistics of the layer, as in the bottleneck's Q(Z).
    The states of the top k and of special tokens stay. p(target) is the mean over the draws.

    Args:
        model: the model.
        attributions: attributions of one method.
        statistics: feature statistics of the model.
        choice: the layer, the shares k and the number of draws.
        seed: seed of the noise; each text derives its own seed from this one, so that all methods get the same noise.
    """
    layer = choice.place(model.n_layers)
    orders = [removal_order(a, "morf", seed) for a in attributions]
    kept = np.zeros(len(attributions))
    for group in model.buckets(range(len(attributions)), [len(a.text) for a in attributions], TOKEN_BUDGET):
        batch = model.collate([attributions[i].text for i in group])
        state = model.run_to(batch, layer)
        mean, std = statistics.at(layer, state)
        noise = mean + std * next(standard_normal(batch, state, choice.draws, False, seed))
        repeated = batch.repeat(choice.draws)
        targets = torch.tensor([attributions[i].target for i in group], device=state.device).repeat(choice.draws)
        for share in choice.shares:
            top = torch.zeros_like(batch.scored)
            for row, i in enumerate(group):
                top[row, orders[i][: top_count(share, len(orders[i]))]] = True
            stays = batch.at_places(top.unsqueeze(-1)) | ~batch.content.unsqueeze(-1)
            states = torch.where(stays, state, noise)
            probabilities = model.probabilities(model.run_from(repeated, layer, states.flatten(0, 1)))
            found = probabilities.gather(1, targets[:, None]).unflatten(0, (choice.draws, -1)).mean(dim=0)
            kept[group] += found[:, 0].double().cpu().numpy() / len(choice.shares)
    return kept
