"""What feature families see: the bars, and sums and extremes of the last windows, made once.

Of every bar MEASURES are taken; their sums over the last 5, 10, 20 and 60 bars, and the highest
high and lowest low of the last 5, 14, 20, 60 and 252, are shared by all families. A sum is made
of shorter sums (20 bars of four times 5, 60 of three times 20), an extreme likewise: a few
additions a bar, and still the same bits whatever came before the window. Nothing is ever
subtracted from a running sum, so no bar, however large, leaves a trace once it has left.

State: float64, WINDOWS_SIZE long: rings of measures and sums by row, then of extremes.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.history import History
from models.kernel import kernel

(
    CLOSE,
    LOG_RETURN,
    SQUARED_RETURN,
    CUBED_RETURN,
    LAGGED_RETURNS,
    SQUARED_FALL,
    SQUARED_LOG_RANGE,
    TRUE_RANGE,
    PATH,
    GAP_PATH,
    GAP_SIZE,
    RISES,
    VOLUME,
    SQUARED_VOLUME,
    MONEY,
    RISING_VOLUME,
    MEASURES,
) = range(17)
"""Positions in a sum:

    CLOSE              close                      PATH            |close - previous close|
    LOG_RETURN         r = ln(close / previous)   GAP_PATH        |open - previous close|
    SQUARED_RETURN     r^2                        GAP_SIZE        GAP_PATH / previous close
    CUBED_RETURN       r^3                        RISES           1 if the close rose, else 0
    LAGGED_RETURNS     r * previous bar's r       VOLUME          volume
    SQUARED_FALL       r^2 if r < 0, else 0       SQUARED_VOLUME  volume^2
    SQUARED_LOG_RANGE  ln(high / low)^2           MONEY           close * volume
    TRUE_RANGE         max(high, previous close)  RISING_VOLUME   volume if the close rose, half
                       - min(low, previous close)                 if it did not change, else 0

What needs a previous close is NaN on the first bar, and so are the sums that hold that bar.
"""

LOG_RATIO_MAX = 700.0
"""Bound of a log ratio, so that its powers stay finite: exp(700) is about 1e304."""

# Rows kept, more than how far back a row is looked up: short rings have a power of two, for the
# mask; longer ones what they need.
_RAW_ROWS, _FIVE_ROWS, _TWENTY_ROWS, _SIXTY_ROWS = 8, 16, 41, 193
_FIVE_MASK = _FIVE_ROWS - 1

_FIVES = _RAW_ROWS * MEASURES
_TWENTIES = _FIVES + _FIVE_ROWS * MEASURES
_TENS = _TWENTIES + _TWENTY_ROWS * MEASURES
_SIXTIES = _TENS + MEASURES
_HIGHS = _SIXTIES + MEASURES
_EXTREMES = _FIVE_ROWS + _TWENTY_ROWS + _SIXTY_ROWS
_LOWS = _HIGHS + _EXTREMES
WINDOWS_SIZE = _LOWS + _EXTREMES

Floats = NDArray[np.float64]


class Extremes(NamedTuple):
    """The highest high, or the lowest low, of the last bars; the last of all while fewer."""

    last_5: float
    last_14: float
    last_20: float
    last_60: float
    last_252: float


class FeatureHistory(NamedTuple):
    """`models.history.History`, then what is shared by the families.

    `previous_close` and `log_return` are NaN on the first bar, `true_range` is high - low.
    A sum or extreme is that of its whole window from that many bars on.
    """

    ts: int
    open: Floats
    high: Floats
    low: Floats
    close: Floats
    volume: Floats
    end: int
    count: int  # type: ignore[assignment]  # hides tuple.count, which nobody calls
    previous_close: float
    log_return: float
    true_range: float
    sum_5: Floats
    sum_10: Floats
    sum_20: Floats
    sum_60: Floats
    highest: Extremes
    lowest: Extremes


@kernel
def log_ratio(numerator: float, denominator: float) -> float:
    """Return ln(numerator / denominator), within ±LOG_RATIO_MAX."""
    value: float = np.log(numerator / denominator)
    return min(max(value, -LOG_RATIO_MAX), LOG_RATIO_MAX)


@kernel
def _row(state: Floats, start: int, rows: int, count: int) -> Floats:
    """Return the row that belongs to bar number `count` in the ring at `start`."""
    at = start + (count & (rows - 1)) * MEASURES
    return state[at : at + MEASURES]


@kernel
def _back(at: int, bars: int, rows: int) -> int:
    """Return the place `bars` before the place `at` in a ring of `rows`, which are more."""
    return at - bars if at >= bars else at - bars + rows


@kernel
def _twenty_row(state: Floats, at: int) -> Floats:
    first = _TWENTIES + at * MEASURES
    return state[first : first + MEASURES]


@kernel
def _measure(history: History, before: Floats, row: Floats) -> tuple[float, float, float]:
    """Write the newest bar's measures; return previous close, log return and true range."""
    newest = history.end - 1
    high, low, close = history.high[newest], history.low[newest], history.close[newest]
    volume = history.volume[newest]
    log_range = log_ratio(high, low)
    row[:] = np.nan
    row[CLOSE] = close
    row[SQUARED_LOG_RANGE] = log_range * log_range
    row[VOLUME] = volume
    row[SQUARED_VOLUME] = volume * volume
    row[MONEY] = close * volume
    if history.count == 1:
        row[TRUE_RANGE] = high - low
        return np.nan, np.nan, high - low
    previous = history.close[newest - 1]
    log_return = log_ratio(close, previous)
    square = log_return * log_return
    rise, fall = close > previous, close < previous
    gap = abs(history.open[newest] - previous)
    row[LOG_RETURN] = log_return
    row[SQUARED_RETURN] = square
    row[CUBED_RETURN] = square * log_return
    row[LAGGED_RETURNS] = log_return * before[LOG_RETURN]
    row[SQUARED_FALL] = square if fall else 0.0
    row[TRUE_RANGE] = max(high, previous) - min(low, previous)
    row[PATH] = abs(close - previous)
    row[GAP_PATH] = gap
    row[GAP_SIZE] = gap / previous
    row[RISES] = 1.0 if rise else 0.0
    row[RISING_VOLUME] = volume if rise else (0.0 if fall else 0.5 * volume)
    return previous, log_return, row[TRUE_RANGE]


@kernel
def _sum_rows(state: Floats, count: int) -> None:
    """Write the sums as of bar `count`, each from shorter ones."""
    raw_0, raw_1 = _row(state, 0, _RAW_ROWS, count), _row(state, 0, _RAW_ROWS, count - 1)
    raw_2, raw_3 = _row(state, 0, _RAW_ROWS, count - 2), _row(state, 0, _RAW_ROWS, count - 3)
    raw_4 = _row(state, 0, _RAW_ROWS, count - 4)
    five_0 = _row(state, _FIVES, _FIVE_ROWS, count)
    five_5 = _row(state, _FIVES, _FIVE_ROWS, count - 5)
    five_10 = _row(state, _FIVES, _FIVE_ROWS, count - 10)
    five_15 = _row(state, _FIVES, _FIVE_ROWS, count - 15)
    at = count % _TWENTY_ROWS
    twenty_0 = _twenty_row(state, at)
    twenty_20 = _twenty_row(state, _back(at, 20, _TWENTY_ROWS))
    twenty_40 = _twenty_row(state, _back(at, 40, _TWENTY_ROWS))
    ten, sixty = state[_TENS : _TENS + MEASURES], state[_SIXTIES : _SIXTIES + MEASURES]
    for k in range(MEASURES):
        five = ((raw_0[k] + raw_1[k]) + (raw_2[k] + raw_3[k])) + raw_4[k]
        tenth = five + five_5[k]
        twenty = tenth + (five_10[k] + five_15[k])
        five_0[k] = five
        ten[k] = tenth
        twenty_0[k] = twenty
        sixty[k] = (twenty + twenty_20[k]) + twenty_40[k]


@kernel
def _extremes(rings: Floats, values: Floats, sign: float, end: int, count: int) -> Extremes:
    """Return the maxima of the last values, or with sign -1.0 the minima.

    Each is made of shorter ones, which may overlap.
    """
    fives, twenties = rings[:_FIVE_ROWS], rings[_FIVE_ROWS : _FIVE_ROWS + _TWENTY_ROWS]
    sixties = rings[_FIVE_ROWS + _TWENTY_ROWS :]
    if count == 1:
        rings[:] = -np.inf
    five = sign * values[end - 1]
    for back in range(2, min(count, 5) + 1):
        five = max(five, sign * values[end - back])
    at = count - 5
    ten = max(five, fives[at & _FIVE_MASK])
    fourteen = max(ten, fives[(at - 4) & _FIVE_MASK])
    twenty = max(ten, fives[(at - 5) & _FIVE_MASK], fives[(at - 10) & _FIVE_MASK])
    fives[count & _FIVE_MASK] = five
    at = count % _TWENTY_ROWS
    recent, older = twenties[_back(at, 20, _TWENTY_ROWS)], twenties[_back(at, 40, _TWENTY_ROWS)]
    sixty = max(twenty, recent, older)
    twenties[at] = twenty
    at = count % _SIXTY_ROWS
    recent = max(sixties[_back(at, 60, _SIXTY_ROWS)], sixties[_back(at, 120, _SIXTY_ROWS)])
    older = max(sixties[_back(at, 180, _SIXTY_ROWS)], sixties[_back(at, 192, _SIXTY_ROWS)])
    sixties[at] = sixty
    longest = max(sixty, recent, older)
    return Extremes(sign * five, sign * fourteen, sign * twenty, sign * sixty, sign * longest)


@kernel
def observe(state: Floats, history: History) -> FeatureHistory:
    """Take the newest bar's measures into `state` (float64, WINDOWS_SIZE)."""
    count, end = history.count, history.end
    raw = _row(state, 0, _RAW_ROWS, count)
    before = _row(state, 0, _RAW_ROWS, count - 1)
    previous_close, log_return, true_range = _measure(history, before, raw)
    _sum_rows(state, count)
    return FeatureHistory(
        history.ts,
        history.open,
        history.high,
        history.low,
        history.close,
        history.volume,
        end,
        count,
        previous_close,
        log_return,
        true_range,
        _row(state, _FIVES, _FIVE_ROWS, count),
        state[_TENS : _TENS + MEASURES],
        _twenty_row(state, count % _TWENTY_ROWS),
        state[_SIXTIES : _SIXTIES + MEASURES],
        _extremes(state[_HIGHS:_LOWS], history.high, 1.0, end, count),
        _extremes(state[_LOWS:WINDOWS_SIZE], history.low, -1.0, end, count),
    )
