"""The market and the sector: what they did before the bar, and the symbol beside them.

Input: close, log return, the market's and the sector's values of the context. Output:
`market_return_n`, `sector_return_n` > -1, the reference's simple return over its last n bars;
`market_volatility_20` >= 0, the sample standard deviation of its last 20 log returns, per bar;
`market_sma_distance_200`, its close over its 200-bar mean less 1; `relative_strength_20`,
`relative_strength_sector_20`, the symbol's simple return over its last 20 completed bars less the
reference's over the same time; `market_beta_60`, the slope of the symbol's log returns on the
market's over its last 60 completed bars, and `market_correlation_60` in [-1, 1], both 0 when
either does not move. All dimensionless, and as of the last bar before this one: neither this bar
nor what other symbols do at its instant is in them.
Warm-up: n + 2 bars of the symbol's own (market_sma_distance_200: 201), so that its completed bars
span the window; as many as that without a gap in what is known of the market for the last two.
NaN: before warm-up, and where the context has none (no market or sector is configured, or it has
too few bars).
State: sums of the last returns, the symbol's and the market's.
Source: Levy (1967), "Relative Strength as a Criterion for Investment Selection"; Sharpe (1964),
"Capital Asset Prices"; the rest by definition.
"""

import numpy as np
from numpy.typing import NDArray

from models.context import (
    MARKET,
    MARKET_OWN_LOG_RETURN,
    MARKET_OWN_RETURN_20,
    SECTOR,
    SECTOR_OWN_RETURN_20,
)
from models.feature import window
from models.feature_history import FeatureHistory, log_ratio
from models.kernel import kernel
from models.windows import squared_deviations

MARKET_WARM_UPS = (3, 7, 22, 22, 201)
SECTOR_WARM_UPS = (3, 7, 22)
STRENGTH_BARS = 20
STRENGTH_WARM_UP = STRENGTH_BARS + 2
BETA_BARS = 60
BETA_WARM_UP = BETA_BARS + 2
FEATURES = (
    window("market_return_1", MARKET_WARM_UPS[0]),
    window("market_return_5", MARKET_WARM_UPS[1]),
    window("market_return_20", MARKET_WARM_UPS[2]),
    window("market_volatility_20", MARKET_WARM_UPS[3]),
    window("market_sma_distance_200", MARKET_WARM_UPS[4]),
    window("sector_return_1", SECTOR_WARM_UPS[0]),
    window("sector_return_5", SECTOR_WARM_UPS[1]),
    window("sector_return_20", SECTOR_WARM_UPS[2]),
    window("relative_strength_20", STRENGTH_WARM_UP),
    window("relative_strength_sector_20", STRENGTH_WARM_UP),
    window("market_beta_60", BETA_WARM_UP),
    window("market_correlation_60", BETA_WARM_UP),
)

# Of every completed bar: own return, the market's, their product and their squares.
_OWN, _MARKET, _PRODUCT, _SQUARED_OWN, _SQUARED_MARKET, _MEASURES = range(6)
# A ring is longer than one looks back in it, by a power of two where that costs little.
_RAW_ROWS, _FIVE_ROWS, _TWENTY_ROWS = 8, 16, 41
_FIVES = 1 + _RAW_ROWS * _MEASURES
_TWENTIES = _FIVES + _FIVE_ROWS * _MEASURES
_SUMS = _TWENTIES + _TWENTY_ROWS * _MEASURES
STATE_SIZE = _SUMS + _MEASURES


@kernel
def strength(history: FeatureHistory, reference: float) -> float:
    """Return the completed bars' return less the reference's over the same time."""
    if np.isnan(reference):
        return np.nan
    before = history.end - 2
    own: float = history.close[before] / history.close[before - STRENGTH_BARS] - 1.0
    return own - reference


@kernel
def slope_and_correlation(sums: NDArray[np.float64], bars: int) -> tuple[float, float]:
    """Return beta and correlation of `bars` pairs of returns from the sums of their measures."""
    own = squared_deviations(sums[_OWN], sums[_SQUARED_OWN], bars)
    market = squared_deviations(sums[_MARKET], sums[_SQUARED_MARKET], bars)
    if own == 0.0 or market == 0.0:
        return 0.0, 0.0
    together = sums[_PRODUCT] - sums[_OWN] * sums[_MARKET] / bars
    correlation: float = together / (np.sqrt(own) * np.sqrt(market))
    return together / market, min(max(correlation, -1.0), 1.0)


@kernel
def take_pair(
    state: NDArray[np.float64], number: int, own: float, market: float, sums: NDArray[np.float64]
) -> None:
    """Take a bar's pair of returns; write the sums of the last 60 bars.

    Each is made of shorter ones, as in `models.feature_history`: the same bits wherever the
    history began, and no trace of what has left.
    """
    raw = 1 + (number & (_RAW_ROWS - 1)) * _MEASURES
    state[raw + _OWN] = own
    state[raw + _MARKET] = market
    state[raw + _PRODUCT] = own * market
    state[raw + _SQUARED_OWN] = own * own
    state[raw + _SQUARED_MARKET] = market * market
    back_1 = 1 + ((number - 1) & (_RAW_ROWS - 1)) * _MEASURES
    back_2 = 1 + ((number - 2) & (_RAW_ROWS - 1)) * _MEASURES
    back_3 = 1 + ((number - 3) & (_RAW_ROWS - 1)) * _MEASURES
    back_4 = 1 + ((number - 4) & (_RAW_ROWS - 1)) * _MEASURES
    five = _FIVES + (number & (_FIVE_ROWS - 1)) * _MEASURES
    five_5 = _FIVES + ((number - 5) & (_FIVE_ROWS - 1)) * _MEASURES
    five_10 = _FIVES + ((number - 10) & (_FIVE_ROWS - 1)) * _MEASURES
    five_15 = _FIVES + ((number - 15) & (_FIVE_ROWS - 1)) * _MEASURES
    twenty = _TWENTIES + number % _TWENTY_ROWS * _MEASURES
    twenty_20 = _TWENTIES + (number + _TWENTY_ROWS - 20) % _TWENTY_ROWS * _MEASURES
    twenty_40 = _TWENTIES + (number + _TWENTY_ROWS - 40) % _TWENTY_ROWS * _MEASURES
    for k in range(_MEASURES):
        last_five = (
            (state[raw + k] + state[back_1 + k]) + (state[back_2 + k] + state[back_3 + k])
        ) + state[back_4 + k]
        state[five + k] = last_five
        last_ten = last_five + state[five_5 + k]
        last_twenty = last_ten + (state[five_10 + k] + state[five_15 + k])
        state[twenty + k] = last_twenty
        sums[k] = (last_twenty + state[twenty_20 + k]) + state[twenty_40 + k]


@kernel
def write_beta(
    state: NDArray[np.float64], history: FeatureHistory, market: float, out: NDArray[np.float64]
) -> None:
    """Take the last completed bar's returns; write beta and correlation once 60 are known."""
    # state[0]: how many pairs are known in a row.
    if np.isnan(market) or history.count < 3:
        state[0] = 0.0
        return
    before = history.end - 2
    own = log_ratio(history.close[before], history.close[before - 1])
    state[0] += 1.0
    sums = state[_SUMS:STATE_SIZE]
    take_pair(state, history.count, own, market, sums)
    if state[0] >= BETA_BARS:
        out[0], out[1] = slope_and_correlation(sums, BETA_BARS)


@kernel
def step(
    state: NDArray[np.float64],
    history: FeatureHistory,
    context: NDArray[np.float64],
    out: NDArray[np.float64],
) -> None:
    """Write what the market and the sector did up to the bar before this one."""
    count = history.count
    for k in range(len(MARKET_WARM_UPS)):
        out[k] = context[MARKET + k] if count >= MARKET_WARM_UPS[k] else np.nan
    for k in range(len(SECTOR_WARM_UPS)):
        out[5 + k] = context[SECTOR + k] if count >= SECTOR_WARM_UPS[k] else np.nan
    out[8:12] = np.nan
    if count >= STRENGTH_WARM_UP:
        out[8] = strength(history, context[MARKET_OWN_RETURN_20])
        out[9] = strength(history, context[SECTOR_OWN_RETURN_20])
    write_beta(state, history, context[MARKET_OWN_LOG_RETURN], out[10:12])
