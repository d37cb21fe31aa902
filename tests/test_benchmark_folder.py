"""A benchmark's folder: killed, resumed, widened, damaged; the rows stay what they were."""

import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from benches import CONFIG, MAPPING, changed, score_of, written
from folders import ENVIRONMENT, in_two_processes

from textiba.benchmark import BenchmarkConfig, benchmark, leaderboard
from textiba.benchmark.folder import BenchmarkFolder, Place
from textiba.errors import CorruptFileError, InputError, StorageError


@pytest.mark.filterwarnings("ignore::textiba.errors.TruncationWarning")
@pytest.mark.parametrize("writes", [1, 4, 7])
def test_a_run_that_is_stopped_ends_with_the_same_table(writes: int, small_benchmark: BenchmarkFolder, tmp_path: Path):
    left = writes

    def stop(*_: object) -> None:
        nonlocal left
        left -= 1
        if left == 0:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        benchmark(CONFIG, tmp_path, stop)
    assert written(benchmark(CONFIG, tmp_path)) == written(small_benchmark)


@pytest.mark.long
def test_a_run_that_is_killed_ends_with_the_same_table(small_benchmark: BenchmarkFolder, tmp_path: Path):
    config = tmp_path / "config.yaml"
    config.write_text(json.dumps(MAPPING))  # JSON is YAML
    command = [sys.executable, "-c", "from textiba.cli import main; main()", "benchmark", str(config)]
    process = subprocess.Popen([*command, "-o", str(tmp_path / "run")], env=ENVIRONMENT)  # noqa: S603
    while not list(tmp_path.glob("run/rows/**/*.parquet")):
        assert process.poll() is None, "it ended before it wrote anything"
        time.sleep(0.02)
    process.kill()
    assert process.wait() == -signal.SIGKILL, "it was over before it could be killed"
    assert (
        0
        < len(list(tmp_path.glob("run/rows/**/*.parquet")))
        < len(list(small_benchmark.path.glob("rows/**/*.parquet")))
    )
    assert written(benchmark(CONFIG, tmp_path / "run")) == written(small_benchmark)


@pytest.mark.long
def test_two_processes_give_the_same_table(small_benchmark: BenchmarkFolder, tmp_path: Path):
    config = tmp_path / "config.yaml"
    config.write_text(json.dumps(MAPPING))
    in_two_processes(["benchmark", str(config), "-o", str(tmp_path / "run")])
    assert written(BenchmarkFolder(tmp_path / "run", CONFIG)) == written(small_benchmark)


def test_a_write_that_fails_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    made = BenchmarkFolder(tmp_path, CONFIG)
    place = Place("texts", "fine-tuned", "random")

    def full(*_: object) -> None:
        raise OSError("No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", full)
        with pytest.raises(StorageError, match="No space left"):
            made.write(place, 0, [{"index": 0}])
    assert not made.has(place, 0)
    assert list(made.read(place)) == []
    made.write(place, 0, [{"index": 0}])
    assert list(made.read(place)) == [{"index": 0}]


def test_a_first_row_without_a_rationale_does_not_hide_the_others(tmp_path: Path):
    made = BenchmarkFolder(tmp_path, CONFIG)
    place = Place("texts", "fine-tuned", "random")
    made.write(place, 0, [{"index": 0}, {"index": 1, "rationale auprc": 0.5}])
    assert list(made.read(place)) == [{"index": 0, "rationale auprc": None}, {"index": 1, "rationale auprc": 0.5}]


def test_nothing_is_computed_twice(small_benchmark: BenchmarkFolder, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(BenchmarkFolder, "write", pytest.fail)
    calls: list[tuple[str, int, int]] = []
    benchmark(CONFIG, small_benchmark.path, lambda *call: calls.append(call))
    assert calls[-1][1:] == (5 + 5 + 3 + 3 + 2, 18)


def test_methods_can_be_chosen(tmp_path: Path):
    first = benchmark(CONFIG, tmp_path, only=["random"])
    assert {s.label for s in leaderboard(first)} == {"random"}
    assert all(s.comparison is None for s in leaderboard(first)), "there is no reference to compare with yet"
    with pytest.raises(InputError, match="no method is labelled 'lime'"):
        benchmark(CONFIG, tmp_path, only=["lime"])


def test_a_folder_of_another_benchmark_is_refused(small_benchmark: BenchmarkFolder):
    with pytest.raises(InputError, match="holds a run with other settings"):
        benchmark(BenchmarkConfig.from_mapping(changed(seed=1), "test"), small_benchmark.path)


def test_a_label_cannot_change_its_method(small_benchmark: BenchmarkFolder):
    methods = [{**MAPPING["methods"][0], "settings": {"nodes": 3}}, *MAPPING["methods"][1:]]
    with pytest.raises(InputError, match="was made with another 'evidence two nodes'"):
        benchmark(BenchmarkConfig.from_mapping(changed(methods=methods), "test"), small_benchmark.path)


def test_a_method_can_be_added_and_the_reference_changed(small_benchmark: BenchmarkFolder, tmp_path: Path):
    shutil.copytree(small_benchmark.path, tmp_path / "run")
    methods = [*MAPPING["methods"], {"name": "saliency"}]
    config = BenchmarkConfig.from_mapping(changed(methods=methods, reference="random"), "test")
    wider = leaderboard(benchmark(config, tmp_path / "run"))
    assert score_of(wider, "saliency", "delete area").texts == 5
    assert (
        score_of(wider, "random", "delete area").value
        == score_of(leaderboard(small_benchmark), "random", "delete area").value
    )
    assert score_of(wider, "random", "delete area").comparison is None


def test_a_damaged_file_is_named(tmp_path: Path):
    made = BenchmarkFolder(tmp_path, CONFIG)
    place = Place("texts", "fine-tuned", "random")
    made.write(place, 0, [{"index": 0}])
    [file] = tmp_path.glob("rows/**/*.parquet")
    file.write_bytes(b"torn")
    with pytest.raises(CorruptFileError, match=r"00000\.parquet: damaged .*textiba runs repair"):
        list(made.read(place))


def test_a_folder_can_be_read_without_its_config(small_benchmark: BenchmarkFolder):
    assert leaderboard(BenchmarkFolder(small_benchmark.path)) == leaderboard(small_benchmark)
