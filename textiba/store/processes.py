"""One process, or several that share a run: `accelerate launch` or `torchrun` starts them, on one machine or many."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from textiba.errors import SettingError, missing_extra

if TYPE_CHECKING:
    import torch

_PATIENCE = timedelta(days=7)  # one process may work hours longer than another


@dataclass(frozen=True)
class Processes:
    """The processes that share a run, as seen by one of them.

    Attributes:
        rank: the number of this process.
        count: the number of processes.
        barrier: a function that returns when every process has called it.
    """

    rank: int = 0
    count: int = 1
    barrier: Callable[[], None] = lambda: None

    @property
    def main(self) -> bool:
        """Whether this is the first process, which makes the folder, shows progress and prints tables."""
        return self.rank == 0

    def wait(self) -> None:
        """Waits until every process has called this method."""
        self.barrier()


ALONE = Processes()


def current() -> Processes:
    """Returns this process and the processes launched with it.

    Raises:
        MissingExtraError: this process is one of several, and accelerate is not installed.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        return ALONE
    import torch  # here and below, so that the command line starts without torch

    try:
        from accelerate import PartialState
    except ImportError as error:
        raise missing_extra("accelerate", "finetune") from error
    state = PartialState(cpu=not torch.cuda.is_available(), timeout=_PATIENCE)
    return Processes(state.process_index, state.num_processes, state.wait_for_everyone)


def best_device(processes: Processes = ALONE) -> "torch.device":
    """The GPU of this process, else Apple's GPU, else the processor."""
    import torch

    if torch.cuda.is_available():
        return torch.device("cuda", int(os.environ.get("LOCAL_RANK", processes.rank)) % torch.cuda.device_count())
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


def named_device(name: str) -> "torch.device":
    """A device by its name: "cpu", "cuda", "cuda:1", "mps".

    Raises:
        SettingError: no such device on this machine.
    """
    import torch

    there = ["cpu", *(f"cuda:{i}" for i in range(torch.cuda.device_count()))]
    there += ["mps"] if torch.backends.mps.is_available() else []
    try:
        device = torch.device(name)
    except RuntimeError:
        device = None
    full = None if device is None else "cuda:0" if str(device) == "cuda" else str(device)
    if device is None or full not in there:
        raise SettingError(f"device: one of {', '.join(there)} on this machine; got '{name}'")
    return device


class Shares:
    """Shares out pieces of work: each piece goes to the process with the least work so far.

    Processes that see the same pieces compute the same shares, without communication.
    """

    def __init__(self, processes: Processes):
        self._rank = processes.rank
        self._loads = [0.0] * processes.count

    def mine(self, sizes: Sequence[float]) -> list[int]:
        """Returns the indices of this process's pieces, in order; pieces from earlier calls count as earlier work.

        Args:
            sizes: the amount of work of each piece.
        """
        own = []
        for place in sorted(range(len(sizes)), key=lambda i: -sizes[i]):
            rank = self._loads.index(min(self._loads))
            self._loads[rank] += sizes[place]
            if rank == self._rank:
                own.append(place)
        return sorted(own)
