"""Evaluation of attributions: degradation, layer profiles, intervals, metrics."""
