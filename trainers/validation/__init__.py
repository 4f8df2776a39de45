"""Validation: splitters in time, which purge by label spans, for scikit-learn and for ourselves."""
