"""Evaluation of attributions: degradation, layer profiles, intervals and tests, metrics."""
