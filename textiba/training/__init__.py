"""Training: checkpoints, and readout networks."""
