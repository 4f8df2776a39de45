"""Continuous learning without a process that stays: what `assay learn` does, step by step."""
