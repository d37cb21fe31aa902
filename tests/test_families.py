"""Every text family of transformers: taken rightly, or refused with the reason; never silently wrong.

`make test` tries the families that most people use; `pytest -m families` tries all of them, those included that a new
transformers adds.
"""

from pathlib import Path
from typing import Any

import families
import pytest
import torch
import transformers
from torch import nn
from transformers.modeling_outputs import BaseModelOutput

from textiba.errors import UnsupportedModelError
from textiba.model.view import Model

ROOT = Path(__file__).parent.parent
USUAL = (
    "albert", "bert", "camembert", "deberta-v2", "distilbert", "electra", "gpt2", "llama", "modernbert", "mpnet",
    "qwen3", "roberta", "xlm-roberta", "xlnet",
)  # fmt: skip
REFUSED = {
    "bart": "is an encoder-decoder model. Every layer of its decoder reads the encoder's states",
    "t5": "is an encoder-decoder model. Every layer of its decoder reads the encoder's states",
    "funnel": "with the hidden state at layer 0 given, other tokens change the logits",
    "reformer": "no list of layers was found in which each layer's output is the next layer's input",
    "xlm": "with the hidden state at layer 1 given, other tokens change the logits",
}


@pytest.mark.parametrize("kind", USUAL)
def test_a_usual_family_is_right_at_every_layer(kind: str):
    module = families.tiny(kind)
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    model = Model(module, families.tokenizer())
    assert families.fault(module, model) is None
    assert all(torch.equal(tensor, before[name]) for name, tensor in module.state_dict().items())


@pytest.mark.parametrize("kind", sorted(REFUSED))
def test_what_cannot_be_entered_is_refused_with_the_reason(kind: str):
    with pytest.raises(UnsupportedModelError, match=REFUSED[kind]):
        Model(families.tiny(kind), families.tokenizer())


@pytest.mark.families
def test_of_all_families_none_is_wrong_and_nearly_all_are_right():
    right, wrong = [], {}
    for kind in families.KINDS:
        module = families.tiny(kind)
        try:
            model = Model(module, families.tokenizer())
        except UnsupportedModelError:
            continue
        found = families.fault(module, model)
        right += [kind] if found is None else []
        wrong |= {} if found is None else {kind: found}
    assert wrong == {}
    assert len(right) >= 95
    if transformers.__version__.startswith("5.23."):  # the version that the pages speak of
        told = f"{len(right)} of {len(families.KINDS)}"
        for page in ("README.md", "docs/how-to/own-model.md"):
            assert f"{told} model families" in " ".join((ROOT / page).read_text("utf-8").split())
        support = " ".join((ROOT / "docs" / "support.md").read_text("utf-8").split())
        assert f"classifiers for {len(families.KINDS)} text families. {len(right)} of them are accepted" in support


def test_a_family_that_padding_changes_gets_texts_of_one_length():
    model = Model(families.tiny("fnet"), families.tokenizer())  # its Fourier transform mixes padding in
    assert not model.pads
    lengths = [
        [len(text) for text in batch.texts] for batch in model.batches(model.tokenize(families.texts(3, (4, 9, 4))))
    ]
    assert sorted(lengths) == [[6, 6], [11]]


@pytest.mark.parametrize(
    ("kind", "reads"), [("bert", "first"), ("mpnet", "first"), ("gpt2", "last"), ("llama", "last")]
)
def test_which_token_the_head_reads_is_found(kind: str, reads: str):
    assert Model(families.tiny(kind), families.tokenizer()).reads == reads


def test_a_mean_over_all_tokens_is_found():
    module = families.tiny("modernbert", classifier_pooling="mean")
    assert Model(module, families.tokenizer()).reads == "all"


class Named(nn.Module):
    """A layer whose output is a mapping."""

    def __init__(self, layer: nn.Module):
        super().__init__()
        self.layer = layer

    def forward(self, *args: Any, **kwargs: Any) -> BaseModelOutput:
        return BaseModelOutput(last_hidden_state=self.layer(*args, **kwargs)[0])


def test_layers_may_return_a_mapping():
    module = families.tiny("mpnet")
    layers = module.mpnet.encoder.layer
    for place, layer in enumerate(layers):
        layers[place] = Named(layer)
    assert families.fault(module, Model(module, families.tokenizer())) is None


@pytest.mark.parametrize("kind", ["bert", "xlnet", "longformer"])  # Longformer pads its states to whole windows
def test_a_change_at_a_layer_above_sees_and_gives_a_state_batch_first(kind: str):
    model = Model(families.tiny(kind), families.tokenizer())
    batch = model.collate(model.tokenize(families.texts(6, (9, 6, 3))))  # 11 tokens: no whole windows of 4
    forward = model.forward(batch)
    scale = torch.rand(*batch.input_ids.shape, 1, generator=torch.Generator().manual_seed(0)) + 0.5
    for layer in range(1, model.n_layers + 1):
        seen: list[torch.Tensor] = []

        def change(state: torch.Tensor, seen: list[torch.Tensor] = seen) -> torch.Tensor:
            seen.append(state)
            return state * scale

        state = forward.hidden_states[layer]
        logits = model.run_from(batch, 0, forward.hidden_states[0], {layer: change})
        torch.testing.assert_close(seen[0][batch.attention_mask], state[batch.attention_mask])
        torch.testing.assert_close(logits, model.run_from(batch, layer, state * scale))


@pytest.mark.parametrize("kind", ["bert", "xlnet"])  # XLNet's layers take [tokens, batch, features]
def test_the_axes_are_not_mistaken_in_a_batch_of_as_many_texts_as_tokens(kind: str):
    model = Model(families.tiny(kind), families.tokenizer())
    texts = model.tokenize(families.texts(5, (6,) * 8))
    batch = model.collate(texts)
    assert batch.input_ids.shape == (8, 8)
    whole, alone = model.forward(batch), model.forward(model.collate(texts[:1]))
    for layer in range(model.n_layers + 1):
        torch.testing.assert_close(whole.hidden_states[layer][:1], alone.hidden_states[layer])
        torch.testing.assert_close(model.run_from(batch, layer, whole.hidden_states[layer]), whole.logits)
