"""Where each model family keeps what textiba changes or reads: its layers, and the modules inside a layer.

To add a family, add its line to `FAMILIES`.
"""

from dataclasses import dataclass
from typing import Any

from torch import nn

from textiba.errors import UnsupportedModelError


@dataclass(frozen=True, slots=True)
class Family:
    """The module names of a model family; names inside a layer are dotted paths from the layer.

    Attributes:
        layers: path of the list of layers from a `…ForSequenceClassification`.
        attention: self-attention.
        query: its query projection, inside `attention`.
        key: its key projection.
        value: its value projection.
        after_attention: the first submodule after self-attention.
        activation: the activation between the two feed-forward maps.
        narrow_attention: whether attention can be computed for the first token's query alone (BERT's signature).
        counts_padding: whether position ids start at `pad_token_id + 1`, so that the position table is longer than any
            text.
    """

    layers: str
    attention: str = "attention.self"
    query: str = "query"
    key: str = "key"
    value: str = "value"
    after_attention: str = "attention.output"
    activation: str = "intermediate.intermediate_act_fn"
    narrow_attention: bool = True
    counts_padding: bool = False

    def projections(self) -> dict[str, str]:
        """Paths of the query, key and value projections from a layer, by role."""
        return {role: f"{self.attention}.{getattr(self, role)}" for role in ("query", "key", "value")}


FAMILIES = {
    "bert": Family("bert.encoder.layer"),
    "roberta": Family("roberta.encoder.layer", counts_padding=True),
    "electra": Family("electra.encoder.layer"),
    "distilbert": Family(
        "distilbert.transformer.layer",
        attention="attention",
        query="q_lin",
        key="k_lin",
        value="v_lin",
        after_attention="sa_layer_norm",
        activation="ffn.activation",
        narrow_attention=False,
    ),
}


def family_of(config: Any) -> Family:
    """The family of a model, by its config's `model_type`.

    Raises:
        UnsupportedModelError: the family has no line in `FAMILIES`.
    """
    if config.model_type not in FAMILIES:
        raise UnsupportedModelError(
            f"model type '{config.model_type}' is not supported; supported are {sorted(FAMILIES)}. "
            "A new family is a line in textiba.model.layers.FAMILIES"
        )
    return FAMILIES[config.model_type]


def layers_of(module: Any) -> nn.ModuleList:
    """The list of layers of a `…ForSequenceClassification`."""
    return module.get_submodule(family_of(module.config).layers)
