"""The state of a text that says nothing, against which others are held."""

from dataclasses import replace

from textiba.model.view import Model
from textiba.texts.batches import Batch
from textiba.types import State


def blank_state(model: Model, batch: Batch, layer: int, token_id: int) -> State:
    """`hidden_states[layer]` when every token of the text is `token_id`; special tokens and lengths stay."""
    ids = batch.input_ids.masked_fill(batch.content, token_id)
    return model.run_to(replace(batch, input_ids=ids), layer)
