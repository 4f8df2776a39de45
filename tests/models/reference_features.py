"""Features as a textbook writes them: plain numpy on the whole history, nothing shared with ours.

`REFERENCES[name](bars)` is the value of `name` as of the last bar.
"""

import calendar
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np

from models.context import CONTEXT_FIELDS
from tests.models.bars import Bars, Floats

Reference = Callable[[Bars], float]
REFERENCES: dict[str, Reference] = {}


def prices(bars: Bars) -> tuple[Floats, Floats, Floats, Floats, Floats]:
    open_, high, low, close, volume = bars.values.T
    return open_, high, low, close, volume


def log_returns(bars: Bars) -> Floats:
    return np.diff(np.log(bars.values[:, 3]))


def true_ranges(bars: Bars) -> Floats:
    _, high, low, close, _ = prices(bars)
    before = close[:-1]
    choices = [high[1:] - low[1:], np.abs(high[1:] - before), np.abs(low[1:] - before)]
    return np.max(choices, axis=0)


def ema(values: Floats, bars: int, start: float) -> Floats:
    average, averages = start, []
    for value in values:
        average += (value - average) * 2 / (bars + 1)
        averages.append(average)
    return np.array(averages)


def rsi(close: Floats, bars: int) -> float:
    changes = np.diff(close)
    gain = np.maximum(changes, 0.0)[:bars].mean()
    loss = np.maximum(-changes, 0.0)[:bars].mean()
    for change in changes[bars:]:
        gain = (gain * (bars - 1) + max(change, 0.0)) / bars
        loss = (loss * (bars - 1) + max(-change, 0.0)) / bars
    return 100.0 if loss == 0.0 else 100.0 - 100.0 / (1.0 + gain / loss)


def macd(close: Floats) -> tuple[Floats, Floats]:
    line = ema(close, 12, close[0]) - ema(close, 26, close[0])
    return line, ema(line, 9, 0.0)


def stochastic(bars: Bars) -> float:
    _, high, low, close, _ = prices(bars)
    return 100 * (close[-1] - low[-14:].min()) / (high[-14:].max() - low[-14:].min())


def position(bars: Bars, window: int) -> float:
    _, high, low, close, _ = prices(bars)
    bottom = low[-window:].min()
    return (close[-1] - bottom) / (high[-window:].max() - bottom)


def autocorrelation(returns: Floats, window: int) -> float:
    now, before = returns[-window:], returns[-window - 1 : -1]
    return (now * before).sum() / np.sqrt((now**2).sum() * (before**2).sum())


def skewness(values: Floats) -> float:
    deviations = values - values.mean()
    return (deviations**3).mean() / (deviations**2).mean() ** 1.5


def bollinger(close: Floats) -> tuple[float, float]:
    middle, spread = close[-20:].mean(), close[-20:].std()
    lower, upper = middle - 2 * spread, middle + 2 * spread
    return (close[-1] - lower) / (upper - lower), (upper - lower) / middle


def streak(close: Floats) -> float:
    signs = np.sign(np.diff(close))[::-1]
    same = signs == signs[0]
    return signs[0] * min(len(same) if same.all() else int(np.argmin(same)), 20)


def shadow(bars: Bars, side: str) -> float:
    open_, high, low, close, _ = bars.values[-1]
    size = high - max(open_, close) if side == "upper" else min(open_, close) - low
    return size / (high - low) if high > low else 0.0


def body(bars: Bars) -> float:
    open_, high, low, close, _ = bars.values[-1]
    return (close - open_) / (high - low) if high > low else 0.0


def ibs(bars: Bars) -> float:
    _, high, low, close, _ = bars.values[-1]
    return (close - low) / (high - low) if high > low else 0.5


def rising_volume_share(bars: Bars) -> float:
    _, _, _, close, volume = prices(bars)
    changes, volumes = np.diff(close)[-20:], volume[-20:]
    rising = volumes[changes > 0].sum() + volumes[changes == 0].sum() / 2
    return rising / volumes.sum()


def gaps(bars: Bars) -> Floats:
    open_, _, _, close, _ = prices(bars)
    return open_[1:] - close[:-1]


def told(bars: Bars, field: str) -> Floats:
    """What the context said of others, bar by bar."""
    return bars.contexts[:, CONTEXT_FIELDS.index(field)]


def beside(bars: Bars, reference: str) -> float:
    close = bars.values[:-1, 3]
    return close[-1] / close[-21] - 1 - told(bars, f"{reference}_own_return_20")[-1]


def pairs(bars: Bars) -> Floats:
    """Own returns of the last 60 completed bars, and the market's: each told one bar later."""
    return np.stack([log_returns(bars)[-61:-1], told(bars, "market_own_log_return")[-60:]])


def beta(bars: Bars) -> float:
    covariance = np.cov(pairs(bars))
    return covariance[0, 1] / covariance[1, 1]


def local_close(bars: Bars) -> datetime:
    instant = datetime.fromtimestamp(int(bars.ts[-1]) / 1e9, UTC)
    return instant.astimezone(ZoneInfo("America/New_York"))


def weekdays_of_month(day: datetime) -> list[int]:
    days = range(1, calendar.monthrange(day.year, day.month)[1] + 1)
    return [d for d in days if calendar.weekday(day.year, day.month, d) < 5]


def is_month_end(bars: Bars) -> float:
    following = local_close(bars) + timedelta(days=1)
    while following.weekday() >= 5:
        following += timedelta(days=1)
    return float(following.month != local_close(bars).month)


def is_month_turn(bars: Bars) -> float:
    day = local_close(bars)
    return float(is_month_end(bars) or day.day in weekdays_of_month(day)[:3])


def add(name: str, reference: Reference) -> None:
    REFERENCES[name] = reference


for n in (1, 2, 3, 5, 10, 20, 60):
    add(f"return_{n}", lambda b, n=n: b.values[-1, 3] / b.values[-1 - n, 3] - 1)
for n in (5, 10, 20, 60):
    add(f"volatility_{n}", lambda b, n=n: log_returns(b)[-n:].std(ddof=1))
for short, long in ((5, 20), (20, 60)):
    add(
        f"volatility_{short}_to_{long}",
        lambda b, s=short, n=long: (
            log_returns(b)[-s:].std(ddof=1) / log_returns(b)[-n:].std(ddof=1)
        ),
    )
    add(
        f"volume_{short}_to_{long}",
        lambda b, s=short, n=long: b.values[-s:, 4].mean() / b.values[-n:, 4].mean(),
    )
add(
    "parkinson_20",
    lambda b: np.sqrt(
        (np.log(b.values[-20:, 1] / b.values[-20:, 2]) ** 2).mean() / (4 * np.log(2))
    ),
)
add(
    "downside_share_20",
    lambda b: (np.minimum(log_returns(b)[-20:], 0) ** 2).sum() / (log_returns(b)[-20:] ** 2).sum(),
)
add("atr_pct_14", lambda b: true_ranges(b)[-14:].mean() / b.values[-1, 3])
add("atr_5_to_20", lambda b: true_ranges(b)[-5:].mean() / true_ranges(b)[-20:].mean())
add("atr_14_to_60", lambda b: true_ranges(b)[-14:].mean() / true_ranges(b)[-60:].mean())
add("true_range_pct", lambda b: true_ranges(b)[-1] / b.values[-1, 3])
add("high_low_pct", lambda b: (b.values[-1, 1] - b.values[-1, 2]) / b.values[-1, 3])
add("true_range_to_mean_20", lambda b: true_ranges(b)[-1] / true_ranges(b)[-20:].mean())
for n in (20, 60):
    add(f"autocorrelation_{n}", lambda b, n=n: autocorrelation(log_returns(b), n))
    add(f"skewness_{n}", lambda b, n=n: skewness(log_returns(b)[-n:]))
    add(f"bars_since_high_{n}", lambda b, n=n: np.argmax(b.values[: -n - 1 : -1, 1]))
    add(f"bars_since_low_{n}", lambda b, n=n: np.argmin(b.values[: -n - 1 : -1, 2]))
add("bollinger_position_20", lambda b: bollinger(b.values[:, 3])[0])
add("bollinger_width_20", lambda b: bollinger(b.values[:, 3])[1])
for n in (5, 20, 60, 252):
    add(f"range_position_{n}", lambda b, n=n: position(b, n))
    add(f"drawdown_{n}", lambda b, n=n: b.values[-1, 3] / b.values[-n:, 1].max() - 1)
for n in (10, 20, 60):
    add(
        f"efficiency_{n}",
        lambda b, n=n: (
            abs(b.values[-1, 3] - b.values[-1 - n, 3])
            / np.abs(np.diff(b.values[-1 - n :, 3])).sum()
        ),
    )
for n in (10, 20, 50):
    add(
        f"ema_distance_{n}",
        lambda b, n=n: b.values[-1, 3] / ema(b.values[:, 3], n, b.values[0, 3])[-1] - 1,
    )
for n in (10, 20, 50, 100, 200):
    add(f"sma_distance_{n}", lambda b, n=n: b.values[-1, 3] / b.values[-n:, 3].mean() - 1)
    add(
        f"sma_slope_{n}",
        lambda b, n=n: b.values[-n:, 3].mean() / b.values[-n - 5 : -5, 3].mean() - 1,
    )
add("macd", lambda b: macd(b.values[:, 3])[0][-1] / b.values[-1, 3])
add("macd_signal", lambda b: macd(b.values[:, 3])[1][-1] / b.values[-1, 3])
add(
    "macd_histogram",
    lambda b: (macd(b.values[:, 3])[0][-1] - macd(b.values[:, 3])[1][-1]) / b.values[-1, 3],
)
for n in (2, 5, 14):
    add(f"rsi_{n}", lambda b, n=n: rsi(b.values[:, 3], n))
add("gap", lambda b: gaps(b)[-1] / b.values[-2, 3])
add("gap_mean_10", lambda b: np.abs(gaps(b)[-10:] / b.values[-11:-1, 3]).mean())
add("gap_share_10", lambda b: np.abs(gaps(b)[-10:]).sum() / true_ranges(b)[-10:].sum())
add("body_to_range", body)
add("upper_shadow_to_range", lambda b: shadow(b, "upper"))
add("lower_shadow_to_range", lambda b: shadow(b, "lower"))
add("open_to_close", lambda b: b.values[-1, 3] / b.values[-1, 0] - 1)
add("ibs", ibs)
add("stochastic_k_14", stochastic)
add(
    "stochastic_d_14",
    lambda b: np.mean([stochastic(b.part(0, len(b.ts) - back)) for back in range(3)]),
)
add("streak", lambda b: streak(b.values[:, 3]))
add("up_share_20", lambda b: (np.diff(b.values[:, 3])[-20:] > 0).mean())
for n in (5, 20):
    add(f"volume_to_mean_{n}", lambda b, n=n: b.values[-1, 4] / b.values[-n:, 4].mean())
add(
    "volume_zscore_20",
    lambda b: (b.values[-1, 4] - b.values[-20:, 4].mean()) / b.values[-20:, 4].std(ddof=1),
)
add(
    "dollar_volume_to_mean_20",
    lambda b: (
        (b.values[:, 3] * b.values[:, 4])[-1] / (b.values[:, 3] * b.values[:, 4])[-20:].mean()
    ),
)
add(
    "dollar_volume_5_to_60",
    lambda b: (
        (b.values[:, 3] * b.values[:, 4])[-5:].mean()
        / (b.values[:, 3] * b.values[:, 4])[-60:].mean()
    ),
)
add("up_volume_share_20", rising_volume_share)
add("hour_of_day", lambda b: local_close(b).hour + local_close(b).minute / 60)
add("day_of_week", lambda b: local_close(b).weekday())
add("day_of_month", lambda b: local_close(b).day)
add("month", lambda b: local_close(b).month)
add("is_month_end", is_month_end)
add("is_month_turn", is_month_turn)
for field in ("return_1", "return_5", "return_20", "volatility_20", "sma_distance_200"):
    add(f"market_{field}", lambda b, f=field: told(b, f"market_{f}")[-1])
for field in ("return_1", "return_5", "return_20"):
    add(f"sector_{field}", lambda b, f=field: told(b, f"sector_{f}")[-1])
for field in ("breadth_above_sma_50", "breadth_advancing"):
    add(field, lambda b, f=field: told(b, f)[-1])
add("relative_strength_20", lambda b: beside(b, "market"))
add("relative_strength_sector_20", lambda b: beside(b, "sector"))
add("market_beta_60", beta)
add("market_correlation_60", lambda b: np.corrcoef(pairs(b))[0, 1])
