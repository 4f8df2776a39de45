"""At most one virtual position per symbol of a strategy: what it would hold if it traded alone.

Positions follow the strategy's own exits, stop and maximum hold, however its signals are
labelled: the label must not decide which signals there are.
"""

from functools import lru_cache
from types import ModuleType

import numpy as np

from engine import trade
from engine.bar_book import grown
from engine.trade import TRADE, new_trade, stop_of
from models import kernel as kernels
from models.compiled import load_compiled
from streams.events import Bar, Signal

_SLOTS_FIRST = 8

_SOURCE = '''"""The trade rule on one record, as a call from Python."""

import numba

from engine.trade import TRADE, advance

RECORDS = numba.from_dtype(TRADE)[::1]


@numba.njit(
    numba.boolean(
        RECORDS,
        *(numba.int64,) * 2,
        *(numba.float64,) * 6,
    ),
    cache=True,
    error_model="numpy",
)
def advance_slot(trades, slot, ts, open_, high, low, close, exit_long, exit_short):
    record = trades[slot]
    exit_flag = (exit_long if record.side > 0 else exit_short) > 0.0
    return advance(record, ts, open_, high, low, close, exit_flag)
'''


@lru_cache(maxsize=1)
def load_trade_rule() -> ModuleType:
    """Return the compiled module with `advance_slot`."""
    return load_compiled("trade", _SOURCE, (trade, kernels))


class VirtualPositions:
    """The positions of one strategy, by the slots of its runner."""

    def __init__(self, max_hold_bars: int, stop_atr_mult: float) -> None:
        self._advance = load_trade_rule().advance_slot
        self._max_hold_bars = max_hold_bars
        self._stop_atr_mult = stop_atr_mult
        self._trades = np.zeros(_SLOTS_FIRST, dtype=TRADE)
        self._held: set[int] = set()

    def is_flat(self, slot: int) -> bool:
        """Return whether nothing is held or about to be entered."""
        return slot not in self._held

    def advance(self, slot: int, bar: Bar, exit_long: float, exit_short: float) -> None:
        """Move a held position by one bar; flat slots are left alone."""
        if slot in self._held and self._advance(
            self._trades,
            slot,
            bar.ts,
            bar.open,
            bar.high,
            bar.low,
            bar.close,
            exit_long,
            exit_short,
        ):
            self._held.discard(slot)

    def enter(self, slot: int, signal: Signal, atr: float) -> None:
        """Hold `signal` from the next open on; `atr` is ATR(14) as of its bar."""
        self._trades = grown(self._trades, slot + 1)
        self._trades[slot] = new_trade(
            side=signal.side,
            price=signal.price,
            stop=stop_of(signal.side, signal.price, signal.stop, atr, self._stop_atr_mult),
            target_r=0.0,
            max_hold_bars=self._max_hold_bars,
            rule=-1,
        )
        self._held.add(slot)

    def drop(self, slot: int) -> None:
        """Forget a position without closing it."""
        self._held.discard(slot)
