"""Every series of the labeller: its last bars, and the trades that are open on it.

All lie in a few arrays, so that one compiled call takes the bars of a frame and says which trades
they closed; Python sees only signals that are placed and trades that are closed.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from engine.bar_book import BarBook, NewBars, grown
from engine.labels.label_kernels import (
    DESK,
    HAS_CLOSED,
    POOLED,
    RING_BAR,
    RING_BARS,
    SERIES,
    Ints,
    load_label_kernels,
)
from engine.labels.label_rule import LabelRule
from engine.labels.labelled_signal import LabelledSignal, loaded
from engine.saved import Saved, refilled

_HOMES_FIRST = 16
_TRADES_FIRST = 64
_NOWHERE = -1

_ENDING = ["entry_ts", "exit_ts", "entry_price", "exit_price", "risk", "reason"]
Ending = tuple[int, int, float, float, float, int]
"""How a trade ended: the fields of TRADE that an outcome tells of."""

Closed = tuple[LabelledSignal, Ending]


class LabelSeries:
    """The series of a bar book on the symbols that `owns` says are its own.

    Each has a home, in the order of their slots in the book.
    """

    def __init__(self, owns: Callable[[str], bool]) -> None:
        kernels = load_label_kernels()
        self._push, self._place, self._reset = kernels.push_rows, kernels.place, kernels.reset
        self._owns = owns
        self._home_of: dict[tuple[str, str], int] = {}
        self._homes = np.full(_HOMES_FIRST, _NOWHERE, dtype=np.int64)
        self._slots_met = 0
        self._rings = np.zeros((_HOMES_FIRST, RING_BARS), dtype=RING_BAR)
        self._series = np.zeros(_HOMES_FIRST, dtype=SERIES)
        self._signals: list[LabelledSignal | None] = []
        self._pool = np.zeros(0, dtype=POOLED)
        self._closed = np.zeros(0, dtype=np.int64)
        self.trades_open = 0
        self._make_room(_TRADES_FIRST)

    def home_of(self, symbol: str, interval: str) -> int:
        """Return the home of a series, -1 where it has had no bar."""
        return self._home_of.get((symbol, interval), _NOWHERE)

    def push(
        self, bars: NewBars, book: BarBook, exits: Ints, start: int, stop: int
    ) -> list[Closed]:
        """Take rows `start` to `stop` of an event's bars; return the trades that they closed.

        `exits` int64 (n, 2): see `engine.labels.label_exits`. Trades come in order of bar, then of
        entry.
        """
        if self._slots_met < len(book):
            self._meet(book)
        count = self._push(
            self._rings,
            self._series,
            self._pool,
            self._homes,
            bars.slots,
            bars.ts,
            bars.values,
            exits,
            start,
            stop,
            self._closed,
        )
        if not count:
            return []
        self.trades_open -= count
        rows = self._closed[:count]
        endings = self._pool[rows][_ENDING].tolist()
        return [
            (self._leave(row), ending) for row, ending in zip(rows.tolist(), endings, strict=True)
        ]

    def place(self, home: int, signal: LabelledSignal, *, has_room: bool) -> int:
        """Enter a signal's trade and walk it to the newest bar; return what became of it.

        HAS_CLOSED: `ending` tells how. Other states up to 0 are those of
        `engine.labels.label_kernels`.
        """
        stop, rule = signal.stop, signal.rule
        state: int = self._place(
            self._rings,
            self._series,
            self._pool,
            home,
            signal.ts,
            signal.side,
            signal.price,
            0.0 if stop is None else stop,
            stop is not None,
            rule.bit,
            rule.target_r,
            rule.max_hold_bars,
            rule.stop_atr_mult,
            has_room,
        )
        if state > HAS_CLOSED:
            self._signals[state] = signal
            self.trades_open += 1
            if self.trades_open == len(self._pool) - 1:
                self._make_room(2 * len(self._pool))
        return state

    def ending(self) -> Ending:
        """Return how the trade ended that was placed last."""
        ending: Ending = self._desk.tolist()[0]
        return ending

    def stop(self) -> float:
        """Return the stop of the trade that was placed last."""
        return float(self._pool["stop"][DESK])

    def atr_at(self, home: int, number: int) -> float:
        """Return ATR(14) as of a bar of the ring, in price units."""
        return float(self._rings["atr"][home, number % RING_BARS])

    def reset(self, symbol: str) -> int:
        """Begin a new epoch of a symbol's series; return how many open trades were dropped.

        Bars stay: a signal from before the reset that is answered after it still gets the
        outcome that was complete before the reset.
        """
        count = 0
        for (name, _), home in self._home_of.items():
            if name == symbol:
                dropped = self._reset(self._series, self._pool, home, self._closed)
                for row in self._closed[:dropped].tolist():
                    self._leave(row)
                count += dropped
        self.trades_open -= count
        return count

    def save(self) -> Saved:
        """Return every series, its bars and its open trades."""
        homes = len(self._home_of)
        open_ = [
            (row, *signal.save()) for row, signal in enumerate(self._signals) if signal is not None
        ]
        facts = {"names": list(self._home_of), "open": open_}
        arrays = {
            "homes": self._homes[: self._slots_met],
            "rings": self._rings[:homes],
            "series": self._series[:homes],
            "pool": self._pool,
        }
        return Saved(facts, arrays)

    def load(self, saved: Saved, rules: dict[str, LabelRule]) -> None:
        """Go on from what `save` returned."""
        names = [(symbol, interval) for symbol, interval in saved.facts["names"]]
        self._home_of = {name: home for home, name in enumerate(names)}
        self._homes = refilled(self._homes, saved.arrays["homes"])
        self._slots_met = len(saved.arrays["homes"])
        self._rings = refilled(self._rings, saved.arrays["rings"])
        self._series = refilled(self._series, saved.arrays["series"])
        # The chain of free rows is part of the pool.
        self._pool = refilled(self._pool[:0], saved.arrays["pool"])
        self._fit_pool()
        for row, *signal in saved.facts["open"]:
            self._signals[row] = loaded(signal, rules)
        self.trades_open = len(saved.facts["open"])

    def _meet(self, book: BarBook) -> None:
        """Find homes for the series of `book` that are new."""
        series = len(book)
        self._homes = grown(self._homes, series)
        for slot in range(self._slots_met, series):
            name = book.name_of(slot)
            is_own = self._owns(name[0])
            self._homes[slot] = len(self._home_of) if is_own else _NOWHERE
            if is_own:
                self._home_of[name] = len(self._home_of)
        self._slots_met = series
        self._rings = grown(self._rings, len(self._home_of))
        self._series = grown(self._series, len(self._home_of))

    def _leave(self, row: int) -> LabelledSignal:
        signal = self._signals[row]
        assert signal is not None, f"row {row} of the pool holds no trade"
        self._signals[row] = None
        return signal

    def _make_room(self, rows: int) -> None:
        """Give the pool `rows` rows; the new ones are the chain of free rows: there was none."""
        first_new = max(len(self._pool), 1)
        self._pool = grown(self._pool, rows)
        chain: Any = self._pool["after"]
        chain[DESK] = first_new
        chain[first_new:-1] = np.arange(first_new + 1, len(self._pool))
        chain[-1] = 0
        self._fit_pool()

    def _fit_pool(self) -> None:
        """What belongs to each row of the pool, beside it."""
        rows = len(self._pool)
        self._desk = self._pool[_ENDING][DESK : DESK + 1]
        self._signals += [None] * (rows - len(self._signals))
        self._closed = np.zeros(rows, dtype=np.int64)
