"""Composition root: command line, process wiring, demo, pages."""
