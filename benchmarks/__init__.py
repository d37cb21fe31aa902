"""Speed and memory, as ratios within one run: `.venv/bin/python -m benchmarks`."""
