"""Kills a run many times, and checks that nothing is lost: a run of one process, and a run that two processes share.

Run: .venv/bin/python benchmarks/kills.py [kills]   (30 by default; about ten minutes on two cores)

The run is started, killed with SIGKILL after a random time, and started again; runs of one and of two processes
alternate. At the end the run is completed and compared with a run that was not killed.
"""

import contextlib
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

from textiba.store import RunFolder, check

CONFIG = """
data: {limit: 126}
max_length: 48
methods:
  - {name: evidence, settings: {nodes: 1}, layers: [3, 4, 5]}
  - {name: readout, layers: all}
  - {name: random}
"""
METHODS = 10  # with all their layers; they fill five shards
TEXTS = 126


def launch(config: Path, folder: Path, processes: int) -> subprocess.Popen[bytes]:
    """Starts or resumes the run."""
    command = [sys.executable, "-m"]
    if processes > 1:
        command += ["torch.distributed.run", "--standalone", f"--nproc-per-node={processes}", "-m"]
    command += ["textiba", "sweep", str(config), "-o", str(folder)]
    # One thread each, so that the order of sums does not depend on the number of processes.
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    return subprocess.Popen(  # noqa: S603
        command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )


def kill(started: subprocess.Popen[bytes], after: float) -> bool:
    """Kills all processes of a launch after a time; returns whether the launch was still running."""
    try:
        started.wait(after)
    except subprocess.TimeoutExpired:
        kill_tree(started.pid)
        started.communicate()
        return True
    if started.returncode:
        raise SystemExit(f"the run failed: {started.stderr.read().decode() if started.stderr else ''}")
    return False


def kill_tree(number: int) -> None:
    """Kills a process and all processes that it started."""
    first = psutil.Process(number)
    for process in (*first.children(recursive=True), first):
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()


def finish(config: Path, folder: Path) -> None:
    """Completes the run."""
    _, errors = (last := launch(config, folder, 1)).communicate()
    if last.returncode:
        raise SystemExit(f"the last run failed: {errors.decode()}")


def table(folder: Path) -> dict[tuple[int, str, str], list[float]]:
    """Every score by text, method and settings."""
    return {
        (i, a.method, json.dumps(dict(a.settings))): a.scores[list(a.text.content)].tolist()
        for i, a in RunFolder(folder).read()
    }


def main() -> None:
    """Kills, resumes and compares; the exit code is 1 if rows are missing or numbers differ."""
    kills = int(sys.argv[1]) if len(sys.argv) > 1 else 30
    draw = random.Random(0)  # noqa: S311 - when to kill, not a secret
    with tempfile.TemporaryDirectory() as place:
        config, undisturbed = Path(place) / "config.yaml", Path(place) / "undisturbed"
        config.write_text(CONFIG, "utf-8")
        began = time.monotonic()
        finish(config, undisturbed)
        whole = time.monotonic() - began
        done, rounds, faults = 0, 0, 0
        while done < kills:
            folder = Path(place) / f"round-{rounds}"
            processes = 1 + rounds % 2
            while done < kills and kill(launch(config, folder, processes), draw.uniform(0.3, 1.0) * whole):
                done += 1
            finish(config, folder)
            rows, same = check(folder).rows, table(folder) == table(undisturbed)
            faults += not same or rows != TEXTS * METHODS
            print(f"round {rounds}: {processes} process(es), {done} kills so far, {rows} rows, same numbers: {same}")
            rounds += 1
    print(f"{done} kills in {rounds} rounds; {faults} with a fault")
    sys.exit(bool(faults))


if __name__ == "__main__":
    main()
