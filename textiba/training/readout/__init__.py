"""Training of readout networks."""

from textiba.training.readout.loop import train_readout
from textiba.training.readout.recipe import ReadoutRecipe

__all__ = ["ReadoutRecipe", "train_readout"]
