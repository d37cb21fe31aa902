"""Training of readout networks."""

from textiba.training.loop import train_readout
from textiba.training.recipe import ReadoutRecipe

__all__ = ["ReadoutRecipe", "train_readout"]
