"""One process, or several that share a run: `accelerate launch`, `torchrun`, one machine or many."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from textiba.errors import missing_extra

if TYPE_CHECKING:
    import torch

_PATIENCE = timedelta(days=7)  # one process may have hours more to do than another


@dataclass(frozen=True)
class Processes:
    """The processes that share a run, as one of them sees it.

    Attributes:
        rank: this one's number.
        count: how many there are.
        barrier: returns when all have come to it.
    """

    rank: int = 0
    count: int = 1
    barrier: Callable[[], None] = lambda: None

    @property
    def main(self) -> bool:
        """Whether this is the first: the one that makes the folder, shows progress and draws tables."""
        return self.rank == 0

    def wait(self) -> None:
        """Until all processes have come here."""
        self.barrier()


ALONE = Processes()


def current() -> Processes:
    """What this process was launched as.

    Raises:
        MissingExtraError: launched as one of several, and accelerate is not installed.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        return ALONE
    import torch  # here and below, so that the command line starts without it

    try:
        from accelerate import PartialState
    except ImportError as error:
        raise missing_extra("accelerate", "finetune") from error
    state = PartialState(cpu=not torch.cuda.is_available(), timeout=_PATIENCE)
    return Processes(state.process_index, state.num_processes, state.wait_for_everyone)


def best_device(processes: Processes = ALONE) -> "torch.device":
    """The GPU that belongs to this process, or what else is there."""
    import torch

    if torch.cuda.is_available():
        return torch.device("cuda", int(os.environ.get("LOCAL_RANK", processes.rank)) % torch.cuda.device_count())
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


class Shares:
    """Shares out work by its size: each piece goes to the process with the least so far.

    Every process that sees the same pieces comes to the same shares, without a word between them.
    """

    def __init__(self, processes: Processes):
        self._rank = processes.rank
        self._loads = [0.0] * processes.count

    def mine(self, sizes: Sequence[float]) -> list[int]:
        """Which of these pieces are this process's, in order; what was given out before counts."""
        own = []
        for place in sorted(range(len(sizes)), key=lambda i: -sizes[i]):
            rank = self._loads.index(min(self._loads))
            self._loads[rank] += sizes[place]
            if rank == self._rank:
                own.append(place)
        return sorted(own)
