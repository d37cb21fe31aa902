"""The contract of every method in the registry. The tests iterate over `METHODS`, so they cover a new method too."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
import toys

import textiba
from textiba.attribution import Attribution, content_scores
from textiba.errors import SettingError, TargetError
from textiba.methods import METHODS, Method
from textiba.model.forward import HiddenStates
from textiba.model.view import Model
from textiba.runs.stream import explain

MODEL = toys.model()
TEXTS = toys.texts(4, seed=12)
# Fewer steps than the defaults, to save time: the contract does not depend on the number of steps.
FAST: dict[str, dict[str, Any]] = {
    "per_sample": {"steps": 3},
    "joint": {"steps": 3},
    "evidence": {"nodes": 2},
    "integrated_gradients": {"steps": 3},
    "smooth_grad": {"samples": 3},
    "grad_cam": {"layer": 2},
    "lime": {"samples": 20},
    "kernel_shap": {"samples": 20},
    "partition_shap": {"evaluations": 20},
    "schulz2020": {"layer": 2, "steps": 2, "samples": 2},
    "jiang2020": {"layer": 2, "steps": 2, "samples": 2},
}

# These methods explain only the predicted class, and refuse another target.
PREDICTED = {"readout"}
# These methods run no pass besides the given plain pass.
IDLE = {"random", "readout"}
# The scores of these methods do not depend on the target.
BLIND = {"random", "attention", "attention_rollout"}

every_method = pytest.mark.parametrize("name", sorted(METHODS))


def fast(name: str, model: Model = MODEL) -> Method:
    trained = {"weights": toys.readout_file(model)} if name == "readout" else {}
    return textiba.method(name, **(FAST.get(name, {}) | trained))


def found(name: str, texts: list[str] = TEXTS, seed: int = 0) -> list[Attribution]:
    return toys.attribute(MODEL, fast(name), texts, seed=seed)


@every_method
def test_its_name_is_its_key_and_its_class_says_what_scores_mean(name: str):
    method = METHODS[name]
    assert method.name == name
    assert method.unit in ("bits", "nats", "score")
    assert isinstance(method.signed, bool)
    assert method.__doc__


@every_method
def test_its_settings_are_frozen(name: str):
    method = fast(name)
    for setting, value in method.model_dump().items():
        with pytest.raises(ValueError, match="frozen"):
            setattr(method, setting, value)
    with pytest.raises(ValueError, match=r"frozen|no field"):
        method.no_such_setting = 1  # type: ignore[attr-defined]


@every_method
def test_an_unknown_setting_is_named(name: str):
    with pytest.raises(SettingError, match=rf"{METHODS[name].__name__}: unknown key 'lairs'; .*correct its spelling"):
        textiba.method(name, lairs=3)


@every_method
def test_a_result_s_settings_make_the_same_method(name: str):
    method = fast(name).for_model(MODEL)
    result = found(name)[0]
    assert result.method == name
    assert textiba.method(result.method, **result.settings) == method


@every_method
def test_one_finite_score_for_each_content_token_and_nan_at_special_ones(name: str):
    for a, text in zip(found(name), TEXTS, strict=True):
        assert a.text.source.text == text
        assert a.scores.shape == (len(a.text),)
        special = np.asarray([word is None for word in a.text.word_ids])
        assert np.array_equal(np.isnan(a.scores), special)
        assert np.isfinite(content_scores(a)).all()


@every_method
def test_scores_vary_and_cannot_be_written(name: str):
    a = found(name)[0]
    assert np.nanstd(a.scores) > 0
    with pytest.raises(ValueError, match="read-only"):
        a.scores[1] = 0


@every_method
def test_unit_sign_and_probability_are_set(name: str):
    probabilities = toys.forward(MODEL, TEXTS).logits.softmax(dim=1)
    results = found(name)
    for a, row in zip(results, probabilities, strict=True):
        assert (a.unit, a.signed) == (METHODS[name].unit, METHODS[name].signed)
        assert (a.checkpoint, a.predicted, a.target) == ("toy-bert", int(row.argmax()), int(row.argmax()))
        assert a.probability == pytest.approx(float(row.max()), abs=1e-5)
        assert a.layer == getattr(fast(name).at_depth(MODEL.n_layers), "layer", None)
    if not METHODS[name].signed:
        assert all((content_scores(a) >= 0).all() for a in results)


@every_method
def test_a_text_s_scores_do_not_depend_on_its_batch(name: str):
    together = found(name)
    backwards = found(name, TEXTS[::-1])[::-1]
    alone = [found(name, [text])[0] for text in TEXTS]
    for others in (backwards, alone):
        for a, b in zip(together, others, strict=True):
            assert np.nanmax(np.abs(a.scores - b.scores)) <= 1e-4 * np.nanmax(np.abs(a.scores))


@every_method
def test_the_same_seed_gives_the_same_bits(name: str):
    for a, b in zip(found(name, seed=2), found(name, seed=2), strict=True):
        assert np.array_equal(a.scores, b.scores, equal_nan=True)


@every_method
def test_it_leaves_the_forward_pass_as_it_was(name: str):
    forward = toys.forward(MODEL, TEXTS)
    before = [state.clone() for state in (*forward.hidden_states, forward.logits)]
    fast(name).attribute(MODEL, forward, MODEL.predict(forward), toys.statistics(MODEL))
    after = (*forward.hidden_states, forward.logits)
    assert all(torch.equal(a, b) and not a.requires_grad for a, b in zip(after, before, strict=True))


@every_method
def test_scores_depend_on_the_target(name: str):
    if name in PREDICTED:
        made = toys.forward(MODEL, TEXTS)
        for shift in (1, 2):
            with pytest.raises(TargetError, match="explains the predicted class only"):
                fast(name).attribute(MODEL, made, (MODEL.predict(made) + shift) % 3, toys.statistics(MODEL))
        return
    zero, one = (toys.attribute(MODEL, fast(name), TEXTS, target=target) for target in (0, 1))
    assert [(a.target, b.target) for a, b in zip(zero, one, strict=True)] == [(0, 1)] * len(TEXTS)
    same = [np.array_equal(content_scores(a), content_scores(b)) for a, b in zip(zero, one, strict=True)]
    # Grad-CAM cuts off what is negative, and then a text may have only zeros for both classes.
    assert all(same) if name in BLIND else not all(same)


def picture(model: Model) -> dict[str, Any]:
    """Everything about a model that a method could leave changed."""
    modules = dict(model.module.named_modules())
    hooks = {(n, k): list(v) for n, m in modules.items() for k, v in vars(m).items() if k.endswith("_hooks")}
    return {
        "modules": {n: (id(m), type(m), m.training) for n, m in modules.items()},
        "hooks": {place: ids for place, ids in hooks.items() if ids},
        "config": model.module.config.to_dict(),
        "attention": model.module.config._attn_implementation,  # to_dict leaves it out
        "parameters": {n: (id(p), p.requires_grad, p.grad) for n, p in model.module.named_parameters()},
        "tensors": {n: t.tolist() for n, t in model.module.state_dict().items()},
    }


@every_method
def test_it_leaves_the_model_as_it_was(name: str):
    before = picture(MODEL)
    found(name)
    after = picture(MODEL)
    assert after == before
    assert not after["hooks"]
    assert all(not asks and grad is None for _, asks, grad in after["parameters"].values())


@every_method
def test_it_leaves_the_model_as_it_was_after_an_exception(name: str, monkeypatch: pytest.MonkeyPatch):
    forward, statistics = toys.forward(MODEL, TEXTS), toys.statistics(MODEL)
    targets, before = MODEL.predict(forward), picture(MODEL)

    def fail(*_args: Any, **_settings: Any) -> None:
        raise RuntimeError("out of memory")

    for function in ("run_from", "run_to", "logits"):
        monkeypatch.setattr(Model, function, fail)
    if name in IDLE:
        fast(name).attribute(MODEL, forward, targets, statistics)
    else:
        with pytest.raises(RuntimeError, match="out of memory"):
            fast(name).attribute(MODEL, forward, targets, statistics)
    assert picture(MODEL) == before


@every_method
def test_it_leaves_the_global_random_states_as_they_were(name: str):
    toys.statistics(MODEL)
    before = torch.get_rng_state(), np.random.get_state()  # noqa: NPY002 - some libraries draw from it
    found(name)
    assert torch.equal(torch.get_rng_state(), before[0])
    assert str(np.random.get_state()) == str(before[1])  # noqa: NPY002


@every_method
def test_it_runs_on_every_architecture(name: str):
    for kind in toys.CONFIGS:
        results = toys.attribute(toys.model(kind), fast(name, toys.model(kind)), TEXTS[:2])
        assert all(np.isfinite(content_scores(a)).all() for a in results), kind


@every_method
def test_missing_statistics_raise_where_they_are_needed(name: str):
    forward = toys.forward(MODEL, TEXTS[:1])
    call = fast(name).attribute
    if fast(name).needs_statistics:
        with pytest.raises(SettingError, match=rf"{name} needs feature statistics; make them with"):
            call(MODEL, forward, MODEL.predict(forward), None)
    else:
        assert len(call(MODEL, forward, MODEL.predict(forward), None)) == 1


@every_method
def test_words_are_the_sums_of_their_tokens(name: str):
    [a] = found(name, ["The actors filmed a superb film."])
    words = a.words()
    assert [word.text for word in words] == ["The", "actors", "filmed", "a", "superb", "film", "."]
    assert sum(word.score for word in words) == pytest.approx(a.total, rel=1e-5)
    assert words[1].score == pytest.approx(float(a.scores[2] + a.scores[3]), rel=1e-6)


def test_an_unknown_method_raises_with_the_list_of_methods():
    with pytest.raises(SettingError, match=r"no method is called 'lyme'; the methods are \['attention',.*'per_sample'"):
        textiba.method("lyme")


@every_method
def test_it_runs_in_bfloat16(name: str):
    short = MODEL.in_precision(torch.bfloat16)
    method = fast(name)
    statistics = toys.statistics(MODEL) if method.needs_statistics else None
    for ours, whole in zip(explain(short, method, TEXTS, statistics), found(name, TEXTS), strict=True):
        assert (ours.checkpoint, ours.unit) == (short.name, whole.unit)
        assert np.isfinite(content_scores(ours)).all()
        assert ours.probability == pytest.approx(whole.probability, abs=0.02)


@every_method
def test_it_costs_the_passes_that_it_declares(name: str, monkeypatch: pytest.MonkeyPatch):
    model = toys.model("bert", seed=5).copy()  # of its own, so that nothing on it was made before
    layers = model.module.bert.encoder.layer
    text = TEXTS[:1]
    run = {"forward": 0, "backward": 0}

    def forward(_layer: Any, args: Any, _output: Any) -> None:
        run["forward"] += len(args[0])

    def backward(_layer: Any, grads: Any) -> None:
        run["backward"] += len(grads[0])

    def uncounted(work: Callable[..., Any], when: Callable[..., bool]) -> Callable[..., Any]:
        def wrapped(*args: Any) -> Any:
            before = dict(run)
            result = work(*args)
            run.update(before if when(*args) else {})
            return result

        return wrapped

    # The last state belongs to the plain pass, and a pass over merged tokens is too short to count.
    monkeypatch.setattr(HiddenStates, "__getitem__", uncounted(HiddenStates.__getitem__, lambda *_: True))
    merged = uncounted(Model.run_from, lambda _model, batch, *_: batch.stands_for is not None)
    monkeypatch.setattr(Model, "run_from", merged)
    toys.statistics(model)
    handles = [h for layer in layers for h in (layer.register_forward_hook(forward),
                                               layer.register_full_backward_pre_hook(backward))]  # fmt: skip
    try:
        [a] = toys.attribute(model, fast(name, model), text)
    finally:
        for handle in handles:
            handle.remove()
    declared = fast(name).passes(len(layers), len(a.text.content))
    assert run["forward"] / len(layers) == pytest.approx(declared.forward)
    assert run["backward"] / len(layers) == pytest.approx(declared.backward)
