"""Reference states: the hidden states of a text without content."""

from dataclasses import replace

from textiba.model.view import Model
from textiba.texts.batches import Batch
from textiba.types import State


def blank_state(model: Model, batch: Batch, layer: int, token_id: int) -> State:
    """Returns `hidden_states[layer]` of the texts with `token_id` in place of every content token.

    Special tokens stay.
    """
    ids = batch.input_ids.masked_fill(batch.content, token_id)
    return model.run_to(replace(batch, input_ids=ids), layer)
