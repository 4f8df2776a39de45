"""Trades that an engine really closed, joined with the signals they came from.

A trade may be reported in parts, the last one `final`: the outcome has their quantity-weighted
prices, the first entry and the last exit. It can be told once its signal's stop is known, from
the signal itself or from its bar.
"""

import math

from engine.label_rule import LabelRule
from engine.trade import stop_of
from streams.errors import WireError
from streams.events import Outcome, Scored, Trade

TRADE = "trade"
SIGNALS_REMEMBERED_MAX = 100_000
TRADES_WAITING_MAX = 10_000
TRADE_PARTS_MAX = 256


class RealTrades:
    """The signals of the recent past and the trades that wait for theirs.

    Beyond SIGNALS_REMEMBERED_MAX and TRADES_WAITING_MAX the oldest are forgotten: their trades
    get no second outcome, and neither do trades whose parts add up to no finite figures.
    `forgotten` counts the trades.
    """

    def __init__(self) -> None:
        self._signals: dict[str, tuple[Scored, LabelRule, float | None]] = {}
        self._parts: dict[str, list[Trade]] = {}
        self._told: dict[str, None] = {}
        self.forgotten = 0

    def knows(self, signal_id: str) -> bool:
        """Return whether the signal is remembered."""
        return signal_id in self._signals

    def remember(self, signal: Scored, rule: LabelRule) -> Outcome | None:
        """Learn of a signal; returns the outcome of a trade that waited for it."""
        if len(self._signals) >= SIGNALS_REMEMBERED_MAX:
            del self._signals[next(iter(self._signals))]
        self._signals[signal.signal_id] = (signal, rule, signal.stop)
        return self._tell(signal.signal_id)

    def learn_atr(self, signal_id: str, atr: float) -> Outcome | None:
        """Learn ATR(14) as of a signal's bar; returns the outcome of a trade that waited."""
        known = self._signals.get(signal_id)
        if known is None or known[2] is not None:
            return None
        signal, rule, _ = known
        stop = stop_of(signal.side, signal.price, signal.stop, atr, rule.stop_atr_mult)
        self._signals[signal_id] = (signal, rule, stop)
        return self._tell(signal_id)

    def add(self, trade: Trade) -> Outcome | None:
        """Take one report. Raises WireError `trade` for figures that cannot be."""
        check_trade(trade)
        if trade.signal_id in self._told:
            return None
        parts = self._parts.get(trade.signal_id)
        if parts is None:
            if len(self._parts) >= TRADES_WAITING_MAX:
                del self._parts[next(iter(self._parts))]
                self.forgotten += 1
            parts = self._parts[trade.signal_id] = []
        if trade in parts:
            return None
        if len(parts) >= TRADE_PARTS_MAX:
            raise WireError(TRADE, f"{trade.signal_id} has more than {TRADE_PARTS_MAX} parts")
        parts.append(trade)
        return self._tell(trade.signal_id)

    def _tell(self, signal_id: str) -> Outcome | None:
        parts = self._parts.get(signal_id)
        known = self._signals.get(signal_id)
        if not parts or known is None or not parts[-1].final:
            return None
        signal, _, stop = known
        if stop is None:
            return None
        del self._parts[signal_id]
        outcome = _outcome(signal, parts, stop)
        if outcome is None:
            self.forgotten += 1
            return None
        if len(self._told) >= SIGNALS_REMEMBERED_MAX:
            del self._told[next(iter(self._told))]
        self._told[signal_id] = None
        return outcome


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
            "trade",
            f"0 < entry_ts <= exit_ts must hold, were {trade.entry_ts} and {trade.exit_ts}",
        )


def _outcome(signal: Scored, parts: list[Trade], stop: float) -> Outcome | None:
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
    )
