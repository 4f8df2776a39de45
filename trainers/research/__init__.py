"""Research on strategies: histories, instruments, backtests, and the ledger of all trials."""
