"""What the tests of strategies share: the sample's bars, and a strategy run over bars."""

import numpy as np
import polars as pl

from engine.strategy import DECISION_SIZE, Strategy
from tests.house import ROOT

SAMPLE = ROOT / "streams" / "data" / "us_stocks_daily.parquet"

Bars = tuple[np.ndarray, np.ndarray]


def read_sample() -> dict[str, Bars]:
    """Closes in ns and prices, float64 (n, 5), of each symbol of the bundled sample."""
    table = pl.read_parquet(SAMPLE)
    found = {}
    for (symbol,), rows in table.group_by(["symbol"], maintain_order=True):
        prices = rows.select("open", "high", "low", "close", "volume").to_numpy()
        ts = rows["ts"].dt.epoch("ns").to_numpy().copy()  # as columns of our own are: writable
        found[symbol] = (ts, np.ascontiguousarray(prices))
    return found


def columns(bars) -> Bars:
    """Events of the kind `Bar` as arrays."""
    ts = np.array([bar.ts for bar in bars], dtype=np.int64)
    prices = [(bar.open, bar.high, bar.low, bar.close, bar.volume) for bar in bars]
    return ts, np.array(prices)


def decisions(strategy: Strategy, ts, prices, params=None) -> np.ndarray:
    """What the strategy decides at each close of one symbol, float64 (n, DECISION_SIZE)."""
    states = strategy.new_states(1)
    out = np.empty((len(ts), DECISION_SIZE))
    vector = strategy.vector(strategy.decode_params(params or {}, "params"))
    slots = np.zeros(len(ts), dtype=np.int64)
    strategy.update_many(states, slots, ts, np.ascontiguousarray(prices), vector, out)
    return out


def indicators(strategy: Strategy, ts, prices, params=None) -> tuple[np.ndarray, np.ndarray]:
    """Decisions and indicators at each close of one symbol."""
    states = strategy.new_states(1)
    decided = np.empty((len(ts), DECISION_SIZE))
    out = np.empty((len(ts), len(strategy.indicator_names)))
    vector = strategy.vector(strategy.decode_params(params or {}, "params"))
    slots = np.zeros(len(ts), dtype=np.int64)
    bars = np.ascontiguousarray(prices)
    strategy.indicators_many(states, slots, ts, bars, vector, decided, out)
    return decided, out


def sides_of(strategy: Strategy, *, longs: bool, shorts: bool) -> dict[str, bool]:
    """The parameters that switch its sides; those that come with no `longs` are always long."""
    wanted = {"longs": longs, "shorts": shorts}
    fields = strategy.params_type.__struct_fields__
    return {name: value for name, value in wanted.items() if name in fields}
