"""Sweeps: strategies × parameters × symbols into the research store, and the winners of it."""
