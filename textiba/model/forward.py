"""What one pass of the whole model leaves behind."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, overload

from textiba.errors import NotFiniteError
from textiba.texts.batches import Batch
from textiba.types import Logits, State

if TYPE_CHECKING:
    _States = Sequence[State]
else:
    _States = Sequence  # a checker at run time that looks at an item of it would have the last one made


class HiddenStates(_States):
    """Hidden states 0 … L of one pass; the last, which the prediction needs of one token only, once it is asked for.

    Args:
        below: hidden states 0 … L − 1.
        make_last: gives the one that is missing.
    """

    def __init__(self, below: Sequence[State], make_last: Callable[[], State]):
        self._known = list(below)
        self._length = len(below) + 1
        self._make_last = make_last

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
        if places == len(self._known):
            self._known.append(self._make_last())
        return self._known[places]


@dataclass(frozen=True, eq=False)
class ForwardPass:
    """One pass of the whole model over a batch: everything that later steps share.

    Attributes:
        batch: the texts.
        hidden_states: 0 … L, in float32 or longer whatever the type of the weights.
        logits: of the whole model.
    """

    batch: Batch
    hidden_states: HiddenStates | tuple[State, ...]
    logits: Logits


def finite(logits: Logits, batch: Batch, name: str) -> Logits:
    """The logits themselves.

    Raises:
        NotFiniteError: NaN or infinity is among them.
    """
    bad = (~logits.isfinite().all(dim=1)).nonzero().flatten().tolist()
    if bad:
        text = batch.texts[bad[0]].source.text[:60]
        raise NotFiniteError(
            f"{name} returned NaN or infinity for {len(bad)} of {len(logits)} texts, the first being '{text}…'; "
            "check the weights, and load them in float32"
        )
    return logits
