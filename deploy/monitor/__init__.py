"""What an operator sees of a run: one picture of everything that watches and decides."""
