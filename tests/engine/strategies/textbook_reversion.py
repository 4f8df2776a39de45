"""The rules of the strategies that trade back to a mean, by the book, for longs.

A short is a long on the same market upside down.
"""

import numpy as np

from tests.engine.strategies.textbook import (
    Columns,
    Told,
    atr,
    before,
    highest,
    lowest,
    mean,
    over_last,
    squashed,
    wilder,
    with_trend,
)


def rsi2_mean_reversion(x: Columns, p) -> Told:
    change = x.close - before(x.close)
    gain = wilder(np.maximum(change, 0.0), p.period)
    loss = wilder(np.maximum(-change, 0.0), p.period)
    rsi = 100.0 - 100.0 / (1.0 + gain / loss)
    enter = (rsi < p.entry) & with_trend(x, p.trend_ma)
    indicators = {"rsi": rsi, "trend_ma": mean(x.close, p.trend_ma)}
    return Told(enter, 1.0 - rsi / p.entry, rsi > p.exit, indicators)


def bollinger_reversion(x: Columns, p) -> Told:
    middle, deviation = mean(x.close, p.period), over_last(x.close, p.period, np.std)
    lower = middle - p.width * deviation
    enter = (x.close < lower) & with_trend(x, p.trend_ma)
    indicators = {
        "middle_band": middle,
        "upper_band": middle + p.width * deviation,
        "lower_band": lower,
        "z_score": (x.close - middle) / deviation,
    }
    return Told(enter, squashed(lower - x.close, deviation), x.close >= middle, indicators)


def ibs_reversion(x: Columns, p) -> Told:
    spread = x.high - x.low
    ibs = np.where(spread > 0.0, (x.close - x.low) / np.where(spread > 0.0, spread, 1.0), 0.5)
    enter = (ibs < p.entry) & with_trend(x, p.trend_ma)
    indicators = {"ibs": ibs, "trend_ma": mean(x.close, p.trend_ma)}
    return Told(enter, 1.0 - ibs / p.entry, ibs > p.exit, indicators)


def stochastic_reversion(x: Columns, p) -> Told:
    top, bottom = highest(x.high, p.period), lowest(x.low, p.period)
    k = 100.0 * (x.close - bottom) / (top - bottom)
    d = np.full(len(k), np.nan)
    d[p.period - 1 :] = mean(k[p.period - 1 :], p.smooth)
    enter = (d < p.entry) & with_trend(x, p.trend_ma)
    indicators = {"stochastic_k": k, "stochastic_d": d}
    return Told(enter, 1.0 - d / p.entry, d > p.exit, indicators)


def consecutive_closes(x: Columns, p) -> Told:
    fell, rose = x.close < before(x.close), x.close > before(x.close)
    row = np.zeros(len(x.close))
    row[0] = np.nan
    for i in range(1, len(row)):
        last = 0.0 if i == 1 else row[i - 1]
        row[i] = min(last, 0.0) - 1.0 if fell[i] else max(last, 0.0) + 1.0 if rose[i] else 0.0
    enter = (row <= -p.bars) & with_trend(x, p.trend_ma)
    exit_mean = mean(x.close, p.exit_ma)
    indicators = {"closes_in_a_row": np.clip(row, -20.0, 20.0), "exit_ma": exit_mean}
    fall = before(x.close, p.bars) - x.close
    return Told(enter, squashed(fall, atr(x)), x.close > exit_mean, indicators)


def gap_fade(x: Columns, p) -> Told:
    down = before(x.low) - x.open
    up = x.open - before(x.high)
    one_atr = atr(x)
    is_gap = (down > 0.0) & (down >= p.min_gap_atr * one_atr)
    enter = is_gap & (x.close > x.open) & (x.close < before(x.close)) & with_trend(x, p.trend_ma)
    leave, target = np.full(len(down), False), np.inf
    for i in range(1, len(down)):
        target = x.close[i - 1] if is_gap[i] else target
        leave[i] = x.close[i] >= target
    size = np.where(up > 0.0, up, np.where(down > 0.0, -down, 0.0)) / one_atr
    size[0] = np.nan
    return Told(enter, squashed(down, one_atr), leave, {"gap_atr": size})


RULES = {
    rule.__name__: rule
    for rule in (
        rsi2_mean_reversion,
        bollinger_reversion,
        ibs_reversion,
        stochastic_reversion,
        consecutive_closes,
        gap_fade,
    )
}
