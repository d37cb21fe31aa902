"""Loads checkpoints by name, including the built-in checkpoints."""
