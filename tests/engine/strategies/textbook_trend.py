"""The rules of the strategies that follow, by the book, for longs.

A short is a long on the same market upside down; `breakout` and `momentum_rank` reckon in
fractions of price, so their shorts are written out.
"""

import numpy as np

from tests.engine.strategies.textbook import (
    Columns,
    Told,
    atr,
    before,
    ema,
    highest,
    lowest,
    mean,
    over_last,
    squashed,
    true_range,
    wilder,
    with_trend,
)


def breakout(x: Columns, p) -> Told:
    fast, slow = before(highest(x.high, 10)), before(highest(x.high, 20))
    # Upside down a fraction of price points the other way.
    sign = np.sign(x.close[0])
    enter = (
        (x.close > fast * (1.0 + sign * p.fast_clearance))
        & (x.close > slow * (1.0 + sign * p.slow_clearance))
        & with_trend(x, p.trend_ma)
    )
    indicators = {
        "fast_high": fast,
        "slow_high": slow,
        "fast_low": before(lowest(x.low, 10)),
        "slow_low": before(lowest(x.low, 20)),
        "trend_ma": mean(x.close, p.trend_ma),
        "exit_ma": mean(x.close, p.exit_ma),
    }
    leave = x.close < mean(x.close, p.exit_ma)
    return Told(enter, squashed(x.close - slow, atr(x)), leave, indicators)


def donchian_trend(x: Columns, p) -> Told:
    top = before(highest(x.high, p.entry_bars))
    way = np.abs(x.close - before(x.close))
    ratio = np.full(len(way), np.nan)
    ratio[1:] = over_last(way[1:], p.entry_bars, np.sum)
    ratio = np.abs(x.close - before(x.close, p.entry_bars)) / ratio
    floor = before(lowest(x.low, p.exit_bars))
    indicators = {
        "entry_high": top,
        "entry_low": before(lowest(x.low, p.entry_bars)),
        "exit_high": before(highest(x.high, p.exit_bars)),
        "exit_low": floor,
        "efficiency_ratio": ratio,
    }
    return Told(x.close > top, ratio, x.close < floor, indicators)


def moving_average_cross(x: Columns, p) -> Told:
    fast, slow = mean(x.close, p.fast_ma), mean(x.close, p.slow_ma)
    enter = (fast > slow) & (before(fast) <= before(slow))
    score = squashed(x.close - slow, atr(x))
    return Told(enter, score, fast < slow, {"fast_ma": fast, "slow_ma": slow})


def macd_trend(x: Columns, p) -> Told:
    slow = ema(x.close, p.slow)
    macd = ema(x.close, p.fast) - slow
    line = ema(macd, p.signal)
    histogram = macd - line
    enter = (histogram > 0.0) & (before(histogram) <= 0.0) & with_trend(x, p.trend_ma)
    indicators = {"macd": macd, "signal": line, "histogram": histogram}
    return Told(enter, squashed(x.close - slow, atr(x)), histogram < 0.0, indicators)


def keltner_breakout(x: Columns, p) -> Told:
    middle, one_atr = ema(x.close, p.period), atr(x)
    upper = middle + p.width * one_atr
    indicators = {
        "middle_band": middle,
        "upper_band": upper,
        "lower_band": middle - p.width * one_atr,
    }
    return Told(x.close > upper, squashed(x.close - upper, one_atr), x.close < middle, indicators)


def momentum_rank(x: Columns, p) -> Told:
    sign = np.sign(x.close[0])
    returns = x.close[1:] / x.close[:-1] - 1.0
    volatility = np.full(len(x.close), np.nan)
    volatility[1:] = over_last(returns, 63, np.std)
    way = np.log(before(x.close, p.skip_bars) / before(x.close, p.lookback_bars))
    momentum = way / (volatility * np.sqrt(p.lookback_bars - p.skip_bars))
    along = sign * momentum
    return Told(along > p.entry, squashed(along, 1.0), along < 0.0, {"momentum": momentum})


def volatility_contraction(x: Columns, p) -> Told:
    spread = x.high - x.low
    others = before(lowest(spread, p.bars - 1))
    is_narrow = before((spread < others).astype(float)) == 1.0
    ratio = spread / mean(spread, p.bars)
    enter = is_narrow & (x.close > before(x.high)) & with_trend(x, p.trend_ma)
    exit_mean = mean(x.close, p.exit_ma)
    indicators = {"range_ratio": ratio, "exit_ma": exit_mean}
    return Told(enter, 1.0 - before(ratio), x.close < exit_mean, indicators)


def adx_trend(x: Columns, p) -> Told:
    up, down = x.high - before(x.high), before(x.low) - x.low
    ranges = true_range(x)
    ranges[0] = np.nan
    full = wilder(ranges, p.period)
    first = np.isnan(up)
    plus = np.where(first, np.nan, np.where((up > down) & (up > 0.0), up, 0.0))
    minus = np.where(first, np.nan, np.where((down > up) & (down > 0.0), down, 0.0))
    plus_di = 100.0 * wilder(plus, p.period) / full
    minus_di = 100.0 * wilder(minus, p.period) / full
    adx = wilder(100.0 * np.abs(plus_di - minus_di) / (plus_di + minus_di), p.period)
    indicators = {"adx": adx, "plus_di": plus_di, "minus_di": minus_di}
    enter = (adx > p.threshold) & (plus_di > minus_di)
    return Told(enter, adx / 100.0, plus_di < minus_di, indicators)


RULES = {
    rule.__name__: rule
    for rule in (
        breakout,
        donchian_trend,
        moving_average_cross,
        macd_trend,
        keltner_breakout,
        momentum_rank,
        volatility_contraction,
        adx_trend,
    )
}
