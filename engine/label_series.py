"""One series of the labeller: its last bars, and the trades that are open on it."""

from typing import NamedTuple

import numpy as np

from engine.bar_book import grown
from engine.label_kernels import (
    HAS_CLOSED,
    RING_BAR,
    RING_BARS,
    WAS_RESET,
    load_label_kernels,
)
from engine.label_rule import LabelRule
from engine.trade import CLOSED, REASON_NAMES, TRADE
from streams.events import Bar, Scored

_TRADES_FIRST = 4

WAITS, BEYOND_RING, NO_BAR = -1, -2, -3


class Closed(NamedTuple):
    """A trade that the rule has closed."""

    signal: Scored
    rule: LabelRule
    entry_ts: int
    exit_ts: int
    entry_price: float
    exit_price: float
    risk: float
    reason: str


class LabelSeries:
    """The ring and the open trades of one (symbol, interval)."""

    def __init__(self) -> None:
        self._kernels = load_label_kernels()
        self._ring = np.zeros(RING_BARS, dtype=RING_BAR)
        self._count = 0
        self._epoch = 0
        self._evicted_ts = 0
        self._trades = np.zeros(_TRADES_FIRST, dtype=TRADE)
        self._open: list[tuple[Scored, LabelRule]] = []

    @property
    def trades_open(self) -> int:
        """How many trades wait for their exit."""
        return len(self._open)

    def push(self, bar: Bar, exit_long: int, exit_short: int) -> list[Closed]:
        """Take the next bar with its exit flags; return the trades that it closed."""
        count = self._count
        if count >= RING_BARS:
            self._evicted_ts = max(self._evicted_ts, int(self._ring["ts"][count % RING_BARS]))
        closed = self._kernels.push_bar(
            self._ring,
            count,
            self._epoch,
            bar.ts,
            bar.open,
            bar.high,
            bar.low,
            bar.close,
            exit_long,
            exit_short,
            self._trades,
            len(self._open),
        )
        self._count = count + 1
        return self._take_closed() if closed else []

    def find(self, ts: int) -> int:
        """Return the number of the bar that closed at `ts`, or WAITS, BEYOND_RING or NO_BAR.

        It is the first bar at or after `ts` in order of arrival, whenever one asks: what it
        answers does not depend on how many bars have come since, while the ring reaches back.
        """
        if ts <= self._evicted_ts:
            return BEYOND_RING
        number = int(self._kernels.find_bar(self._ring, self._count, ts))
        if number < 0:
            return WAITS
        return number if int(self._ring["ts"][number % RING_BARS]) == ts else NO_BAR

    def atr_at(self, number: int) -> float:
        """Return ATR(14) as of a bar, in price units."""
        return float(self._ring["atr"][number % RING_BARS])

    def place(self, signal: Scored, rule: LabelRule, number: int) -> Closed | str | None:
        """Enter the trade of a signal made on bar `number` and walk it to the newest bar.

        Returns the trade if that closed it, None if it stays open, or `reset` if the series was
        reset before it could close.
        """
        slot = len(self._open)
        self._trades = grown(self._trades, slot + 1)
        self._trades[slot] = rule.trade_of(signal, self.atr_at(number))
        state = self._kernels.walk(self._ring, self._count, number, self._trades, slot)
        if state == HAS_CLOSED:
            return self._closed(slot, signal, rule)
        if state == WAS_RESET or int(self._ring["epoch"][number % RING_BARS]) != self._epoch:
            return "reset"
        self._open.append((signal, rule))
        return None

    def reset(self) -> int:
        """Begin a new epoch; return how many open trades were dropped.

        The ring stays: a signal from before the reset that is answered after it still gets the
        outcome that was complete before the reset.
        """
        self._epoch += 1
        dropped = len(self._open)
        self._open.clear()
        return dropped

    def _take_closed(self) -> list[Closed]:
        states = self._trades["state"][: len(self._open)].tolist()
        closed = [
            self._closed(slot, *self._open[slot])
            for slot, state in enumerate(states)
            if state == CLOSED
        ]
        kept = [slot for slot, state in enumerate(states) if state != CLOSED]
        self._trades[: len(kept)] = self._trades[kept]
        self._open = [self._open[slot] for slot in kept]
        return closed

    def _closed(self, slot: int, signal: Scored, rule: LabelRule) -> Closed:
        record = self._trades[slot]
        return Closed(
            signal=signal,
            rule=rule,
            entry_ts=int(record["entry_ts"]),
            exit_ts=int(record["exit_ts"]),
            entry_price=float(record["entry_price"]),
            exit_price=float(record["exit_price"]),
            risk=float(record["risk"]),
            reason=REASON_NAMES[int(record["reason"])],
        )
