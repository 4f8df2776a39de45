"""Online half: strategies, scorer, labeller, drift monitor, simulation and replay."""
