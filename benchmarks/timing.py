"""Times of compared functions, measured in turns, so that a change of the machine's speed concerns all of them."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

Work = Callable[[int], object]


@dataclass(frozen=True, slots=True)
class Times:
    """Measured times.

    Attributes:
        of: seconds of each function, round by round.
        beat: seconds of the beat that runs before every function: the median of each round.
    """

    of: Mapping[str, Sequence[float]]
    beat: Sequence[float]


def in_turns(works: Mapping[str, Work], rounds: int, beat: Callable[[], object] = lambda: None) -> Times:
    """Times every function in every round; in every other round they run in the opposite order.

    Args:
        works: the functions; each is called with the number of the round.
        rounds: the number of rounds.
        beat: a short function that runs before each of the others; it measures the machine's speed at that time.
    """
    times: dict[str, list[float]] = {name: [] for name in works}
    beats: list[float] = []
    beat()
    for turn in range(rounds):
        between = []
        for name in list(works)[:: -1 if turn % 2 else 1]:
            start = time.perf_counter()
            beat()
            middle = time.perf_counter()
            works[name](turn)
            times[name].append(time.perf_counter() - middle)
            between.append(middle - start)
        beats.append(median(between))
    return Times(times, beats)


def ratios(above: Sequence[float], below: Sequence[float]) -> list[float]:
    """The ratio in each round."""
    return [a / b for a, b in zip(above, below, strict=True)]
