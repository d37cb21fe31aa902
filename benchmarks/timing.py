"""Times of things that are compared, taken in turns, so that a machine that speeds up or slows down does so for all."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

Work = Callable[[int], object]


@dataclass(frozen=True, slots=True)
class Times:
    """What was seen.

    Attributes:
        of: seconds of each work, round by round.
        beat: seconds of what ran before every work: the median of each round.
    """

    of: Mapping[str, Sequence[float]]
    beat: Sequence[float]


def in_turns(works: Mapping[str, Work], rounds: int, beat: Callable[[], object] = lambda: None) -> Times:
    """Times every work in every round; in every other round they go in the opposite order.

    Args:
        works: each is called with the number of the round.
        rounds: how many.
        beat: short, and run before every work: what the machine gives at the time.
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
    """Round by round."""
    return [a / b for a, b in zip(above, below, strict=True)]
