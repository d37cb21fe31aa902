"""What the tests of runs share."""

import os
import subprocess
import sys
from collections.abc import Sequence

from textiba.store import RunFolder

# One thread in every process: how many there are decides in which order a sum is taken.
ENVIRONMENT = os.environ | {"OMP_NUM_THREADS": "1", "ACCELERATE_USE_CPU": "true"}
TORCHRUN = (sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2")


def in_two_processes(arguments: Sequence[str]) -> str:
    """`textiba` with these arguments, launched as two processes; what they printed."""
    launched = subprocess.run(  # noqa: S603
        [*TORCHRUN, "-m", "textiba", *arguments],
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert launched.returncode == 0, launched.stderr
    return launched.stdout


def table(folder: RunFolder) -> dict[tuple, tuple[float, ...]]:
    """Every score by text, checkpoint, method and settings."""
    return {
        (i, a.checkpoint, a.method, str(a.settings)): tuple(a.scores[list(a.text.content)].tolist())
        for i, a in folder.read()
    }
