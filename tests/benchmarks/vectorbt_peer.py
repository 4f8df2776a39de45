"""The peer of bench_backtest: vectorbt's signals portfolio, in an interpreter of its own.

    PYTHON vectorbt_peer.py signals.npz

Prints one JSON line: the best time of ROUNDS calls of `Portfolio.from_signals`, once compiled, and
how many trades it closed. Signals of a close are filled at the next open, stops within the bar.
"""

import json
import sys
import time

import numpy as np
import pandas as pd
import vectorbt as vbt

ROUNDS = 7


def main(file: str) -> None:
    data = {name: pd.DataFrame(values) for name, values in np.load(file).items()}
    best = float("inf")
    for _ in range(ROUNDS + 1):
        began = time.perf_counter()
        portfolio = vbt.Portfolio.from_signals(
            data["close"],
            data["entries"],
            data["exits"],
            price=data["open"],
            open=data["open"],
            high=data["high"],
            low=data["low"],
            sl_stop=data["stop"],
            size=1.0,
            init_cash=1e9,
            freq="1D",
        )
        best = min(best, time.perf_counter() - began)
    trades = int(portfolio.trades.closed.count().sum())
    print(json.dumps({"seconds": best, "trades": trades, "version": vbt.__version__}))


if __name__ == "__main__":
    main(sys.argv[1])
