"""Layer profiles: hand-made attributions in, hand-computed rows out."""

import math
from typing import Any

import numpy as np
import pytest
import toys

from textiba.attribution import Attribution, BitsDetails, EvidenceDetails
from textiba.evaluation.profile import layer_profile

TEXT = toys.model().tokenize(["a film with"])[0]


def bits(scores: list[float], probability: float = 0.5, **facts: Any) -> Attribution:
    trace = np.zeros(2, dtype=np.float32)
    details = BitsDetails(np.ones(len(TEXT), dtype=np.float32), trace, trace, True, probability, 0.0, 1.0)
    return toys.scored(TEXT, scores, details=details, **facts)


def nats(scores: list[float], closed: float, opened: float, **facts: Any) -> Attribution:
    details = EvidenceDetails(closed, opened, 0.0, opened - closed - sum(scores))
    return toys.scored(TEXT, scores, method="evidence", unit="nats", signed=True, details=details, **facts)


def test_rows_come_in_the_order_of_their_first_attribution():
    rows = layer_profile(
        [
            bits([1, 2, 3], layer=2, settings={"beta": 0.1}),
            bits([1, 2, 3], layer=1, settings={"beta": 0.1}),
            bits([1, 2, 3], layer=2, settings={"beta": 0.2}),
            bits([1, 2, 3], layer=2, settings={"beta": 0.1}, checkpoint="other"),
            nats([1.0, 2.0, 3.0], -1.0, 5.0, layer=2),
            bits([1, 2, 3], layer=2, settings={"beta": 0.1}),
        ]
    )
    assert [(r.checkpoint, r.method, r.layer, r.beta, r.texts) for r in rows] == [
        ("toy", "by_hand", 2, 0.1, 2),
        ("toy", "by_hand", 1, 0.1, 1),
        ("toy", "by_hand", 2, 0.2, 1),
        ("other", "by_hand", 2, 0.1, 1),
        ("toy", "evidence", 2, None, 1),
    ]


def test_means_of_bits_by_hand():
    [row] = layer_profile([bits([1, 2, 3], 0.8), bits([0, 0, 3], 0.6)])
    assert row.total.mean == pytest.approx(4.5)
    assert row.per_token.mean == pytest.approx(1.5)
    assert row.kept is not None
    assert row.kept.mean == pytest.approx(0.7)
    assert row.usable is None


def test_means_of_evidence_by_hand():
    [row] = layer_profile([nats([1, -2, 3], -2.0, 0.0), nats([0, 0, -3], -1.0, -4.0)])
    assert row.total.mean == pytest.approx(-0.5)
    assert row.per_token.mean == pytest.approx(1.5), "absolute: what speaks against counts too"
    assert row.usable is not None
    assert row.usable.mean == pytest.approx((2.0 - 3.0) / 2 / math.log(2)), "nats to bits"
    assert row.kept is None


def test_any_stream_will_do_and_none_gives_no_rows():
    assert layer_profile(iter([])) == []
    assert layer_profile(a for a in [bits([1, 2, 3])])[0].texts == 1
