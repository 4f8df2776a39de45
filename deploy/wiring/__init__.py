"""Process wiring, one file per role."""
