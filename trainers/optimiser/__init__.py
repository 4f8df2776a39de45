"""The optimiser: studies of a strategy's parameters, shared by processes, judged at the end."""
