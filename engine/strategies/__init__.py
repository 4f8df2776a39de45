"""Strategies: one file each, discovered by name, written once for stream and backtest."""
