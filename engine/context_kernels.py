"""The context book's compiled loops: what other symbols did strictly before a bar.

Three kinds of record. A REFERENCE keeps the last RING_BARS bars of a symbol that others are held
against, with what is told of each. INSTANTS keep the last RING_BARS closes at which some symbol of
an interval had a bar, with the counts of breadth. A SERIES keeps, of every symbol, what its
references' closes were as of its own last bars, and the sums of its own closes.

All that is told of a bar is looked up by its time, strictly before it, among what had come in
INPUT up to there. So it depends neither on how frames are cut nor on the order within an instant,
and what comes late is known from then on, without any value that was told being changed.
"""

import sys
from functools import lru_cache
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.compiled import drawn_from, load_compiled
from models.context import (
    BREADTH,
    MARKET,
    MARKET_OWN_LOG_RETURN,
    MARKET_OWN_RETURN_20,
    SECTOR,
    SECTOR_OWN_RETURN_20,
    UTC_OFFSET_SECONDS,
)
from models.feature_history import log_ratio
from models.feature_set import VALUE_MAX
from models.kernel import kernel
from models.windows import squared_deviations

RING_BARS = 512
"""Bars of a reference, and instants, that are kept: what lies further back is not known."""
STALE_NS = 14 * 86_400_000_000_000
"""A reference's bar, or an instant, that is older than this tells nothing: its feed has ended."""
BREADTH_SYMBOLS_MIN = 10
BREADTH_INSTANTS_BACK = 5
"""How many instants before a bar are looked at for one with enough symbols: where markets with
other hours share an interval, the last close may have been that of a few."""

OWN_BARS = 20
NOBODY = -1

RETURN_BARS = (1, 5, 20)
VOLATILITY_BARS = 20
SMA_BARS = 200
MARKET_VALUES, SECTOR_VALUES = 5, 3
_VOLATILITY, _DISTANCE = 3, 4

BREADTH_BARS = 50
_CAN_ADVANCE, _ADVANCED, _HAS_SMA, _ABOVE_SMA, _COUNTS = range(5)

_RING_MASK = RING_BARS - 1
_OWN_RING, _CLOSES, _FIVES, _TENS = 32, 8, 16, 64
_OWN_RING_MASK, _CLOSES_MASK, _FIVES_MASK, _TENS_MASK = 31, 7, 15, 63

REFERENCE = np.dtype(
    [
        ("count", np.int64),
        ("ts", np.int64, (RING_BARS,)),
        ("closes", np.float64, (RING_BARS,)),
        ("log_returns", np.float64, (RING_BARS,)),
        ("told", np.float64, (RING_BARS * MARKET_VALUES,)),
    ]
)
"""A reference symbol of one interval: its n-th bar at n % RING_BARS, `told` five values a bar."""

INSTANTS = np.dtype(
    [
        ("count", np.int64),
        ("ts", np.int64, (RING_BARS,)),
        ("counts", np.int64, (RING_BARS * _COUNTS,)),
    ]
)
"""The instants of an interval, ascending; of each, how many symbols had a bar before, of these
closed above it, had a 50-bar mean, of these closed above it."""

SERIES = np.dtype(
    [
        ("interval", np.int64),
        ("market", np.int64),
        ("sector", np.int64),
        ("reference", np.int64),
        ("count", np.int64),
        ("last_ts", np.int64),
        ("counted_ts", np.int64),
        ("market_closes", np.float64, (_OWN_RING,)),
        ("sector_closes", np.float64, (_OWN_RING,)),
        ("closes", np.float64, (_CLOSES,)),
        ("fives", np.float64, (_FIVES,)),
        ("tens", np.float64, (_TENS,)),
    ]
)
"""A series: the numbers of its interval, market and sector, and the reference that it is itself
(NOBODY: none); bars seen, the last bar's ts, and up to when it was counted in breadth; its
references' closes as of its n-th bar at n % 32; its own closes, and their sums over 5 and 10."""

Records = NDArray[np.void]
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@kernel
def bounded(value: float) -> float:
    """Return a value within ±VALUE_MAX; NaN stays."""
    if value > VALUE_MAX:
        return VALUE_MAX
    if value < -VALUE_MAX:
        return -VALUE_MAX
    return value


@kernel
def newest_before(ring: Ints, count: int, ts: int) -> int:
    """Return the number of the newest of `count` ascending times before `ts`; -1: not kept."""
    newest, oldest = count - 1, max(count - RING_BARS, 0)
    if count == 0:
        return -1
    if ring[newest & _RING_MASK] < ts:
        return newest
    if newest > oldest and ring[(newest - 1) & _RING_MASK] < ts:
        return newest - 1
    low, high = oldest, newest
    while low < high:
        middle = (low + high) // 2
        if ring[middle & _RING_MASK] < ts:
            low = middle + 1
        else:
            high = middle
    return low - 1 if low > oldest else -1


@kernel
def known_before(ring: Ints, count: int, ts: int) -> int:
    """Return the same, and -1 also where that time is too long ago."""
    found = newest_before(ring, count, ts)
    return found if found >= 0 and ts - ring[found & _RING_MASK] <= STALE_NS else -1


@kernel
def tell_reference(one: Any, ts: int, close: float) -> None:
    """Take a reference's bar: what is told of it from the next instant on."""
    number = one.count
    at = number & _RING_MASK
    told = one.told[at * MARKET_VALUES : (at + 1) * MARKET_VALUES]
    told[:] = np.nan
    one.ts[at] = ts
    one.closes[at] = close
    for k in range(len(RETURN_BARS)):
        if number >= RETURN_BARS[k]:
            told[k] = bounded(close / one.closes[(number - RETURN_BARS[k]) & _RING_MASK] - 1.0)
    if number > 0:
        one.log_returns[at] = log_ratio(close, one.closes[(number - 1) & _RING_MASK])
    if number >= VOLATILITY_BARS:
        total, squares = 0.0, 0.0
        for i in range(number + 1 - VOLATILITY_BARS, number + 1):
            value = one.log_returns[i & _RING_MASK]
            total += value
            squares += value * value
        deviations = squared_deviations(total, squares, VOLATILITY_BARS)
        told[_VOLATILITY] = np.sqrt(deviations / (VOLATILITY_BARS - 1))
    if number + 1 >= SMA_BARS:
        total = 0.0
        for i in range(number + 1 - SMA_BARS, number + 1):
            total += one.closes[i & _RING_MASK]
        told[_DISTANCE] = bounded(close / (total / SMA_BARS) - 1.0)
    one.count = number + 1


@kernel
def follow(closes: Floats, reference: Any, number: int, last_ts: int) -> None:
    """Keep the reference's close as of a series' last bar, its `number`-th; NaN: not known."""
    found = known_before(reference.ts, reference.count, last_ts + 1)
    closes[number & _OWN_RING_MASK] = reference.closes[found & _RING_MASK] if found >= 0 else np.nan


@kernel
def own_return(closes: Floats, number: int) -> float:
    """Return the reference's return over the OWN_BARS bars up to a series' `number`-th."""
    if number < OWN_BARS:
        return np.nan
    return bounded(
        closes[number & _OWN_RING_MASK] / closes[(number - OWN_BARS) & _OWN_RING_MASK] - 1.0
    )


@kernel
def own_log_return(closes: Floats, number: int) -> float:
    """Return the reference's log return over the `number`-th bar of a series."""
    if number < 1:
        return np.nan
    now, before = closes[number & _OWN_RING_MASK], closes[(number - 1) & _OWN_RING_MASK]
    return np.nan if np.isnan(now) or np.isnan(before) else log_ratio(now, before)


@kernel
def recall(reference: Any, ts: int, values: int, context: Floats, first: int) -> None:
    """Write what is told of a reference's last bar before `ts`."""
    found = known_before(reference.ts, reference.count, ts)
    if found >= 0:
        at = (found & _RING_MASK) * MARKET_VALUES
        for k in range(values):
            context[first + k] = reference.told[at + k]


@kernel
def instant_of(one: Any, ts: int) -> int:
    """Return the number of an instant, which is opened where there is none; -1: too long ago."""
    count = one.count
    before = newest_before(one.ts, count, ts)
    number = before + 1 if before >= 0 else max(count - RING_BARS, 0)
    if number < count and one.ts[number & _RING_MASK] == ts:
        return number
    if before < 0 and count >= RING_BARS:
        return -1
    for i in range(count, number, -1):
        to, source = i & _RING_MASK, (i - 1) & _RING_MASK
        one.ts[to] = one.ts[source]
        for k in range(_COUNTS):
            one.counts[to * _COUNTS + k] = one.counts[source * _COUNTS + k]
    at = number & _RING_MASK
    one.ts[at] = ts
    for k in range(_COUNTS):
        one.counts[at * _COUNTS + k] = 0
    one.count = count + 1
    return number


@kernel
def share_before(one: Any, newest: int, ts: int, column: int) -> float:
    """Return a share at the newest instant up to number `newest` that has enough symbols."""
    oldest = max(newest - BREADTH_INSTANTS_BACK + 1, one.count - RING_BARS, 0)
    for number in range(newest, oldest - 1, -1):
        at = number & _RING_MASK
        if ts - one.ts[at] > STALE_NS:
            return np.nan
        symbols = one.counts[at * _COUNTS + column]
        if symbols >= BREADTH_SYMBOLS_MIN:
            return float(one.counts[at * _COUNTS + column + 1] / symbols)
    return np.nan


@kernel
def count_in(one: Any, instants: Any, ts: int, close: float) -> None:
    """Take a series' close, and count it among those of its instant, once."""
    number = one.count
    previous = one.closes[(number - 1) & _CLOSES_MASK]
    one.closes[number & _CLOSES_MASK] = close
    # Sums of sums, oldest values never subtracted: the same bits wherever the history began.
    five = (
        (one.closes[number & _CLOSES_MASK] + one.closes[(number - 1) & _CLOSES_MASK])
        + (one.closes[(number - 2) & _CLOSES_MASK] + one.closes[(number - 3) & _CLOSES_MASK])
    ) + one.closes[(number - 4) & _CLOSES_MASK]
    ten = five + one.fives[(number - 5) & _FIVES_MASK]
    one.fives[number & _FIVES_MASK] = five
    one.tens[number & _TENS_MASK] = ten
    if ts <= one.counted_ts:
        return
    one.counted_ts = ts
    instant = instant_of(instants, ts)
    if instant < 0:
        return
    at = (instant & _RING_MASK) * _COUNTS
    if number > 0:
        instants.counts[at + _CAN_ADVANCE] += 1
        instants.counts[at + _ADVANCED] += 1 if close > previous else 0
    if number + 1 >= BREADTH_BARS:
        total = (
            (ten + one.tens[(number - 10) & _TENS_MASK])
            + (one.tens[(number - 20) & _TENS_MASK] + one.tens[(number - 30) & _TENS_MASK])
        ) + one.tens[(number - 40) & _TENS_MASK]
        instants.counts[at + _HAS_SMA] += 1
        instants.counts[at + _ABOVE_SMA] += 1 if close > total / BREADTH_BARS else 0


@kernel
def take_bar(
    series: Records,
    references: Records,
    instants: Records,
    has_breadth: bool,
    slot: int,
    ts: int,
    close: float,
    context: Floats,
) -> None:
    """Write what other symbols did strictly before a bar; then take the bar itself."""
    one = series[slot]
    number = one.count
    for k in range(UTC_OFFSET_SECONDS + 1, len(context)):
        context[k] = np.nan
    if one.market >= 0:
        market = references[one.market]
        recall(market, ts, MARKET_VALUES, context, MARKET)
        if number > 0:
            follow(one.market_closes, market, number - 1, one.last_ts)
            context[MARKET_OWN_RETURN_20] = own_return(one.market_closes, number - 1)
            context[MARKET_OWN_LOG_RETURN] = own_log_return(one.market_closes, number - 1)
    if one.sector >= 0:
        sector = references[one.sector]
        recall(sector, ts, SECTOR_VALUES, context, SECTOR)
        if number > 0:
            follow(one.sector_closes, sector, number - 1, one.last_ts)
            context[SECTOR_OWN_RETURN_20] = own_return(one.sector_closes, number - 1)
    if has_breadth:
        whole = instants[one.interval]
        newest = newest_before(whole.ts, whole.count, ts)
        if newest >= 0:
            context[BREADTH] = share_before(whole, newest, ts, _HAS_SMA)
            context[BREADTH + 1] = share_before(whole, newest, ts, _CAN_ADVANCE)
        count_in(one, whole, ts, close)
    if one.reference >= 0:
        tell_reference(references[one.reference], ts, close)
    one.count = number + 1
    one.last_ts = ts


@kernel
def take_rows(
    series: Records,
    references: Records,
    instants: Records,
    has_breadth: bool,
    slots: Ints,
    ts: Ints,
    values: Floats,
    contexts: Floats,
) -> None:
    """Do so for each bar in order."""
    for i in range(len(slots)):
        take_bar(
            series, references, instants, has_breadth, slots[i], ts[i], values[i, 3], contexts[i]
        )


_SOURCE = '''"""The context book's loops, as calls from Python."""

import numba

from engine import context_kernels as kernels

INT, FLOAT, BOOL, NOTHING = numba.int64, numba.float64, numba.boolean, numba.void
SERIES = numba.from_dtype(kernels.SERIES)[::1]
REFERENCES = numba.from_dtype(kernels.REFERENCE)[::1]
INSTANTS = numba.from_dtype(kernels.INSTANTS)[::1]
INTS, FLOATS, ROWS = numba.int64[::1], numba.float64[::1], numba.float64[:, ::1]


def compiled(function, returns, *arguments):
    options = {"cache": True, "error_model": "numpy"}
    return numba.njit(returns(*arguments), **options)(function)


def _bar(series, references, instants, has_breadth, slot, ts, close, context):
    if slot < 0 or slot >= len(series):
        raise IndexError("slot lies outside the series")
    kernels.take_bar(series, references, instants, has_breadth, slot, ts, close, context)


def _rows(series, references, instants, has_breadth, slots, ts, values, contexts):
    kernels.take_rows(series, references, instants, has_breadth, slots, ts, values, contexts)


take_bar = compiled(
    _bar, NOTHING, SERIES, REFERENCES, INSTANTS, BOOL, INT, INT, FLOAT, FLOATS
)
take_rows = compiled(
    _rows, NOTHING, SERIES, REFERENCES, INSTANTS, BOOL, INTS, INTS, ROWS, ROWS
)
'''


@lru_cache(maxsize=1)
def load_context_kernels() -> ModuleType:
    """Return the compiled module with `take_bar` and `take_rows`."""
    sources = drawn_from((sys.modules[__name__],), ("models.", "engine."))
    return load_compiled("contexts", _SOURCE, sources)
