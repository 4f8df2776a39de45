"""Tuning: which hyperparameters of a learner are worth more than its defaults, within one span."""
