"""The recent bars of every series, and what a new bar is to them: new, a repeat, a correction.

A series is a (symbol, interval), numbered by its slot in order of first bar. It keeps its last
AS_OF_BARS_MAX bars, so that an event can be honoured as of the bar it names, however late it
arrives. Frames go in by one compiled call: only rows that are refused are looked at one by one.
"""

from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from engine.bar_kernels import (
    AS_OF_BARS_MAX,
    BAR_VALUES,
    NO_BAR,
    TOO_LATE,
    WAITS,
    is_valid,
    load_bar_kernels,
)
from engine.saved import Saved, refilled
from streams.columns import BarColumns
from streams.errors import WireError
from streams.events import Bar, Reset
from streams.validation import check_bar

__all__ = ["AS_OF_BARS_MAX", "NO_BAR", "TOO_LATE", "WAITS", "BarBook", "NewBars", "grown"]

SERIES_MAX = 100_000
_SLOTS_FIRST = 16
_NOWHERE = -1

T = TypeVar("T", bound=np.generic)

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


class NewBars(NamedTuple):
    """The rows of an event that count, in order: valid, and new to their series.

    `rows` int64 (k,): their numbers in the event; `slots` int64 (k,); `ts` int64 (k,); `values`
    float64 (k, 5), open to volume; `places` int64 (k,): slot · AS_OF_BARS_MAX + ring position.
    `refused`: (row, why) of those that are neither new nor an identical repeat.
    """

    rows: Ints
    slots: Ints
    ts: Ints
    values: Floats
    places: Ints
    refused: tuple[tuple[int, WireError], ...] = ()


class BarBook:
    """Every series seen, by (symbol, interval).

    >>> book = BarBook()
    >>> bar = Bar("A", "1d", 1, 1.0, 2.0, 1.0, 2.0, 10.0)
    >>> book.accept(bar), book.accept(bar)
    (True, False)
    """

    def __init__(self) -> None:
        kernels = load_bar_kernels()
        self._take_bar = kernels.take_bar
        self._take_rows = kernels.take_rows
        self._find_bar = kernels.find_bar
        self._slots: dict[str, dict[str, int]] = {}
        self._names: list[tuple[str, str]] = []
        self._counts = np.zeros(_SLOTS_FIRST, dtype=np.int64)
        self._last_ts = np.zeros(_SLOTS_FIRST, dtype=np.int64)
        self._ts = np.zeros((_SLOTS_FIRST, AS_OF_BARS_MAX), dtype=np.int64)
        self._values = np.zeros((_SLOTS_FIRST, AS_OF_BARS_MAX, BAR_VALUES))
        self.newest_ts = 0
        self.complete_ts = 0

    def __len__(self) -> int:
        return len(self._names)

    def slot_of(self, symbol: str, interval: str) -> int:
        """Return the slot of a series, -1 where it has had no bar."""
        known = self._slots.get(interval)
        return _NOWHERE if known is None else known.get(symbol, _NOWHERE)

    def name_of(self, slot: int) -> tuple[str, str]:
        """Return the symbol and the interval of a slot."""
        return self._names[slot]

    def bars_at(self, slot: int, position: int) -> int:
        """Return how many bars a series had had as of a ring position."""
        count = int(self._counts[slot])
        return count - (count - 1 - position) % AS_OF_BARS_MAX

    def place_of(self, slot: int) -> int:
        """Return the place of a series' newest bar in the rings of all slots, laid end to end."""
        return slot * AS_OF_BARS_MAX + int(self._counts[slot] - 1) % AS_OF_BARS_MAX

    def position_of(self, slot: int, ts: int) -> int:
        """Return the ring position of the bar that closed at `ts`.

        WAITS: it lies ahead. TOO_LATE: it is older than the ring. NO_BAR: there is none.
        """
        if slot < 0:
            return WAITS
        return int(self._find_bar(self._counts, self._ts, slot, ts))

    def accept(self, bar: Bar) -> bool:
        """Store a bar and return True, or return False for an identical repeat.

        Raises WireError as `check_bar` does, `correction` for a bar at or before its series'
        last ts that differs from what is known, `series_limit` when there are too many series.
        """
        slot = self.slot_of(bar.symbol, bar.interval)
        if slot < 0:
            check_bar(bar)
            slot = self._open((bar.symbol, bar.interval))
        is_new: bool = self._take_bar(
            self._counts,
            self._last_ts,
            self._ts,
            self._values,
            slot,
            bar.ts,
            bar.open,
            bar.high,
            bar.low,
            bar.close,
            bar.volume,
        )
        if is_new:
            self._advance(bar.ts, bar.ts)
        else:
            check_bar(bar)
            self._check_repeat(slot, bar)
        return is_new

    def take(self, columns: BarColumns) -> NewBars:
        """Store the rows that count and return them, with those that were refused and why."""
        slots = self._slots_for(columns)
        count = len(slots)
        places = np.empty(count, dtype=np.int64)
        passed_over: list[int] = []
        refused: list[tuple[int, WireError]] = []
        row = 0
        while True:
            row = self._take_rows(
                self._counts,
                self._last_ts,
                self._ts,
                self._values,
                slots,
                columns.ts,
                columns.values,
                row,
                places,
            )
            if row == count:
                break
            passed_over.append(row)
            try:
                self._look_at(int(slots[row]), columns.bar(row))
            except WireError as error:
                refused.append((row, error))
            row += 1
        rows = np.arange(count)
        new = NewBars(rows, slots, columns.ts, columns.values, places, tuple(refused))
        if passed_over:
            kept = np.delete(rows, passed_over)
            new = NewBars(
                kept,
                slots[kept],
                columns.ts[kept],
                np.ascontiguousarray(columns.values[kept]),
                places[kept],
                tuple(refused),
            )
        if len(new.ts):
            self._advance(int(new.ts.min()), int(new.ts.max()))
        return new

    def first_new_ts(self, columns: BarColumns) -> int:
        """Return the earliest ts of valid rows later than their series' last, 0 for none."""
        interval = columns.interval
        slots = np.array([self.slot_of(name, interval) for name in columns.symbols])
        last_ts = np.where(slots < 0, 0, self._last_ts[slots])
        new = np.flatnonzero(columns.ts > last_ts).tolist()
        rows = zip(columns.ts[new].tolist(), columns.values[new].tolist(), strict=True)
        return min((ts for ts, values in rows if is_valid(ts, *values)), default=0)

    def reset(self, event: Reset) -> list[int]:
        """Forget the bars of a symbol, in every interval; return the slots concerned."""
        found = [slot for slot, (symbol, _) in enumerate(self._names) if symbol == event.symbol]
        self._counts[found] = 0
        self._last_ts[found] = 0
        return found

    def save(self) -> Saved:
        """Return every series and its bars."""
        count = len(self._names)
        facts = {"names": self._names, "known": (self.newest_ts, self.complete_ts)}
        arrays = {
            "counts": self._counts[:count],
            "last_ts": self._last_ts[:count],
            "ts": self._ts[:count],
            "values": self._values[:count],
        }
        return Saved(facts, arrays)

    def load(self, saved: Saved) -> None:
        """Go on from what `save` returned."""
        self._names = [(symbol, interval) for symbol, interval in saved.facts["names"]]
        self._slots = {}
        for slot, (symbol, interval) in enumerate(self._names):
            self._slots.setdefault(interval, {})[symbol] = slot
        self.newest_ts, self.complete_ts = saved.facts["known"]
        self._counts = refilled(self._counts, saved.arrays["counts"])
        self._last_ts = refilled(self._last_ts, saved.arrays["last_ts"])
        self._ts = refilled(self._ts, saved.arrays["ts"])
        self._values = refilled(self._values, saved.arrays["values"])

    def _advance(self, first_ts: int, last_ts: int) -> None:
        """An event that begins beyond all that is known completes it."""
        if first_ts > self.newest_ts:
            self.complete_ts = self.newest_ts
        self.newest_ts = max(self.newest_ts, last_ts)

    def _slots_for(self, columns: BarColumns) -> Ints:
        """Return the slot of every row; -1 beyond SERIES_MAX."""
        if columns.is_run:
            slot = self._slot_or_nowhere(columns.symbols[0], columns.interval)
            return np.full(len(columns.ts), slot, dtype=np.int64)
        known: dict[str, int] = self._slots.get(columns.interval, {})
        found: list[int | None] = list(map(known.get, columns.symbols))
        if None in found:
            found = [self._slot_or_nowhere(name, columns.interval) for name in columns.symbols]
        return np.array(found, dtype=np.int64)

    def _slot_or_nowhere(self, symbol: str, interval: str) -> int:
        try:
            slot = self.slot_of(symbol, interval)
            return slot if slot >= 0 else self._open((symbol, interval))
        except WireError:
            return _NOWHERE

    def _look_at(self, slot: int, bar: Bar) -> None:
        """Raise for a row that is no identical repeat."""
        check_bar(bar)
        if slot < 0:
            self._open((bar.symbol, bar.interval))
        self._check_repeat(slot, bar)

    def _check_repeat(self, slot: int, bar: Bar) -> None:
        position = self.position_of(slot, bar.ts)
        given = (bar.open, bar.high, bar.low, bar.close, bar.volume)
        if position < 0 or tuple(self._values[slot, position].tolist()) != given:
            raise WireError(
                "correction",
                f"bar of {bar.symbol} {bar.interval} at {bar.ts} differs from what is known, or "
                f"is older; the last is at {self._last_ts[slot]}: publish bars.reset to re-warm",
            )

    def _open(self, key: tuple[str, str]) -> int:
        slot = len(self._names)
        if slot >= SERIES_MAX:
            raise WireError("series_limit", f"more than {SERIES_MAX} series, this one is {key}")
        self._slots.setdefault(key[1], {})[key[0]] = slot
        self._names.append(key)
        self._counts = grown(self._counts, slot + 1)
        self._last_ts = grown(self._last_ts, slot + 1)
        self._ts = grown(self._ts, slot + 1)
        self._values = grown(self._values, slot + 1)
        return slot


def grown(array: NDArray[T], rows: int) -> NDArray[T]:
    """Return `array` with at least `rows` rows, doubling, new ones zero."""
    if rows <= len(array):
        return array
    bigger = np.zeros((max(rows, 2 * len(array)), *array.shape[1:]), dtype=array.dtype)
    bigger[: len(array)] = array
    return bigger
