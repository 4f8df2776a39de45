"""Made-up daily bars for extraction: enough ups and downs for every strategy to trade."""

import datetime

import numpy as np
import polars as pl

FIRST_DAY = datetime.date(2015, 1, 1)


def daily(symbol: str | None = None, bars: int = 1200, seed: int = 1) -> pl.DataFrame:
    """Bars in the columns of the original design; with `symbol`, a column of it."""
    rng = np.random.default_rng(seed)
    steps = rng.normal(0.0004, 0.012, bars) + 0.02 * np.sin(np.arange(bars) / 3.0)
    close = 100.0 * np.exp(np.cumsum(steps))
    open_ = close * np.exp(rng.normal(0.0, 0.004, bars))
    high = np.maximum(open_, close) * (1.0 + np.abs(rng.normal(0.0, 0.004, bars)))
    low = np.minimum(open_, close) * (1.0 - np.abs(rng.normal(0.0, 0.004, bars)))
    days = pl.date_range(FIRST_DAY, FIRST_DAY + datetime.timedelta(bars - 1), eager=True)
    frame = pl.DataFrame(
        {
            "Date/Time": days,
            "Open": open_,
            "High": high,
            "Low": low,
            "Close": close,
            "Volume": rng.integers(1_000, 9_000, bars).astype(float),
        }
    )
    return frame if symbol is None else frame.with_columns(pl.lit(symbol).alias("Symbol"))
