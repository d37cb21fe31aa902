"""Where all tests start: no network, no cache of the user's, one thread, and one trained toy."""

import os
import tempfile

# Read at import by the libraries themselves, so set before any of them.
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["HF_DATASETS_CACHE"] = tempfile.mkdtemp(prefix="textiba-tests-")
os.environ["HF_DATASETS_DISABLE_PROGRESS_BARS"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"

import pytest
import torch
import toys

torch.set_num_threads(1)


def pytest_configure(config: pytest.Config) -> None:
    """A warning that no test expects is an error; in pyproject.toml it would import textiba before jaxtyping can."""
    config.addinivalue_line("filterwarnings", "error::textiba.errors.TextibaWarning")


@pytest.fixture(scope="session")
def planted() -> toys.Trained:
    """A tiny BERT that was trained to look for one planted word, and the statistics of its features."""
    encoder = toys.train_planted()
    return encoder, toys.statistics(encoder)
