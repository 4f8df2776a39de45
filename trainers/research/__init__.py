"""Research on strategies: histories, sweeps, the optimiser, and the ledger of their trials."""
