"""Ranks the words of the marked pairs by the size of their scores, without the sign.

`python -m experiments.nli.by_size RUN DATA` writes the shares to result.json. RUN is the folder that
`textiba benchmark experiments/nli/esnli.yaml` made, and DATA is the folder of the data set.
"""

import json
import sys
from pathlib import Path

import numpy as np
import pyarrow.dataset

import textiba
from textiba.benchmark import BenchmarkConfig
from textiba.evaluation.metrics.plausibility import top_share

HERE = Path(__file__).parent


def shares(run: Path, data: str) -> dict[str, dict[str, float]]:
    """For each method, the mean share of the top words that are marked, by the signed score and by its size."""
    config = BenchmarkConfig.from_yaml(HERE / "esnli.yaml").with_sources([data])
    [checkpoint], [choice] = config.checkpoints, config.data.values()
    texts = textiba.load(checkpoint, config.max_length).tokenize(list(choice.load()))
    found: dict[str, dict[str, float]] = {}
    for method in config.methods:
        [folder] = (run / "rows").glob(f"*/*/{method.title}")
        signed, by_size = [], []
        for row in pyarrow.dataset.dataset(folder).to_table(columns=["index", "scores"]).to_pylist():
            text = texts[row["index"]]
            score = dict(zip(text.content, row["scores"], strict=True))
            words = np.array([sum(score[position] for position in word) for word in text.words])
            marked = np.array([any(text.rationale[position] for position in word) for word in text.words])
            signed.append(top_share(words, marked))
            by_size.append(top_share(np.abs(words), marked))
        found[method.title] = {"signed": round(float(np.mean(signed)), 4), "by size": round(float(np.mean(by_size)), 4)}
    return found


if __name__ == "__main__":
    result = shares(Path(sys.argv[1]), sys.argv[2])
    (HERE / "result.json").write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    for method, values in result.items():
        sys.stdout.write(f"{method:22} signed {values['signed']:.3f}  by size {values['by size']:.3f}\n")
