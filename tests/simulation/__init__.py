"""Whole runs: replay, hot swap, killed processes."""
