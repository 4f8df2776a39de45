"""Calibrators: from a margin to a probability, fitted on out-of-fold margins only."""
