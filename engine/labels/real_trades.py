"""Trades that an engine really closed, joined with the signals they came from.

A trade may be reported in parts, the last one `final`: the outcome has their quantity-weighted
prices, the first entry and the last exit. It can be told once its signal's stop is known, from
the signal itself or from its bar.
"""

import math
from collections import OrderedDict
from typing import Any, TypeVar

import msgspec

from engine.labels.label_rule import LabelRule
from engine.labels.labelled_signal import LabelledSignal, loaded
from streams.errors import WireError
from streams.events import Outcome, Trade

TRADE = "trade"
SIGNALS_REMEMBERED_MAX = 100_000
TRADES_WAITING_MAX = 10_000
TRADE_PARTS_MAX = 256

T = TypeVar("T")


class RealTrades:
    """The signals of the recent past and the trades that wait for theirs.

    Beyond SIGNALS_REMEMBERED_MAX and TRADES_WAITING_MAX the oldest are forgotten: their trades
    get no second outcome, and neither do trades whose parts add up to no finite figures.
    `forgotten` counts the trades.
    """

    def __init__(self) -> None:
        # Of an OrderedDict the oldest is found at once, of a dict behind every one forgotten.
        self._signals: OrderedDict[str, LabelledSignal] = OrderedDict()
        self._parts: OrderedDict[str, list[Trade]] = OrderedDict()
        self._told: OrderedDict[str, None] = OrderedDict()
        self.forgotten = 0

    def knows(self, signal_id: str) -> bool:
        """Return whether the signal is remembered."""
        return signal_id in self._signals

    def remember(self, signal: LabelledSignal) -> Outcome | None:
        """Learn of a signal; returns the outcome of a trade that waited for it."""
        _keep(self._signals, signal.signal_id, signal, SIGNALS_REMEMBERED_MAX)
        return self._tell(signal.signal_id) if self._parts else None

    def learn_stop(self, signal_id: str, stop: float) -> Outcome | None:
        """Learn where a signal's bar puts its stop; returns the outcome of a trade that waited."""
        known = self._signals.get(signal_id)
        if known is None or known.stop is not None:
            return None
        known.stop = stop
        return self._tell(signal_id)

    def add(self, trade: Trade) -> Outcome | None:
        """Take one report. Raises WireError `trade` for figures that cannot be."""
        check_trade(trade)
        if trade.signal_id in self._told:
            return None
        parts = self._parts.get(trade.signal_id)
        if parts is None:
            parts = []
            self.forgotten += _keep(self._parts, trade.signal_id, parts, TRADES_WAITING_MAX)
        if trade in parts:
            return None
        if len(parts) >= TRADE_PARTS_MAX:
            raise WireError(TRADE, f"{trade.signal_id} has more than {TRADE_PARTS_MAX} parts")
        parts.append(trade)
        return self._tell(trade.signal_id)

    def save(self) -> dict[str, Any]:
        """Return all that is known, as plain values, for `load`."""
        return {
            "signals": [signal.save() for signal in self._signals.values()],
            "parts": [list(map(msgspec.structs.astuple, parts)) for parts in self._parts.values()],
            "told": list(self._told),
            "forgotten": self.forgotten,
        }

    def load(self, saved: dict[str, Any], rules: dict[str, LabelRule]) -> None:
        """Go on from what `save` returned."""
        signals = [loaded(signal, rules) for signal in saved["signals"]]
        self._signals = OrderedDict((signal.signal_id, signal) for signal in signals)
        trades = [[Trade(*part) for part in parts] for parts in saved["parts"]]
        self._parts = OrderedDict((parts[0].signal_id, parts) for parts in trades)
        self._told = OrderedDict.fromkeys(saved["told"])
        self.forgotten = saved["forgotten"]

    def _tell(self, signal_id: str) -> Outcome | None:
        parts = self._parts.get(signal_id)
        signal = self._signals.get(signal_id)
        if not parts or signal is None or signal.stop is None or not parts[-1].final:
            return None
        del self._parts[signal_id]
        outcome = _outcome(signal, parts, signal.stop)
        if outcome is None:
            self.forgotten += 1
            return None
        _keep(self._told, signal_id, None, SIGNALS_REMEMBERED_MAX)
        return outcome


def _keep(known: OrderedDict[str, T], key: str, value: T, at_most: int) -> bool:
    """Keep a value as the newest of `at_most`; return whether the oldest was forgotten for it."""
    is_full = len(known) >= at_most
    if is_full:
        known.popitem(last=False)
    known[key] = value
    return is_full


def check_trade(trade: Trade) -> None:
    """Raise WireError `trade` unless times, prices, quantity and P&L are usable."""
    positive = {
        "entry_price": trade.entry_price,
        "exit_price": trade.exit_price,
        "quantity": trade.quantity,
    }
    for name, value in positive.items():
        if not (math.isfinite(value) and value > 0.0):
            raise WireError(TRADE, f"{name} must be finite and > 0, was {value}")
    if not math.isfinite(trade.pnl_net):
        raise WireError(TRADE, f"pnl_net must be finite, was {trade.pnl_net}")
    if not 0 < trade.entry_ts <= trade.exit_ts < 2**63:
        raise WireError(
            TRADE,
            f"0 < entry_ts <= exit_ts must hold, were {trade.entry_ts} and {trade.exit_ts}",
        )


def _outcome(signal: LabelledSignal, parts: list[Trade], stop: float) -> Outcome | None:
    quantity = sum(part.quantity for part in parts)
    entry = sum(part.entry_price * part.quantity for part in parts) / quantity
    exit_ = sum(part.exit_price * part.quantity for part in parts) / quantity
    net = sum(part.pnl_net for part in parts) / quantity
    if not (0.0 < entry < math.inf and 0.0 < exit_ < math.inf and math.isfinite(net)):
        return None
    # An entry on the stop itself has no distance of its own: the signal's is the plan's.
    risk = abs(entry - stop) or abs(signal.price - stop)
    y_return = signal.side * (exit_ / entry - 1.0)
    r_multiple = net / risk if risk > 0.0 else 0.0
    if not (math.isfinite(y_return) and math.isfinite(r_multiple)):
        return None
    return Outcome(
        signal_id=signal.signal_id,
        strategy=signal.strategy,
        symbol=signal.symbol,
        interval=signal.interval,
        ts=signal.ts,
        side=signal.side,
        accepted=signal.accepted,
        entry_ts=min(part.entry_ts for part in parts),
        exit_ts=max(part.exit_ts for part in parts),
        entry_price=entry,
        exit_price=exit_,
        y_return=y_return,
        r_multiple=r_multiple,
        y_pnl_gross=signal.side * (exit_ - entry),
        y_pnl_net=net,
        y_binary=int(net > 0.0),
        exit_reason="trade",
        virtual=False,
        probability=signal.probability,
        model=signal.model,
        canary=signal.canary,
    )
