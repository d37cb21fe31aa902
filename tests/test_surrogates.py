"""LIME, Kernel SHAP and Partition SHAP against their libraries called by hand, and against their definitions."""

import itertools
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
import toys
from torch import Tensor

from textiba.attribution import Attribution, content_scores
from textiba.errors import MissingExtraError, SettingError
from textiba.methods import LIME, KernelSHAP, Method, PartitionSHAP
from textiba.methods.lime import lime_samples
from textiba.methods.partition_shap import balanced_tree
from textiba.methods.perturbation import variant_outputs

MODEL = toys.model()
TEXTS = toys.texts(2, seed=71, longest=9)
MASK = toys.VOCABULARY.index("[MASK]")
CONTEXTS: tuple[Any, ...] = ("both", "present", "absent")


def attributed(method: Method, seed: int = 3) -> list[Attribution]:
    return toys.attribute(toys.model(double=True), method, TEXTS, seed=seed)


def by_hand(a: Attribution) -> Callable[[Tensor], Tensor]:
    """Log p(target) of coalitions [n, tokens], a pass of the plain model each; absent tokens are [MASK]."""
    bert, content = toys.classifier(double=True).eval(), list(a.text.content)

    @torch.no_grad()
    def worth(rows: Tensor) -> Tensor:
        out = []
        for row in rows.tolist():
            ids = list(a.text.ids)
            for i, present in zip(content, row, strict=True):
                ids[i] = ids[i] if present else MASK
            out.append(bert(torch.tensor([ids])).logits.log_softmax(1)[0, a.target])
        return torch.stack(out)

    return worth


def test_lime_equals_captum_called_by_hand_and_a_ridge_regression_in_closed_form():
    from captum._utils.models.linear_model import SkLearnRidge
    from captum.attr import Lime as Library

    def kernel(whole: Tensor, sample: Tensor, _coalition: Tensor, **_settings: Any) -> float:
        distance = 1 - torch.cosine_similarity(whole, sample).item()
        return np.exp(-(distance**2) / (2 * 0.25**2))

    for a in attributed(LIME(samples=40)):
        worth, tokens = by_hand(a), len(a.text.content)
        with torch.random.fork_rng():
            torch.manual_seed(a.text.seed(3))
            rows = torch.ones(40, tokens)
            for row in rows[1:]:  # LIME's own: one whole text, then how many tokens are gone, and which
                chosen = torch.randperm(tokens)
                row[chosen[: torch.randint(tokens, ()) + 1]] = 0
        drawn = iter(rows)

        def perturb(_whole: Tensor, drawn: Any = drawn, **_settings: Any) -> Tensor:
            return next(drawn)[None].long()

        explainer = Library(worth, SkLearnRidge(alpha=1.0), kernel, perturb_func=perturb)
        library = explainer.attribute(torch.ones(1, tokens), n_samples=40)
        np.testing.assert_allclose(content_scores(a), library[0], rtol=1e-4, atol=1e-6)
        x, y = rows.double().numpy(), worth(rows).numpy()
        assert x[0].all()
        distance = 1 - np.sqrt(x.mean(axis=1))  # the cosine of a presence vector and all ones
        w = np.exp(-(distance**2) / (2 * 0.25**2))
        x, y = x - np.average(x, axis=0, weights=w), y - np.average(y, weights=w)
        ridge = np.linalg.solve((x.T * w) @ x + np.eye(tokens), (x.T * w) @ y)
        np.testing.assert_allclose(content_scores(a), ridge, rtol=1e-4, atol=1e-5)


def test_lime_removes_every_number_of_tokens_equally_often():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        first, *others = (row[0] for row in itertools.islice(lime_samples(5), 4001))
    rows = torch.stack(others).double()
    assert first.tolist() == [1] * 5
    counts = torch.bincount((1 - rows).sum(dim=1).long(), minlength=6)
    assert counts[0] == 0
    assert (counts[1:] / 4000 - 1 / 5).abs().max() < 0.03
    assert (rows.mean(dim=0) - 2 / 5).abs().max() < 0.03


def test_kernel_shap_equals_captum_called_by_hand():
    from captum.attr import KernelShap as Library

    for a in attributed(KernelSHAP(samples=40)):
        worth, tokens = by_hand(a), len(a.text.content)
        with torch.random.fork_rng():
            torch.manual_seed(a.text.seed(3))
            library = Library(worth).attribute(torch.ones(1, tokens), n_samples=40)
        np.testing.assert_allclose(content_scores(a), library[0], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("evaluations", [12, 500])
@pytest.mark.parametrize(("context", "fixed"), [("both", None), ("present", 1), ("absent", 0)])
def test_partition_shap_equals_the_library_called_by_hand(context: Any, fixed: Any, evaluations: int):
    import shap.maskers

    for a in attributed(PartitionSHAP(evaluations=evaluations, context=context)):
        worth, tokens = by_hand(a), len(a.text.content)
        masker = shap.maskers.Partition(np.zeros((1, tokens)), clustering=balanced_tree(tokens))  # type: ignore[arg-type]
        explainer = shap.PartitionExplainer(lambda rows, f=worth: f(torch.from_numpy(rows)).numpy(), masker)
        library: Any = explainer(np.ones((1, tokens)), max_evals=evaluations, fixed_context=fixed, silent=True)
        np.testing.assert_allclose(content_scores(a), library.values[0], rtol=1e-5, atol=1e-7)


def orders(start: int, end: int) -> list[list[int]]:
    """Every order of a row of leaves that a balanced tree allows: each half as a whole before or after the other."""
    if end - start == 1:
        return [[start]]
    middle = (start + end + 1) // 2
    pairs = itertools.product(orders(start, middle), orders(middle, end))
    return [order for left, right in pairs for order in (left + right, right + left)]


@pytest.mark.parametrize("tokens", [1, 2, 3, 4, 5])
def test_partition_shap_is_the_mean_gain_over_the_orders_of_its_tree(tokens: int):
    worth = game(tokens)
    gains = torch.zeros(tokens, dtype=torch.float64)
    every = orders(0, tokens)
    for order in every:
        present = torch.zeros(1, tokens, dtype=torch.bool)
        for i in order:
            before = worth(present)
            present[0, i] = True
            gains[i] += (worth(present) - before)[0] / len(every)
    found = PartitionSHAP(evaluations=1000, context="both").explain(worth, tokens, seed=0)
    assert torch.allclose(found, gains)


def groups(start: int, end: int) -> list[tuple[int, int, int]]:
    """Start, middle and end of every split of a balanced tree."""
    if end - start == 1:
        return []
    middle = (start + end + 1) // 2
    return [(start, middle, end), *groups(start, middle), *groups(middle, end)]


@pytest.mark.parametrize("context", ["present", "absent"])
@pytest.mark.parametrize("tokens", [1, 2, 3, 5, 8])
def test_in_one_context_a_token_has_its_own_effect_and_its_share_of_what_groups_do_together(tokens: int, context: Any):
    worth = game(tokens)

    def effect(start: int, end: int) -> Tensor:
        """Of a group, on its own or on all the others."""
        alone = torch.zeros(1, tokens, dtype=torch.bool)
        alone[0, start:end] = True
        none = torch.zeros_like(alone)
        return worth(alone)[0] - worth(none)[0] if context == "absent" else worth(~none)[0] - worth(~alone)[0]

    expected = torch.stack([effect(i, i + 1) for i in range(tokens)])
    for start, middle, end in groups(0, tokens):
        together = effect(start, end) - effect(start, middle) - effect(middle, end)
        expected[start:end] += together / (end - start)
    found = PartitionSHAP(evaluations=2 * tokens + 2, context=context).explain(worth, tokens, seed=0)
    assert torch.allclose(found, expected)


def game(tokens: int) -> Any:
    """A random number for every coalition."""
    table = torch.randn(2**tokens, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    return lambda present: table[(present.long() * 2 ** torch.arange(tokens)).sum(dim=1)]


@pytest.mark.parametrize(
    "method",
    [KernelSHAP(samples=30), *(PartitionSHAP(evaluations=12, context=c) for c in CONTEXTS)],
    ids=["kernel", *CONTEXTS],
)
@pytest.mark.parametrize("output", ["log_probability", "probability", "logit"])
@pytest.mark.parametrize("removal", ["delete", "mask"])
def test_shapley_values_sum_to_the_whole_text_minus_the_empty_one(method: Any, output: Any, removal: Any):
    method = type(method)(**{**method.model_dump(), "output": output, "removal": removal})
    for a in toys.attribute(MODEL, method, TEXTS):
        empty = MODEL.without(a.text, a.text.content, removal)
        values = variant_outputs(MODEL, [a.text, empty], [a.target] * 2, method.output)
        assert a.total == pytest.approx(float(values[0] - values[1]), rel=1e-3, abs=1e-4)


@pytest.mark.parametrize("tokens", [1, 2, 3, 6, 9])
@pytest.mark.parametrize(
    "method",
    [
        LIME(samples=7),
        KernelSHAP(samples=7),
        *(PartitionSHAP(evaluations=n, context=c) for c in CONTEXTS for n in (4, 5, 12, 20, 1000)),
    ],
    ids=lambda method: "-".join(str(v) for v in method.model_dump().values()) if isinstance(method, Method) else None,
)
def test_the_passes_are_as_declared_whatever_the_length(method: Any, tokens: int):
    seen = []
    worth = game(tokens)

    def counted(present: Tensor) -> Tensor:
        seen.append(len(present))
        return worth(present)

    assert method.explain(counted, tokens, seed=0).shape == (tokens,)
    assert 1 + sum(seen) == method.passes(3, tokens).forward


@pytest.mark.parametrize("method", [LIME(samples=9), KernelSHAP(samples=9), PartitionSHAP(evaluations=9)])
def test_the_global_random_states_are_neither_used_nor_changed(method: Any):
    scores = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        np.random.seed(seed)  # noqa: NPY002 - shap draws from it
        before = torch.get_rng_state(), np.random.get_state()[1].copy()  # type: ignore[index]  # noqa: NPY002
        scores.append([content_scores(a) for a in toys.attribute(MODEL, method, TEXTS)])
        assert torch.equal(torch.get_rng_state(), before[0])
        assert np.array_equal(np.random.get_state()[1], before[1])  # type: ignore[index]  # noqa: NPY002
    for a, b in zip(*scores, strict=True):
        assert np.array_equal(a, b)


@pytest.mark.parametrize("method", [LIME(samples=9), KernelSHAP(samples=9)])
def test_another_seed_gives_other_scores(method: Any):
    for a, b in zip(attributed(method, seed=1), attributed(method, seed=2), strict=True):
        assert not np.array_equal(content_scores(a), content_scores(b))


def test_partition_shap_prints_nothing(capfd: pytest.CaptureFixture[str]):
    attributed(PartitionSHAP(evaluations=9))
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("method", "library", "named"),
    [
        (LIME(), "captum", "captum or scikit-learn"),
        (LIME(), "sklearn", "captum or scikit-learn"),
        (KernelSHAP(), "captum", "captum or scikit-learn"),
        (PartitionSHAP(), "shap", "shap"),
    ],
)
def test_without_its_library_the_extra_is_named(method: Any, library: str, named: str, monkeypatch: pytest.MonkeyPatch):
    for name in [library, *(m for m in sys.modules if m.startswith(f"{library}."))]:
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(MissingExtraError, match=rf"{named} is needed here .*: pip install 'textiba\[baselines\]'"):
        toys.attribute(MODEL, method, TEXTS)


@pytest.mark.parametrize("method", [LIME(), KernelSHAP(), PartitionSHAP()])
def test_masking_needs_a_mask_token(method: Any, monkeypatch: pytest.MonkeyPatch):
    toys.without_token(monkeypatch, MODEL, "mask")
    with pytest.raises(SettingError, match="removal='mask' needs a tokenizer with a mask token; use removal='delete'"):
        toys.attribute(MODEL, method, TEXTS)


@pytest.mark.parametrize(
    ("make", "rule"),
    [
        (lambda: LIME(samples=1), "samples: .*greater than or equal to 2; got 1"),
        (lambda: LIME(kernel_width=0), "kernel_width: .*greater than 0; got 0"),
        (lambda: KernelSHAP(samples=2), "samples: .*greater than or equal to 3; got 2"),
        (lambda: PartitionSHAP(evaluations=3), "evaluations: .*greater than or equal to 4; got 3"),
    ],
)
def test_settings_out_of_range(make: Callable[[], Method], rule: str):
    with pytest.raises(SettingError, match=rule):
        make()
