"""Layer profiles: the attributions of many texts, averaged by checkpoint, layer and β."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from textiba.attribution import Attribution, BitsDetails, EvidenceDetails, content_scores
from textiba.evaluation.intervals import Interval, bootstrap
from textiba.information import NATS_PER_BIT


@dataclass(frozen=True, slots=True)
class LayerRow:
    """Means over texts, for one checkpoint and one method with one choice of settings.

    Attributes:
        checkpoint: the model's name.
        method: the method's name.
        layer: index into hidden_states.
        beta: the price of a nat; None for methods without β.
        texts: the number of texts.
        total: the sum of a text's scores, in the method's unit.
        per_token: the mean of a text's absolute scores, in the method's unit.
        usable: usable bits about the target in the content tokens' states at this layer: log2 p(target) with all gates
            open minus log2 p(target) with all gates closed (for each text alone, as the pointwise measure of Xu et al.,
            *A Theory of Usable Information*, ICLR 2020); None for methods other than evidence.
        kept: probability of the target with the bottleneck in place; None for methods without an optimised bottleneck.
        loss: the objective of the bottleneck, `CE + β · KL`, nats; None for methods without an optimised bottleneck.
        settings: settings of the method.
    """

    checkpoint: str
    method: str
    layer: int | None
    beta: float | None
    texts: int
    total: Interval
    per_token: Interval
    usable: Interval | None = None
    kept: Interval | None = None
    loss: Interval | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)


def layer_profile(attributions: Iterable[Attribution], seed: int = 0) -> list[LayerRow]:
    """A row for each checkpoint, method and choice of settings, in the order of their first attribution.

    Only a few numbers of each text are kept, so `attributions` may be a stream.

    Args:
        attributions: attributions of any texts, methods and checkpoints.
        seed: seed of the bootstrap intervals.
    """
    groups: dict[tuple, list[tuple[float, float, float | None, float | None, float | None]]] = {}
    for a in attributions:
        key = (a.checkpoint, a.method, a.layer, a.settings.get("beta"), json.dumps(dict(a.settings), sort_keys=True))
        groups.setdefault(key, []).append(
            (a.total, float(np.abs(content_scores(a)).mean()), _usable(a), _kept(a), _loss(a))
        )
    rows = []
    for (checkpoint, method, layer, beta, settings), numbers in groups.items():
        columns = [None if column[0] is None else np.asarray(column) for column in zip(*numbers, strict=True)]
        total, per_token, usable, kept, loss = (None if c is None else bootstrap(c, seed=seed) for c in columns)
        assert total is not None  # noqa: S101 - every attribution has both numbers
        assert per_token is not None  # noqa: S101
        rows.append(
            LayerRow(
                checkpoint,
                method,
                layer,
                beta,
                len(numbers),
                total,
                per_token,
                usable,
                kept,
                loss,
                json.loads(settings),
            )
        )
    return rows


def _usable(a: Attribution) -> float | None:
    if not isinstance(a.details, EvidenceDetails) or a.settings.get("output", "log_probability") != "log_probability":
        return None
    return (a.details.opened - a.details.closed) / NATS_PER_BIT


def _kept(a: Attribution) -> float | None:
    return a.details.probability if isinstance(a.details, BitsDetails) else None


def _loss(a: Attribution) -> float | None:
    return a.details.loss if isinstance(a.details, BitsDetails) else None
