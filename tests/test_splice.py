"""What is left out of a run: what the last layer would do for tokens that the head does not read."""

import pytest
import torch
import toys
from torch import Tensor, nn

from textiba.encoder import LAYER_PATHS, Encoder
from textiba.splice import first_token_only

REVIEWS = toys.texts(5, seed=1)


@pytest.mark.parametrize("kind", sorted(LAYER_PATHS))
def test_the_last_layer_goes_on_with_the_first_token_alone(kind: str):
    encoder = toys.encoder(kind)
    widths: list[int] = []
    last = encoder.model.get_submodule(LAYER_PATHS[kind])[-1]
    feed_forward = [m for m in last.modules() if isinstance(m, nn.Linear)][-1]
    handle = feed_forward.register_forward_hook(lambda _module, given, _out: widths.append(given[0].shape[1]))
    batch = encoder.collate(encoder.encode(REVIEWS))
    widths.clear()
    encoder.logits(batch)
    encoder.run_from(batch, 1, encoder.forward(batch).hidden[1])
    handle.remove()
    assert widths[-3:] == [1, batch.input_ids.shape[1], 1]


@pytest.mark.parametrize("attention", ["eager", "sdpa"])
@pytest.mark.parametrize("kind", ["bert", "roberta", "electra"])
def test_attention_is_asked_by_the_first_token_alone(kind: str, attention: str):
    model = toys.model(kind).eval()
    model.set_attn_implementation(attention)
    encoder = Encoder(model, toys.tokenizer())
    widths: list[int] = []
    last = encoder.model.get_submodule(LAYER_PATHS[kind])[-1]
    last.attention.self.query.register_forward_hook(lambda _module, given, _out: widths.append(given[0].shape[1]))
    batch = encoder.collate(encoder.encode(REVIEWS))
    whole = encoder.forward(batch).logits
    torch.testing.assert_close(encoder.logits(batch), whole)
    assert widths == [batch.input_ids.shape[1], 1]


def test_a_head_that_reads_other_tokens_gets_them():
    class OfAll(nn.Module):
        def __init__(self, inner: nn.Module):
            super().__init__()
            self.inner = inner

        def forward(self, hidden: Tensor) -> Tensor:
            return self.inner(hidden.mean(dim=1, keepdim=True))

    model = toys.model("bert").eval()
    model.bert.pooler = OfAll(model.bert.pooler)
    encoder = Encoder(model, toys.tokenizer())
    batch = encoder.collate(encoder.encode(REVIEWS))
    inputs = {"input_ids": batch.input_ids, "attention_mask": batch.attention_mask.long()}
    with torch.no_grad():
        expected = model(**inputs, token_type_ids=batch.token_type_ids).logits
    torch.testing.assert_close(encoder.logits(batch), expected)
    torch.testing.assert_close(encoder.run_from(batch, 2, encoder.run_to(batch, 2)), expected)


def test_a_layer_of_another_make_stays_whole():
    layer = nn.Sequential(nn.Linear(2, 2))
    assert first_token_only(layer) is layer
