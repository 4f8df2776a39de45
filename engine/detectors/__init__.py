"""Drift detectors: one file each, discovered by name."""
