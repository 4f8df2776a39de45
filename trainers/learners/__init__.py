"""Learners: one file each, discovered by name."""
