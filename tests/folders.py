"""What the tests of runs share."""

from textiba.store import RunFolder


def table(folder: RunFolder) -> dict[tuple, tuple[float, ...]]:
    """Every score by review, checkpoint, method and settings."""
    return {
        (i, a.checkpoint, a.method, str(a.settings)): tuple(a.scores[list(a.review.content)].tolist())
        for i, a in folder.read()
    }
