"""Bars for feature tests: one float64 row per bar, open to volume, with the close instants."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.context import BREADTH, CONTEXT_SIZE, UTC_OFFSET_SECONDS
from streams.session import session

Floats = NDArray[np.float64]


class Bars(NamedTuple):
    """`ts` int64 (n,), `values` float64 (n, 5), `contexts` float64 (n, CONTEXT_SIZE)."""

    ts: NDArray[np.int64]
    values: Floats
    contexts: Floats

    def part(self, start: int, stop: int) -> "Bars":
        return Bars(self.ts[start:stop], self.values[start:stop], self.contexts[start:stop])


def daily_closes(count: int, first: str = "2019-01-02") -> NDArray[np.int64]:
    """The closes of `count` weekdays in New York."""
    days = np.busday_offset(np.datetime64(first, "D"), np.arange(count), roll="forward")
    return session("us_equity").daily_close_ns(days.astype("datetime64[ns]").astype(np.int64))


def contexts_at(ts: NDArray[np.int64], name: str = "us_equity") -> Floats:
    """The clock of a session, and other symbols that do not move: half of them above their mean."""
    contexts = np.zeros((len(ts), CONTEXT_SIZE))
    contexts[:, UTC_OFFSET_SECONDS] = session(name).utc_offsets(ts)
    contexts[:, BREADTH:] = 0.5
    return contexts


def with_time(values: Floats) -> Bars:
    ts = daily_closes(len(values))
    return Bars(ts, np.ascontiguousarray(values), contexts_at(ts))


def among_others(bars: Bars) -> Bars:
    """The same bars beside others that move: as they do on the same bar of any history."""
    contexts = bars.contexts.copy()
    for field in range(UTC_OFFSET_SECONDS + 1, CONTEXT_SIZE):
        contexts[:, field] = np.sin(bars.values[:, 3] * (field + 0.7)) / 50.0
    contexts[:, BREADTH:] = 0.5 + 20.0 * contexts[:, BREADTH:]
    return bars._replace(contexts=contexts)


def market(seed: int, count: int, volatility: float = 0.02) -> Bars:
    """A random walk with gaps, doji bars, unchanged closes and bars without volume."""
    rng = np.random.default_rng(seed)
    moves = rng.normal(0.0, volatility, count) * rng.choice([0.0, 1.0], count, p=[0.05, 0.95])
    close = 100.0 * np.exp(np.cumsum(moves))
    before = np.concatenate([[100.0], close[:-1]])
    open_ = before * np.exp(rng.normal(0.0, volatility / 2, count))
    doji = rng.random(count) < 0.03
    open_ = np.where(doji, close, open_)
    wick = np.where(doji, 0.0, volatility / 2)
    high = np.maximum(open_, close) * (1.0 + wick * rng.random(count))
    low = np.minimum(open_, close) * (1.0 - wick * rng.random(count))
    volume = np.round(rng.lognormal(10.0, 0.5, count)) * (rng.random(count) > 0.02)
    return among_others(with_time(np.stack([open_, high, low, close, volume], axis=1)))


def flat(count: int, price: float = 101.3, volume: float = 0.0) -> Bars:
    """A market that does not move at all."""
    return with_time(np.tile([price, price, price, price, volume], (count, 1)))
