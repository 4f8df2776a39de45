"""The recent bars of every series, and what a new bar is to them: new, a repeat, a correction.

A series is a (symbol, interval). It keeps its last AS_OF_BARS_MAX bars, so that an event can be
honoured as of the bar it names, however late it arrives.
"""

from array import array
from bisect import bisect_left
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from streams.errors import WireError
from streams.events import Bar, Reset

AS_OF_BARS_MAX = 128
SERIES_MAX = 100_000
_WIDTH = 5

T = TypeVar("T", bound=np.generic)

_WAITS, _TOO_LATE, _NO_BAR = -1, -2, -3


class Series:
    """The last bars of one (symbol, interval), in a ring.

    `slot` numbers the series for whoever keeps arrays by series. `position_of` answers with a
    ring position, or with WAITS, TOO_LATE or NO_BAR.
    """

    __slots__ = ("_ts", "_values", "count", "last_ts", "slot")

    WAITS = _WAITS
    TOO_LATE = _TOO_LATE
    NO_BAR = _NO_BAR

    def __init__(self, slot: int) -> None:
        self.slot = slot
        # Flat arrays: six kilobytes a series, where tuples and a dict would take forty.
        self._ts = array("q", bytes(8 * AS_OF_BARS_MAX))
        self._values = array("d", bytes(8 * AS_OF_BARS_MAX * _WIDTH))
        self.clear()

    def clear(self) -> None:
        """Forget every bar."""
        self.count = 0
        self.last_ts = 0

    @property
    def newest(self) -> int:
        """The ring position of the newest bar."""
        return (self.count - 1) % AS_OF_BARS_MAX

    def append(self, bar: Bar) -> None:
        """Store the next bar; the oldest of a full ring goes."""
        position = self.count % AS_OF_BARS_MAX
        self._ts[position] = bar.ts
        start = position * _WIDTH
        self._values[start : start + _WIDTH] = array(
            "d", (bar.open, bar.high, bar.low, bar.close, bar.volume)
        )
        self.count += 1
        self.last_ts = bar.ts

    def holds(self, bar: Bar) -> bool:
        """Whether the bar that closed at `bar.ts` is kept, and is the same."""
        position = self.position_of(bar.ts)
        if position < 0:
            return False
        start = position * _WIDTH
        kept = tuple(self._values[start : start + _WIDTH])
        return kept == (bar.open, bar.high, bar.low, bar.close, bar.volume)

    def position_of(self, ts: int) -> int:
        """Return the ring position of the bar that closed at `ts`.

        WAITS: it lies ahead. TOO_LATE: it is older than the ring. NO_BAR: there is none.
        """
        if ts > self.last_ts or not self.count:
            return _WAITS
        if ts == self.last_ts:
            return self.newest
        low, high = 0, self.count
        if self.count > AS_OF_BARS_MAX:
            oldest = self.count % AS_OF_BARS_MAX
            if ts < self._ts[oldest]:
                return _TOO_LATE
            # Time runs from the oldest to the end of the ring, then on from its start.
            in_older_part = oldest == 0 or ts < self._ts[0]
            low, high = (oldest, AS_OF_BARS_MAX) if in_older_part else (0, oldest)
        position = bisect_left(self._ts, ts, low, high)
        is_kept = position < high and self._ts[position] == ts
        return position if is_kept else _NO_BAR


class BarBook:
    """Every series seen, by (symbol, interval).

    >>> book = BarBook()
    >>> bar = Bar("A", "1d", 1, 1.0, 2.0, 1.0, 2.0, 10.0)
    >>> book.accept(bar), book.accept(bar)
    (True, False)
    """

    def __init__(self) -> None:
        self._series: dict[tuple[str, str], Series] = {}
        self.newest_ts = 0
        self.complete_ts = 0

    def series(self, symbol: str, interval: str) -> Series | None:
        """Return the series, or None when it has no bar yet."""
        return self._series.get((symbol, interval))

    def __len__(self) -> int:
        return len(self._series)

    def accept(self, bar: Bar) -> bool:
        """Store a bar and return True, or return False for an identical repeat.

        Raises WireError `correction` for a bar at or before its series' last ts that differs
        from what is known, and `series_limit` when there are too many series.
        """
        key = (bar.symbol, bar.interval)
        series = self._series.get(key)
        if series is None:
            series = self._open(key)
        if bar.ts <= series.last_ts:
            if series.holds(bar):
                return False
            raise WireError(
                "correction",
                f"bar of {bar.symbol} {bar.interval} at {bar.ts} differs from what is known, or "
                f"is older; the last is at {series.last_ts}: publish bars.reset to re-warm",
            )
        series.append(bar)
        if bar.ts > self.newest_ts:
            self.complete_ts = self.newest_ts
            self.newest_ts = bar.ts
        return True

    def reset(self, event: Reset) -> list[Series]:
        """Forget the bars of a symbol, in every interval; return the series concerned."""
        found = [series for (symbol, _), series in self._series.items() if symbol == event.symbol]
        for series in found:
            series.clear()
        return found

    def _open(self, key: tuple[str, str]) -> Series:
        if len(self._series) >= SERIES_MAX:
            raise WireError("series_limit", f"more than {SERIES_MAX} series, this one is {key}")
        series = Series(len(self._series))
        self._series[key] = series
        return series


def grown(array: NDArray[T], rows: int) -> NDArray[T]:
    """Return `array` with at least `rows` rows, doubling, new ones zero."""
    if rows <= len(array):
        return array
    bigger = np.zeros((max(rows, 2 * len(array)), *array.shape[1:]), dtype=array.dtype)
    bigger[: len(array)] = array
    return bigger
