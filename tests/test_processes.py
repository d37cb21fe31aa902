"""Several processes: shares of the work, and batches that depend on nobody."""

import itertools

import numpy as np
import pytest
import toys

from textiba import Random
from textiba.runs.stream import stream_batches
from textiba.store import Numbers
from textiba.store.processes import ALONE, Processes, Shares, best_device, current

TEXTS = toys.texts(16, seed=2)


def test_every_piece_goes_to_one_process_and_loads_are_even():
    rng = np.random.default_rng(0)
    sizes = rng.uniform(1, 10, 101).tolist()
    shares = [Shares(Processes(rank, 4)).mine(sizes) for rank in range(4)]
    assert sorted(itertools.chain(*shares)) == list(range(101))
    loads = [sum(sizes[i] for i in share) for share in shares]
    assert max(loads) - min(loads) <= max(sizes)
    assert Shares(ALONE).mine(sizes) == list(range(101))


def test_what_was_given_out_before_counts():
    first, second = (Shares(Processes(rank, 2)) for rank in range(2))
    assert first.mine([10.0]) + second.mine([10.0]) == [0]
    # The one with nothing yet gets the small ones until it has as much.
    given = len(first.mine([1.0] * 10)), len(second.mine([1.0] * 10))
    assert sorted(given) == [0, 10]


@pytest.mark.parametrize("count", [1, 2, 3])
def test_batches_are_the_same_for_any_number_of_processes(count: int):
    model = toys.model("bert")
    alone = {tuple(i for i, _ in found) for found in stream_batches(model, [Random()], TEXTS, budget=64)}
    shared = [
        tuple(i for i, _ in found)
        for rank in range(count)
        for found in stream_batches(model, [Random()], TEXTS, budget=64, processes=Processes(rank, count))
    ]
    assert len(shared) == len(alone) > 3
    assert set(shared) == alone


def test_a_batch_that_is_partly_done_runs_and_gives_the_rest():
    model, done = toys.model("bert"), Numbers()
    batches = [[i for i, _ in found] for found in stream_batches(model, [Random()], TEXTS, budget=64)]
    for i in (*batches[0], batches[1][0]):
        assert done.add(i)
        assert not done.add(i)
    left = [[i for i, _ in found] for found in stream_batches(model, [Random()], TEXTS, budget=64, done=done)]
    assert left == [batches[1][1:], *batches[2:]]


def test_numbers():
    numbers = Numbers()
    assert 5 not in numbers
    assert [numbers.add(i) for i in (5, 2, 5)] == [True, True, False]
    assert (len(numbers), 5 in numbers, 3 in numbers, 99 in numbers) == (2, True, False, False)


def test_alone_there_is_nobody_to_wait_for(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    assert current() is ALONE
    assert ALONE.main
    ALONE.wait()
    assert best_device().type in ("cpu", "cuda", "mps")
