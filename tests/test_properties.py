"""Properties that hold for every input: random texts of any Unicode, random gates, random batches."""

import itertools
from collections.abc import Callable
from typing import TypeVar

import numpy as np
import pytest
import torch
import toys
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from textiba.attribution import EvidenceDetails
from textiba.bottleneck.gates import Bottleneck
from textiba.errors import EmptyTextError
from textiba.evaluation.degradation import ORDERS, Degradation, removal_order
from textiba.evaluation.intervals import bootstrap, holm, sign_flip_p
from textiba.evaluation.metrics.faithfulness import top_count
from textiba.information import kl_nats, kl_nats_of_shared, mix
from textiba.methods import Evidence
from textiba.texts.tokens import TokenizedText

T = TypeVar("T", bound=Callable[..., None])
MODEL = toys.model()
WORDS = st.sampled_from((*toys.FILLER, *toys.CUES, "films", ",", "unseen", "été", "🙂", "ﬁlm"))


def examples(count: int) -> Callable[[T], T]:
    """The same examples in every run: a test that fails today fails tomorrow."""
    return settings(max_examples=count, deadline=None, derandomize=True)


def floats(low: float, high: float) -> st.SearchStrategy[float]:
    return st.floats(low, high, allow_nan=False, width=32)


@st.composite
def tensors(draw: st.DrawFn, low: float, high: float, shape: tuple[int, ...]) -> Tensor:
    """A float64 tensor with the bounds themselves among its values now and then."""
    size = int(np.prod(shape))
    values = draw(st.lists(st.one_of(floats(low, high), st.sampled_from([low, high])), min_size=size, max_size=size))
    return torch.tensor(values, dtype=torch.float64).reshape(shape)


def sentences(words: int = 12) -> st.SearchStrategy[str]:
    """Texts of known and unknown words."""
    return st.lists(WORDS, min_size=1, max_size=words).map(" ".join)


# Information.


@examples(60)
@given(tensors(-8, 8, (3, 4)), tensors(-30, 30, (3, 1)))
def test_kl_is_not_negative_and_rises_with_the_gate(normalized: Tensor, logits: Tensor):
    kl = kl_nats(normalized, logits.expand(3, 4))
    assert kl.min() >= -1e-12
    assert (kl_nats(normalized, (logits + 1).expand(3, 4)) > kl).all()


@examples(60)
@given(tensors(-8, 8, (3, 4)), tensors(-30, 30, (3, 1)))
def test_kl_is_additive_over_features_and_over_tokens(normalized: Tensor, logits: Tensor):
    kl = kl_nats(normalized, logits.expand(3, 4))
    shared = kl_nats_of_shared(normalized.square().sum(dim=1), logits[:, 0], 4)
    torch.testing.assert_close(shared, kl.sum(dim=1), rtol=1e-9, atol=1e-9)
    parts = torch.stack([kl_nats(normalized[:, i : i + 1], logits).sum() for i in range(4)]).sum()
    torch.testing.assert_close(parts, kl.sum(), rtol=1e-9, atol=1e-9)


@examples(60)
@given(tensors(-100, 100, (2, 3)), tensors(-100, 100, (2, 3)), floats(0, 1))
def test_a_mix_is_exact_at_its_ends_and_between_them_elsewhere(state: Tensor, noise: Tensor, gate: float):
    assert torch.equal(mix(state, torch.ones(2, 1, dtype=torch.float64), noise), state)
    assert torch.equal(mix(state, torch.zeros(2, 1, dtype=torch.float64), noise), noise)
    mixed = mix(state, torch.full((2, 1), gate, dtype=torch.float64), noise)
    assert (mixed <= torch.maximum(state, noise) + 1e-9).all()
    assert (mixed >= torch.minimum(state, noise) - 1e-9).all()


@examples(30)
@given(tensors(-4, 4, (2, 5, 3)), tensors(-20, 20, (2, 5, 1)), st.lists(st.booleans(), min_size=10, max_size=10))
def test_a_bottleneck_leaves_tokens_without_a_gate_alone(state: Tensor, logits: Tensor, flags: list[bool]):
    gated = torch.tensor(flags).reshape(2, 5)
    mean, std = torch.linspace(-1, 1, 3, dtype=torch.float64), torch.linspace(0.5, 2, 3, dtype=torch.float64)
    bottleneck = Bottleneck(mean, std, gated, logits)
    noise = torch.randn(4, 2, 5, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    mixed, nats = bottleneck(state, noise)
    assert torch.equal(mixed[:, ~gated], state[~gated].expand(4, -1, -1))
    assert (nats[~gated] == 0).all()
    assert (nats >= -1e-12).all()


# Texts.


@examples(80)
@given(st.text(max_size=60))
def test_any_text_is_tokenized_or_refused(text: str):
    try:
        [tokenized] = MODEL.tokenize([text])
    except EmptyTextError:
        return
    assert text.strip()
    content = tokenized.content
    assert content
    assert (tokenized.tokens[0], tokenized.tokens[-1]) == ("[CLS]", "[SEP]")
    spans = [tokenized.offsets[i] for i in content]
    assert all(0 <= start < end <= len(text) for start, end in spans)
    assert all(a[0] <= b[0] for a, b in itertools.pairwise(spans)), "tokens are in the order of the text"
    assert sorted(i for word in tokenized.words for i in word) == list(content), "each token is in one word"


@examples(40)
@given(sentences(), st.data())
def test_a_removed_token_is_gone_and_no_other_is(text: str, data: st.DataObject):
    [tokenized] = MODEL.tokenize([text])
    gone = data.draw(st.sets(st.sampled_from(tokenized.content)))
    dropped, hidden = tokenized.drop(gone), tokenized.hide(gone)
    kept = [i for i in range(len(tokenized)) if i not in gone]
    assert dropped.ids == tuple(tokenized.ids[i] for i in kept)
    assert dropped.offsets == tuple(tokenized.offsets[i] for i in kept)
    assert (hidden.ids, hidden.unattended) == (tokenized.ids, frozenset(gone))
    masked = tokenized.substitute(gone, 4)
    assert [i for i, (a, b) in enumerate(zip(masked.ids, tokenized.ids, strict=True)) if a != b] == [
        i for i in sorted(gone) if tokenized.ids[i] != 4
    ]


# The degradation test.


def values(text: TokenizedText, data: st.DataObject) -> list[float]:
    """A score for each token, ties among them."""
    size = len(text.content)
    return data.draw(st.lists(st.one_of(floats(-3, 3), st.sampled_from([0.0, 1.0])), min_size=size, max_size=size))


@examples(60)
@given(sentences(), st.data(), st.integers(0, 5))
def test_a_removal_order_is_a_permutation_of_the_content(text: str, data: st.DataObject, seed: int):
    [tokenized] = MODEL.tokenize([text])
    a = toys.scored(tokenized, values(tokenized, data))
    orders = {name: removal_order(a, name, seed) for name in ORDERS}
    for order in orders.values():
        assert sorted(order) == list(tokenized.content)
    assert orders["lerf"] == orders["morf"][::-1]
    falling = [float(a.scores[i]) for i in orders["morf"]]
    assert falling == sorted(falling, reverse=True)


@examples(100)
@given(st.integers(1, 600), st.lists(st.integers(1, 999), min_size=1, max_size=5, unique=True).map(sorted))
def test_morf_removes_what_lerf_keeps(tokens: int, thousandths: list[int]):
    shares = [k / 1000 for k in thousandths]
    steps = tuple(sorted({0.0, *shares, *(1 - k for k in shares), 1.0}))
    if any(b - a < 1e-9 for a, b in itertools.pairwise(steps)):  # 1 − 0.9 is not quite 0.1
        steps = tuple(sorted({round(step, 9) for step in steps}))
    settings_ = Degradation(steps=steps)
    morf, lerf = settings_.counts(tokens), settings_.counts(tokens, "lerf")
    assert morf[0] == lerf[0] == 0
    assert morf[-1] == lerf[-1] == tokens
    assert morf == sorted(morf)
    assert lerf == sorted(lerf)
    for share in shares:
        assert abs(top_count(share, tokens) - share * tokens) <= 0.5 + 1e-6
    by_step = dict(zip((round(step, 6) for step in steps), zip(morf, lerf, strict=True), strict=True))
    for step, (removed, _) in by_step.items():
        assert by_step[round(1 - step, 6)][1] == tokens - removed


# Batches.


@examples(10)
@given(st.lists(sentences(8), min_size=2, max_size=4, unique=True))
def test_evidence_does_not_depend_on_the_batch(texts: list[str]):
    method = Evidence(layer=1, nodes=2)
    together = toys.attribute(MODEL, method, texts)
    for text, a in zip(texts, together, strict=True):
        [alone] = toys.attribute(MODEL, method, [text])
        np.testing.assert_allclose(a.scores, alone.scores, rtol=1e-3, atol=2e-5)
        assert isinstance(a.details, EvidenceDetails)
        parts = a.details.closed + a.details.special + a.total + a.details.residual
        assert parts == pytest.approx(a.details.opened, abs=1e-4)


@examples(15)
@given(st.lists(sentences(8), min_size=1, max_size=3), st.data())
def test_a_merged_batch_gives_the_same_logits(texts: list[str], data: st.DataObject):
    tokenized = MODEL.tokenize(texts)
    hidden = [data.draw(st.sets(st.sampled_from(text.content), max_size=2)) for text in tokenized]
    batch = MODEL.collate([text.hide(gone) for text, gone in zip(tokenized, hidden, strict=True)])
    size = batch.input_ids.numel()
    flags = torch.tensor(data.draw(st.lists(st.booleans(), min_size=size, max_size=size))).view_as(batch.input_ids)
    alike = flags & batch.attention_mask
    state = MODEL.run_to(batch, 1)
    state[alike] = torch.linspace(-1, 1, state.shape[-1])
    merged, places = batch.merge(alike)
    assert merged.stands_for is not None
    assert merged.stands_for.sum(dim=1).tolist() == batch.attention_mask.sum(dim=1).tolist()
    short = state.gather(1, places[..., None].expand(-1, -1, state.shape[-1]))
    expected, found = MODEL.run_from(batch, 1, state), MODEL.run_from(merged, 1, short)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


# Statistics.


@examples(40)
@given(st.lists(floats(-5, 5), min_size=1, max_size=12))
def test_an_interval_holds_its_mean_and_p_is_the_same_for_both_sides(numbers: list[float]):
    array = np.asarray(numbers, dtype=np.float64)
    interval = bootstrap(array, draws=200)
    assert min(numbers) - 1e-9 <= interval.low <= interval.high <= max(numbers) + 1e-9
    p = sign_flip_p(array)
    assert 0 < p <= 1
    assert p == sign_flip_p(-array) == sign_flip_p(array[::-1])
    assert p >= 2 / 2 ** len(array) or len(array) == 1


@examples(40)
@given(st.lists(st.floats(0, 1), max_size=12))
def test_holm_keeps_the_order_and_lowers_no_p(p_values: list[float]):
    adjusted = holm(p_values)
    assert all(p <= a <= 1 for p, a in zip(p_values, adjusted, strict=True))
    assert all(a <= min(1, len(p_values) * p) + 1e-12 for p, a in zip(p_values, adjusted, strict=True))
    order = sorted(range(len(p_values)), key=lambda i: p_values[i])
    assert all(adjusted[i] <= adjusted[j] for i, j in itertools.pairwise(order))
