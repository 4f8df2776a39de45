"""What a unit of each instrument's quote currency is worth in the account's, bar by bar."""

import numpy as np
from numpy.typing import NDArray

from engine.backtests.bar_history import BarHistory
from engine.instrument import ACCOUNT_CURRENCY, Instrument, plain_name
from streams.errors import ConfigError

_CLOSE = 3

Floats = NDArray[np.float64]


def account_rates(history: BarHistory, instruments: tuple[Instrument, ...]) -> Floats:
    """Return the value of one unit of quote currency as of every bar's close: float64 (n,).

    `instruments` has one entry per symbol. A pair that quotes the account's currency converts by
    its own close; a cross by the last close, at or before the bar's, of a pair that does: it must
    be among the symbols. Before that pair's first bar the rate is NaN. Raises ConfigError that
    names the pair which is missing.
    """
    rates = np.ones(len(history))
    for slot, instrument in enumerate(instruments):
        if instrument.currency == ACCOUNT_CURRENCY:
            continue
        rows = slice(int(history.starts[slot]), int(history.starts[slot + 1]))
        if instrument.is_own_conversion:
            rates[rows] = 1.0 / history.values[rows, _CLOSE]
        else:
            rates[rows] = _rates_by_pair(history, instruments, instrument, history.ts[rows])
    return rates


def _rates_by_pair(
    history: BarHistory,
    instruments: tuple[Instrument, ...],
    instrument: Instrument,
    ts: NDArray[np.int64],
) -> Floats:
    currency = instrument.currency
    direct, inverse = f"{currency}{ACCOUNT_CURRENCY}", f"{ACCOUNT_CURRENCY}{currency}"
    plain = [plain_name(one.symbol) for one in instruments]
    for name, is_inverse in ((direct, False), (inverse, True)):
        if name in plain:
            rows = history.rows_of(history.symbols[plain.index(name)])
            place = np.searchsorted(history.ts[rows], ts, side="right") - 1
            close = history.values[rows, _CLOSE]
            known = np.full(len(ts), np.nan)
            if len(close):
                known = np.where(place >= 0, close[np.maximum(place, 0)], np.nan)
            return 1.0 / known if is_inverse else known
    raise ConfigError(
        f"{instrument.symbol} is quoted in {currency}: its profit in {ACCOUNT_CURRENCY} needs the "
        f"bars of {direct} or {inverse} beside it; add that symbol"
    )
