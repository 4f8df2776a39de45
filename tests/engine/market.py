"""Small seeded markets for the tests of the online half."""

import numpy as np

from streams.events import Bar, Signal

DAY_NS = 86_400_000_000_000
START_NS = 1_577_912_400_000_000_000  # 2020-01-01 21:00 UTC, a New York close in winter


def random_bars(
    symbol: str = "AAA",
    count: int = 300,
    seed: int = 1,
    interval: str = "1d",
    start_ns: int = START_NS,
    step_ns: int = DAY_NS,
) -> list[Bar]:
    """A geometric random walk with sane ranges."""
    rng = np.random.default_rng(seed)
    close = 100.0 * np.exp(np.cumsum(rng.normal(0.0, 0.015, count)))
    open_ = np.concatenate(([100.0], close[:-1])) * np.exp(rng.normal(0.0, 0.003, count))
    high = np.maximum(open_, close) * np.exp(np.abs(rng.normal(0.0, 0.005, count)))
    low = np.minimum(open_, close) * np.exp(-np.abs(rng.normal(0.0, 0.005, count)))
    volume = rng.lognormal(12.0, 0.4, count)
    return [
        Bar(
            symbol,
            interval,
            start_ns + i * step_ns,
            float(open_[i]),
            float(high[i]),
            float(low[i]),
            float(close[i]),
            float(volume[i]),
        )
        for i in range(count)
    ]


def signal_on(
    bar: Bar, signal_id: str = "s1", strategy: str = "alpha", **changes: object
) -> Signal:
    """A long signal made on `bar`, with a stop 5 % below."""
    fields: dict[str, object] = {
        "signal_id": signal_id,
        "strategy": strategy,
        "symbol": bar.symbol,
        "interval": bar.interval,
        "ts": bar.ts,
        "side": 1,
        "score": 0.6,
        "price": bar.close,
        "stop": bar.close * 0.95,
    }
    return Signal(**(fields | changes))  # type: ignore[arg-type]
