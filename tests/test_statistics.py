"""Feature statistics: streaming must equal the two passes of a textbook."""

import json
import math
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import toys
from safetensors.torch import save_file

import textiba.bottleneck.statistics
from textiba.bottleneck.statistics import FeatureStatistics, estimate_statistics
from textiba.errors import CorruptFileError, FewTextsWarning, InputError, StatisticsMismatchError
from textiba.model.view import Model

TEXTS = toys.texts(23, seed=3)
MODEL = toys.model()


def streamed(texts: list[str], budget: int = 64) -> FeatureStatistics:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FewTextsWarning)
        return estimate_statistics(MODEL, toys.passes(MODEL, texts, budget), "toys")


def naive(texts: list[str], layer: int) -> tuple[torch.Tensor, torch.Tensor]:
    """One text at a time, all its tokens kept; then mean, then spread about it: two passes in double precision."""
    rows = torch.cat([toys.forward(MODEL, [text]).hidden_states[layer][0] for text in texts]).double()
    mean = sum(rows) / len(rows)
    return mean, (sum((row - mean) ** 2 for row in rows) / len(rows)) ** 0.5  # type: ignore[operator,return-value]


def test_the_stream_equals_two_naive_passes():
    ours = streamed(TEXTS)
    for layer in range(MODEL.n_layers + 1):
        mean, std = naive(TEXTS, layer)
        torch.testing.assert_close(ours.mean[layer], mean, rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(ours.std[layer], std, rtol=1e-4, atol=1e-5)


def test_real_tokens_are_counted_and_padding_is_not():
    ours = streamed(TEXTS)
    assert ours.tokens == sum(len(e) for e in MODEL.tokenize(TEXTS))
    assert ours.texts == len(TEXTS)
    assert ours.source == "toys"
    assert ours.fingerprint == MODEL.fingerprint


def test_the_size_of_batches_does_not_matter():
    small, large = streamed(TEXTS, budget=1), streamed(TEXTS, budget=10_000)
    torch.testing.assert_close(small.mean, large.mean, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(small.std, large.std, rtol=1e-5, atol=1e-6)
    assert small.tokens == large.tokens


def test_merging_does_not_depend_on_order_or_grouping():
    a, b, c = (streamed(TEXTS[i::3]) for i in range(3))
    whole = streamed(TEXTS)
    for merged in (a.merge(b).merge(c), c.merge(a.merge(b)), b.merge(c.merge(a))):
        torch.testing.assert_close(merged.mean, whole.mean, rtol=1e-5, atol=1e-6)
        torch.testing.assert_close(merged.std, whole.std, rtol=1e-5, atol=1e-6)
        assert (merged.tokens, merged.texts, merged.source) == (whole.tokens, whole.texts, "toys")


def test_merging_is_exact_where_cancellation_would_ruin_a_sum_of_squares():
    rows = 1e8 + torch.randn(1000, 1, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))

    def part(x: torch.Tensor) -> FeatureStatistics:
        return FeatureStatistics(x.mean(0), (x - x.mean(0)).square().sum(0), len(x), 1, "same")

    merged = part(rows[:10]).merge(part(rows[10:]))
    torch.testing.assert_close(merged.std, rows.std(dim=0, correction=0), rtol=1e-6, atol=0)


def test_statistics_of_two_models_do_not_merge():
    other = toys.statistics(toys.model(seed=1))
    with pytest.raises(StatisticsMismatchError, match=rf"two models.*{MODEL.fingerprint} and {other.fingerprint}"):
        toys.statistics(MODEL).merge(other)


def test_statistics_of_another_model_are_refused_with_the_remedy():
    with pytest.raises(StatisticsMismatchError, match=r"belong to a model .*; estimate them anew: textiba estimate"):
        toys.statistics(toys.model(seed=1)).check(MODEL)
    assert toys.statistics(MODEL).check(MODEL) is None


def test_at_gives_a_layer_in_the_type_asked_for():
    mean, std = toys.statistics(MODEL).at(2, torch.zeros(1, dtype=torch.float32))
    assert mean.dtype == std.dtype == torch.float32
    torch.testing.assert_close(mean.double(), toys.statistics(MODEL).mean[2], rtol=1e-6, atol=1e-6)
    assert (std > 0).all()


def test_a_saved_file_gives_back_every_bit(tmp_path: Path):
    saved = streamed(TEXTS)
    saved.save(tmp_path / "s.safetensors")
    loaded = FeatureStatistics.load(tmp_path / "s.safetensors")
    assert torch.equal(loaded.mean, saved.mean)
    assert torch.equal(loaded.squares, saved.squares)
    for name in ("tokens", "texts", "fingerprint", "source"):
        assert getattr(loaded, name) == getattr(saved, name)


def _random_bytes(path: Path) -> None:
    path.write_bytes(b"no safetensors at all" * 9)


def _truncated(path: Path) -> None:
    streamed(TEXTS[:3]).save(path)
    path.write_bytes(path.read_bytes()[:-40])


def _another_kind(path: Path) -> None:
    save_file({"mean": torch.zeros(2, 3)}, str(path))


def _facts_missing(path: Path) -> None:
    tensors = {"mean": torch.zeros(2, 3), "squares": torch.zeros(2, 3)}
    save_file(tensors, str(path), metadata={"textiba_statistics": json.dumps({"tokens": 3})})


def _facts_broken(path: Path) -> None:
    tensors = {"mean": torch.zeros(2, 3), "squares": torch.zeros(2, 3)}
    save_file(tensors, str(path), metadata={"textiba_statistics": "{"})


@pytest.mark.parametrize("damage", [_random_bytes, _truncated, _another_kind, _facts_missing, _facts_broken])
def test_a_damaged_file_is_named_with_the_remedy(tmp_path: Path, damage: Callable[[Path], None]):
    path = tmp_path / "damaged.safetensors"
    damage(path)
    with pytest.raises(
        CorruptFileError, match=r"damaged\.safetensors: not a statistics file, or damaged.*make it again with: textiba"
    ):
        FeatureStatistics.load(path)


def _saved(path: Path, mean: torch.Tensor, squares: torch.Tensor, **facts: object) -> Path:
    known = {"tokens": 3, "texts": 1, "fingerprint": "f", "source": "toys"} | facts
    save_file({"mean": mean, "squares": squares}, str(path), metadata={"textiba_statistics": json.dumps(known)})
    return path


GOOD = torch.ones(2, 3, dtype=torch.float64)


def _with(value: float, layer: int = 1, feature: int = 2) -> torch.Tensor:
    changed = GOOD.clone()
    changed[layer, feature] = value
    return changed


@pytest.mark.parametrize(
    ("mean", "squares", "facts", "message"),
    [
        (_with(math.nan), GOOD, {}, "mean is finite; got nan at layer 1, feature 2, and 1 such values in all"),
        (_with(-math.inf, 0, 1), GOOD, {}, "mean is finite; got -inf at layer 0, feature 1"),
        (GOOD * math.nan, GOOD, {}, "got nan at layer 0, feature 0, and 6 such values in all"),
        (GOOD, _with(math.nan), {}, "squares is finite and not negative; got nan at layer 1, feature 2"),
        (GOOD, _with(math.inf), {}, "squares is finite and not negative; got inf"),
        (GOOD, _with(-1e-9), {}, "squares is finite and not negative; got -1e-09"),
        (GOOD, GOOD[:, :2].contiguous(), {}, r"are \[layers, features\]; got \(2, 3\) and \(2, 2\)"),
        (GOOD[0], GOOD[0].clone(), {}, r"are \[layers, features\]; got \(3,\) and \(3,\)"),
        (GOOD[:0], GOOD[:0].clone(), {}, r"got \(0, 3\) and \(0, 3\)"),
        (GOOD.long(), GOOD, {}, "mean has floating-point numbers; got int64"),
        (GOOD, GOOD.clone(), {"tokens": 0}, "tokens is a whole number from 1 on; got 0"),
        (GOOD, GOOD.clone(), {"texts": "1"}, "texts is a whole number from 1 on; got '1'"),
        (GOOD, GOOD.clone(), {"tokens": True}, "tokens is a whole number from 1 on; got True"),
        (GOOD, GOOD.clone(), {"fingerprint": None}, "fingerprint is a string; got None"),
        (GOOD, GOOD.clone(), {"more": 1}, "unexpected keyword argument 'more'"),
    ],
)
def test_numbers_that_are_no_statistics_are_refused(
    tmp_path: Path, mean: torch.Tensor, squares: torch.Tensor, facts: dict[str, object], message: str
):
    path = _saved(tmp_path / "bad.safetensors", mean, squares, **facts)
    with pytest.raises(CorruptFileError, match=rf"bad\.safetensors: .*{message}.*textiba estimate --output"):
        FeatureStatistics.load(path)


def test_statistics_of_fewer_layers_are_refused():
    whole = toys.statistics(MODEL)
    part = replace(whole, mean=whole.mean[:-1], squares=whole.squares[:-1])
    with pytest.raises(StatisticsMismatchError, match="of its 4 hidden states; these are of 3; estimate them anew"):
        part.check(MODEL)


def test_a_file_that_may_not_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = _saved(tmp_path / "s.safetensors", GOOD, GOOD.clone())

    def refuse(*_args: object, **_settings: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(textiba.bottleneck.statistics, "safe_open", refuse)
    with pytest.raises(InputError, match=r"s\.safetensors: cannot be read: Permission denied"):
        FeatureStatistics.load(path)


def test_a_missing_file_is_told_with_the_command_that_makes_it(tmp_path: Path):
    with pytest.raises(InputError, match=r"no such statistics; make them with: textiba estimate --output .*absent"):
        FeatureStatistics.load(tmp_path / "absent")


def test_few_texts_are_warned_of_with_their_number():
    with pytest.warns(FewTextsWarning, match="rest on 4 texts; at least 1000 are advised"):
        estimate_statistics(MODEL, toys.passes(MODEL, TEXTS[:4]))


def test_a_thousand_texts_are_enough_for_silence():
    model: Model = toys.model()
    forward = toys.forward(model, ["a film"] * 1000)
    assert estimate_statistics(model, [forward]).texts == 1000


def test_no_text_is_an_error():
    with pytest.raises(InputError, match="at least one text; got none"):
        estimate_statistics(MODEL, [])
