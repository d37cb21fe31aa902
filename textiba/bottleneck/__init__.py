"""The bottleneck: gates, feature statistics, and the readout network that predicts gates."""
