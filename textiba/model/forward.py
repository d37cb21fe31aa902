"""The result of one forward pass of the whole model: hidden states and logits."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, overload

from textiba.errors import NotFiniteError
from textiba.texts.batches import Batch
from textiba.types import Logits, State

if TYPE_CHECKING:
    _States = Sequence[State]
else:
    _States = Sequence  # unparametrised: a runtime type checker would read an item and so compute the last state


class HiddenStates(_States):
    """Hidden states 0 … L of one pass. Some are computed when they are first read, and then kept.

    If the head reads only the first token, the prediction does not need the other tokens' last hidden state. Of a long
    text in windows, no state is kept unless it is read.

    Args:
        layers: the number L of layers.
        computed: the states that are known, by layer.
        make: function that computes the hidden state of a layer.
    """

    def __init__(self, layers: int, computed: Mapping[int, State], make: Callable[[int], State]):
        self._computed = dict(computed)
        self._length = layers + 1
        self._make = make

    def __len__(self) -> int:
        return self._length

    @overload
    def __getitem__(self, index: int) -> State: ...
    @overload
    def __getitem__(self, index: slice) -> list[State]: ...
    def __getitem__(self, index: int | slice) -> State | list[State]:
        places = range(self._length)[index]
        if isinstance(places, range):
            return [self[place] for place in places]
        if places not in self._computed:
            self._computed[places] = self._make(places)
        return self._computed[places]


@dataclass(frozen=True, eq=False)
class ForwardPass:
    """The result of one pass of the whole model over a batch. All methods share this pass.

    Attributes:
        batch: the texts.
        hidden_states: hidden states 0 … L, in float32 or float64 whatever the type of the weights.
        logits: logits of every outcome.
    """

    batch: Batch
    hidden_states: HiddenStates | tuple[State, ...]
    logits: Logits


def finite(logits: Logits, batch: Batch, name: str) -> Logits:
    """Returns the logits unchanged after checking them.

    Args:
        logits: logits of every outcome.
        batch: the texts, for the error message.
        name: name of the model, for the error message.

    Raises:
        NotFiniteError: a logit is NaN or infinite.
    """
    bad = (~logits.isfinite().all(dim=1)).nonzero().flatten().tolist()
    if bad:
        text = batch.texts[bad[0]].source.whole[:60]
        raise NotFiniteError(
            f"{name} returned NaN or infinity for {len(bad)} of {len(logits)} texts, the first being '{text}…'; "
            "check the weights, and load them in float32"
        )
    return logits
