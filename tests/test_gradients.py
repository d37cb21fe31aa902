"""The gradient baselines: each equals Captum's own result on the plain model, or a literal rewrite."""

import math
import sys
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, Literal

import numpy as np
import pytest
import torch
import toys
from captum import attr
from torch import Tensor, nn

from textiba.attribution import Attribution
from textiba.errors import LayerError, MissingExtraError, SettingError, UnsupportedModelError
from textiba.methods import Evidence, Gradient, InputXGradient, IntegratedGradients, Saliency, SmoothGradXInput
from textiba.methods.grad_cam import GradCAM
from textiba.methods.gradients import GradientMethod
from textiba.methods.guided_backprop import GuidedBackprop, guided
from textiba.model.view import Model
from textiba.texts.tokens import TokenizedText

# Of different lengths, so that the batch is padded; Captum sees each text alone.
TEXTS = toys.texts(3, seed=21)
BERT = toys.classifier(double=True, initializer_range=0.1).eval()
MODEL = Model(BERT, toys.tokenizer())
TARGET = 1

Output = Literal["logit", "log_probability", "probability"]
every_gradient_method = pytest.mark.parametrize(
    "kind", [Gradient, Saliency, InputXGradient, IntegratedGradients, SmoothGradXInput, GuidedBackprop, GradCAM]
)


def explained(logits: Tensor, output: Output = "log_probability") -> Tensor:
    if output == "logit":
        return logits
    probabilities = logits.exp() / logits.exp().sum(dim=1, keepdim=True)
    return probabilities if output == "probability" else probabilities.log()


class FromState(nn.Module):
    """The plain model as a function of a state [1, tokens, features], for Captum's methods that explain an input.

    `channels` sees the state as Captum's Grad-CAM wants it: [1, features, tokens].
    """

    def __init__(self, bert: Any, text: TokenizedText, layer: int = 0):
        super().__init__()
        self.bert, self.text, self.layer, self.channels = bert, text, layer, nn.Identity()

    def forward(self, state: Tensor) -> Tensor:
        turned = self.channels(state.transpose(1, 2)).transpose(1, 2)
        return explained(toys.with_state(self.bert, self.text, self.layer, turned[0]))


def hidden(bert: Any, ids: tuple[int, ...], layer: int) -> Tensor:
    """[1, tokens, features], from the plain model."""
    with torch.no_grad():
        state = bert(torch.tensor([ids]), output_hidden_states=True).hidden_states[layer]
    return state.requires_grad_(True)


def module(bert: Any, layer: int) -> nn.Module:
    """The module whose output is `hidden_states[layer]`."""
    return bert.bert.embeddings if layer == 0 else bert.bert.encoder.layer[layer - 1]


def same(found: Attribution, expected: Tensor) -> None:
    """Whether the content tokens' scores are those of `expected` [tokens]."""
    content = list(found.text.content)
    wanted = expected.detach().numpy()[content]
    np.testing.assert_allclose(found.scores[content], wanted, rtol=0, atol=1e-5 * np.abs(wanted).max())


@pytest.mark.parametrize("output", ["logit", "log_probability", "probability"])
@pytest.mark.parametrize("layer", [0, 2])
@pytest.mark.parametrize(
    ("kind", "by_input", "reduce"),
    [
        (Gradient, False, lambda x: x.sum(dim=-1)),
        (Saliency, False, lambda x: x.square().sum(dim=-1).sqrt()),
        (InputXGradient, True, lambda x: x.sum(dim=-1)),
    ],
)
def test_a_gradient_is_captum_s_on_the_plain_model(
    kind: type[GradientMethod], by_input: bool, reduce: Callable[[Tensor], Tensor], layer: int, output: Output
):
    def run(ids: Tensor) -> Tensor:
        return explained(BERT(ids).logits, output)

    library: Any = attr.LayerGradientXActivation(run, module(BERT, layer), multiply_by_inputs=by_input)
    for a in toys.attribute(MODEL, kind(layer=layer, output=output), TEXTS, target=TARGET):
        same(a, reduce(library.attribute(torch.tensor([a.text.ids]), target=TARGET)[0]))


@pytest.mark.parametrize("baseline", ["mask", "pad"])
@pytest.mark.parametrize("layer", [0, 1, 2])
def test_integrated_gradients_are_captum_s_on_the_plain_model(layer: int, baseline: Literal["mask", "pad"]):
    token = toys.VOCABULARY.index(f"[{baseline.upper()}]")
    library: Any = attr.LayerIntegratedGradients(lambda ids: explained(BERT(ids).logits), module(BERT, layer))
    method = IntegratedGradients(layer=layer, baseline=baseline, steps=6)
    for a in toys.attribute(MODEL, method, TEXTS, target=TARGET):
        blank = torch.tensor([a.text.substitute(a.text.content, token).ids])
        same(a, library.attribute(torch.tensor([a.text.ids]), blank, target=TARGET, n_steps=6)[0].sum(dim=-1))


@pytest.mark.parametrize("output", ["logit", "log_probability", "probability"])
@pytest.mark.parametrize("layer", [0, 2])
def test_integrated_gradients_are_complete(layer: int, output: Output):
    forward = toys.forward(MODEL, TEXTS)
    targets = torch.full((len(TEXTS),), TARGET)
    method = IntegratedGradients(layer=layer, steps=30, output=output)
    scores = method._scores(MODEL, forward, targets, seed=0).detach()
    for i, text in enumerate(forward.batch.texts):
        blank = text.substitute(text.content, toys.VOCABULARY.index("[MASK]"))
        with torch.no_grad():
            now, then = (explained(BERT(torch.tensor([r.ids])).logits, output)[0, TARGET] for r in (text, blank))
        assert float(scores[i].sum()) == pytest.approx(float(now - then), abs=1e-5)
        special = float(scores[i][forward.batch.special[i]].abs().sum())
        assert special < 1e-12 if layer == 0 else special > 1e-3


@pytest.mark.parametrize(("layer", "gate_special"), [(0, False), (2, True)])
def test_integrated_gradients_are_evidence_between_the_same_ends(layer: int, gate_special: bool):
    evidence = Evidence(layer=layer, nodes=5, closed="mask", gate_special=gate_special)
    ours = toys.attribute(MODEL, IntegratedGradients(layer=layer, steps=5), TEXTS)
    for a, b in zip(ours, toys.attribute(MODEL, evidence, TEXTS), strict=True):
        same(a, torch.from_numpy(b.scores.copy()))


@pytest.mark.parametrize("layer", [0, 1])
def test_smooth_grad_is_the_mean_gradient_of_noisy_copies_times_the_clean_state(layer: int):
    for a in toys.attribute(MODEL, SmoothGradXInput(layer=layer, samples=4, noise=0.3), TEXTS, target=TARGET, seed=7):
        state = hidden(BERT, a.text.ids, layer).detach()
        spread = float(state.max() - state.min())
        run, total = FromState(BERT, a.text, layer), torch.zeros_like(state)
        with torch.random.fork_rng():
            torch.manual_seed(a.text.seed(7))
            for _ in range(4):
                noisy = (state + torch.normal(0, torch.full(state.shape, 0.3 * spread))).requires_grad_(True)
                (gradient,) = torch.autograd.grad(run(noisy)[0, TARGET], noisy)
                total += gradient / 4
        same(a, (total * state)[0].sum(dim=-1))


def test_smooth_grad_without_noise_is_gradient_times_input():
    ours = toys.attribute(MODEL, SmoothGradXInput(samples=2, noise=0), TEXTS)
    for a, b in zip(ours, toys.attribute(MODEL, InputXGradient(), TEXTS), strict=True):
        same(a, torch.from_numpy(b.scores.copy()))


def test_smooth_grad_draws_from_its_seed_and_leaves_torch_s_generator_alone():
    before = torch.get_rng_state()
    first, other = (toys.attribute(MODEL, SmoothGradXInput(samples=2), TEXTS, seed=seed)[0] for seed in (0, 1))
    assert torch.equal(torch.get_rng_state(), before)
    assert np.nanmax(np.abs(first.scores - other.scores)) > 1e-6


@pytest.mark.filterwarnings("ignore:Setting backward hooks on ReLU")
@pytest.mark.parametrize("layer", [0, 1])
def test_guided_backprop_is_captum_s_where_the_model_has_relu(layer: int):
    bert = toys.classifier(double=True, hidden_act="relu").eval()
    model = Model(bert, toys.tokenizer())
    plain = toys.attribute(model, Saliency(layer=layer), TEXTS, target=TARGET)
    for a, b in zip(toys.attribute(model, GuidedBackprop(layer=layer), TEXTS, target=TARGET), plain, strict=True):
        library: Any = attr.GuidedBackprop(FromState(bert, a.text, layer))
        same(a, library.attribute(hidden(bert, a.text.ids, layer), target=TARGET)[0].norm(dim=-1))
        assert np.nanmax(np.abs(a.scores - b.scores)) > 1e-3, "a toy on which the rule changes nothing proves nothing"


class GuidedGelu(torch.autograd.Function):
    """The rule written out: the derivative of x Φ(x) times the gradient, and 0 where that is negative."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return nn.functional.gelu(x)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:  # type: ignore[override]
        (x,) = ctx.saved_tensors
        slope = (1 + (x / math.sqrt(2)).erf()) / 2 + x * (-(x**2) / 2).exp() / math.sqrt(2 * math.pi)
        return (gradient * slope).clamp(min=0)


@pytest.mark.filterwarnings("ignore:Setting backward hooks on ReLU")
def test_guided_backprop_guides_gelu_too_where_captum_s_is_the_plain_gradient():
    bert = toys.classifier(double=True, initializer_range=0.1).eval()
    for layer in bert.bert.encoder.layer:
        del layer.intermediate.intermediate_act_fn
        layer.intermediate.intermediate_act_fn = GuidedGelu.apply
    plain = toys.attribute(MODEL, Saliency(), TEXTS, target=TARGET)
    for a, b in zip(toys.attribute(MODEL, GuidedBackprop(), TEXTS, target=TARGET), plain, strict=True):
        state = hidden(BERT, a.text.ids, 0)
        (gradient,) = torch.autograd.grad(FromState(bert, a.text)(state)[0, TARGET], state)
        same(a, gradient[0].norm(dim=-1))
        same(b, attr.GuidedBackprop(FromState(BERT, a.text)).attribute(state, target=TARGET)[0].norm(dim=-1))


def hooks(model: Model) -> int:
    return sum(
        len(m._forward_hooks) + len(m._forward_pre_hooks) + len(m._backward_hooks) for m in model.module.modules()
    )


@pytest.mark.parametrize("kind", sorted(toys.CONFIGS))
def test_guided_backprop_hooks_one_activation_per_layer_and_removes_the_hooks(kind: str):
    model = toys.model(kind)
    with guided(model):
        assert hooks(model) == model.n_layers
    assert hooks(model) == 0


def test_guided_backprop_removes_its_hooks_after_an_exception(monkeypatch: pytest.MonkeyPatch):
    seen = []

    def fail(*_args: Any) -> None:
        seen.append(hooks(MODEL))
        raise RuntimeError("out of memory")

    monkeypatch.setattr(Model, "run_from", fail)
    with pytest.raises(RuntimeError, match="out of memory"):
        toys.attribute(MODEL, GuidedBackprop(), TEXTS)
    assert (seen, hooks(MODEL)) == ([3], 0)


def test_guided_backprop_raises_without_an_activation_module():
    bert = toys.classifier()
    del bert.bert.encoder.layer[1].intermediate.intermediate_act_fn
    bert.bert.encoder.layer[1].intermediate.intermediate_act_fn = nn.functional.gelu
    model = Model(bert, toys.tokenizer())
    rule = "needs in each layer a Hugging Face activation module; layer 1 of model has none"
    with pytest.raises(UnsupportedModelError, match=rule):
        toys.attribute(model, GuidedBackprop(), TEXTS)
    assert hooks(model) == 0


@pytest.mark.parametrize("layer", [0, 1, 2, 3])
def test_grad_cam_is_captum_s_whose_channels_are_the_features(layer: int):
    for a in toys.attribute(MODEL, GradCAM(layer=layer), TEXTS, target=TARGET):
        run = FromState(BERT, a.text, layer)
        library: Any = attr.LayerGradCam(run, run.channels)
        expected = library.attribute(hidden(BERT, a.text.ids, layer), TARGET, relu_attributions=True)
        same(a, expected[0, 0])


@every_gradient_method
def test_the_passes_are_those_above_a_hidden_layer(kind: type[GradientMethod]):
    steps: dict[Any, dict[str, Any]] = {IntegratedGradients: {"steps": 3}, SmoothGradXInput: {"samples": 2}}
    method = kind(layer=1, **steps.get(kind, {}))
    run, layers = {"forward": 0, "backward": 0}, MODEL.module.bert.encoder.layer

    def count(which: str) -> Callable[..., None]:
        return lambda *_: run.update({which: run[which] + 1})

    handles = [layer.register_forward_hook(count("forward")) for layer in layers]
    handles += [layer.register_full_backward_pre_hook(count("backward")) for layer in layers]
    try:
        [a] = toys.attribute(MODEL, method, TEXTS[:1])
    finally:
        for handle in handles:
            handle.remove()
    declared = method.passes(len(layers), len(a.text.content))
    assert (run["forward"] / 3, run["backward"] / 3) == pytest.approx((declared.forward, declared.backward))


@every_gradient_method
def test_a_layer_that_the_model_does_not_have(kind: type[GradientMethod]):
    with pytest.raises(LayerError, match=r"a layer is between 0 .* and 3 .*; got 9"):
        toys.attribute(MODEL, kind(layer=9), TEXTS)


@every_gradient_method
def test_without_captum_the_extra_is_named(kind: type[GradientMethod], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "captum", None)
    with pytest.raises(MissingExtraError, match=r"captum is needed here .*; run: pip install 'textiba\[baselines\]'"):
        toys.attribute(MODEL, kind(layer=2), TEXTS)
    assert hooks(MODEL) == 0


@pytest.mark.parametrize(("baseline", "other"), [("mask", "pad"), ("pad", "mask")])
def test_a_baseline_needs_its_token(baseline: Any, other: str, monkeypatch: pytest.MonkeyPatch):
    forward = toys.forward(MODEL, TEXTS)
    monkeypatch.setattr(MODEL, "tokenizer", SimpleNamespace(mask_token_id=None, pad_token_id=None))
    rule = f"baseline='{baseline}' needs a tokenizer with a {baseline} token; use baseline='{other}'"
    with pytest.raises(SettingError, match=rule):
        IntegratedGradients(baseline=baseline).attribute(MODEL, forward, MODEL.predict(forward))


def test_settings_out_of_range():
    with pytest.raises(SettingError, match=r"steps: .*greater than or equal to 1; got 0"):
        IntegratedGradients(steps=0)
    with pytest.raises(SettingError, match=r"noise: .*greater than or equal to 0; got -1"):
        SmoothGradXInput(noise=-1)
    with pytest.raises(SettingError, match=r"output: .*'log_probability', 'log_odds' or 'probability'; got 'loss'"):
        Gradient(output="loss")  # type: ignore[arg-type]
