"""Checkpoints by name, and the built-in ones."""
