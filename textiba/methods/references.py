"""The state of a review that says nothing, against which others are held."""

from dataclasses import replace

from textiba.encoder import Encoder
from textiba.text import Batch
from textiba.types import State


def blank_state(encoder: Encoder, batch: Batch, layer: int, token_id: int) -> State:
    """`hidden_states[layer]` when every token of the text is `token_id`; special tokens and lengths stay."""
    ids = batch.input_ids.masked_fill(batch.content, token_id)
    return encoder.run_to(replace(batch, input_ids=ids), layer)
