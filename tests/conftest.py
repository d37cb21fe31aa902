"""Where all tests start: no network, no cache of the user's, one thread, and one trained toy."""

import os
import tempfile

# Read at import by the libraries themselves, so set before any of them.
os.environ["HF_HUB_OFFLINE"] = "1"
_CACHE = tempfile.TemporaryDirectory(prefix="textiba-tests-", ignore_cleanup_errors=True)
os.environ["HF_DATASETS_CACHE"] = _CACHE.name
os.environ["TEXTIBA_CACHE"] = f"{_CACHE.name}/textiba"
os.environ["HF_DATASETS_DISABLE_PROGRESS_BARS"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"
os.environ["OMP_NUM_THREADS"] = "1"  # of the processes that tests start, too

import benches  # noqa: E402
import jaxtyping  # noqa: E402
import pytest  # noqa: E402
import toys  # noqa: E402

from textiba.benchmark import benchmark  # noqa: E402
from textiba.benchmark.folder import BenchmarkFolder  # noqa: E402

# Helpers whose assertions say what they found, as those of tests do.
pytest.register_assert_rewrite("browsers", "odd_rows", "outputs")


def pytest_configure(config: pytest.Config) -> None:
    """A warning that no test expects is an error; in pyproject.toml it would import textiba before jaxtyping can."""
    config.addinivalue_line("filterwarnings", "error::textiba.errors.TextibaWarning")


@pytest.fixture(scope="session")
def planted() -> toys.Trained:
    """A tiny BERT that was trained to look for one planted word, and the statistics of its features."""
    model = toys.train_planted()
    return model, toys.statistics(model)


@pytest.fixture(scope="session")
def small_benchmark(tmp_path_factory: pytest.TempPathFactory) -> BenchmarkFolder:
    """The folder of the benchmark in benches.py, run to its end."""
    return benchmark(benches.CONFIG, tmp_path_factory.mktemp("bench") / "run")


@pytest.fixture
def unchecked(monkeypatch: pytest.MonkeyPatch) -> None:
    """No type checks, which only the tests have: an argument of a wrong type reaches the code, as a user's does."""
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
