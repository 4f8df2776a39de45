"""One strategy at work on every series it trades: new bars in, raw signals out.

One compiled call takes the bars of an event, decides at each close and carries each symbol's
virtual position; Python sees only the bars that signal.
"""

import math
from collections.abc import Callable
from hashlib import blake2b

import numpy as np

from engine.answer import Answer
from engine.bar_book import BarBook, NewBars, grown
from engine.saved import Saved, refilled
from engine.settings import StrategySettings
from engine.strategy import DECISION_SIZE, ENTRY_SIDE, SCORE, STOP_PRICE
from engine.strategy_runner import StrategyRunner
from engine.trade import TRADE
from streams import subjects
from streams.columns import SignalColumns, signal_frames
from streams.events import TEXT_MAX, Signal

_SLOTS_FIRST = 8
_ROWS_FIRST = 64
_NOT_TRADED = -1
_CLOSE = 3


class SignalMaker:
    """The strategy of `settings` on the symbols that `owns` says are its own.

    Raises ConfigError for an unknown kind or parameter.
    """

    def __init__(self, settings: StrategySettings, owns: Callable[[str], bool]) -> None:
        self.settings = settings
        self._owns = owns
        self._runner = StrategyRunner(settings)
        self._run = self._runner.strategy.run
        self._trades = np.zeros(_SLOTS_FIRST, dtype=TRADE)
        self._held = np.zeros(_SLOTS_FIRST, dtype=np.bool_)
        self._homes = np.zeros(_SLOTS_FIRST, dtype=np.int64)
        self._series_seen = 0
        self._frame_subject = subjects.raw_frame(settings.name)
        self._rows = np.zeros(_ROWS_FIRST, dtype=np.int64)
        self._decisions = np.zeros((_ROWS_FIRST, DECISION_SIZE))

    def take(self, bars: NewBars, book: BarBook) -> list[Answer]:
        """Take the next bars of series of `book`; return the signals made on them, in order.

        One is a plain event on its own subject, several travel in columns.
        """
        if self._series_seen < len(book):
            self._find_homes(book)
        rows = len(bars.slots)
        if rows > len(self._rows):
            self._rows = grown(self._rows, rows)
            self._decisions = grown(self._decisions, rows)
        runner = self._runner
        made = self._run(
            runner.states,
            self._trades,
            self._held,
            self._homes,
            bars.slots,
            bars.ts,
            bars.values,
            runner.params,
            self.settings.overlapping,
            runner.max_hold_bars,
            self.settings.label.stop_atr_mult,
            self._rows,
            self._decisions,
        )
        if not made:
            return []
        return self._one(bars, book) if made == 1 else self._several(bars, book, made)

    def reset(self, symbol: str) -> None:
        """Forget a symbol's history and its position, without closing it."""
        home = self._runner.reset(symbol)
        if home is not None:
            self._held[home] = False

    def save(self) -> Saved:
        """Return the strategy's states and its positions."""
        runner = self._runner.save()
        used = len(runner.facts["symbols"])
        positions = Saved({}, {"trades": self._trades[:used], "held": self._held[:used]})
        return Saved.of({"rule": self._rule()}, runner=runner, positions=positions)

    def load(self, saved: Saved) -> None:
        """Go on from `saved`. Raises ValueError where it is another strategy's."""
        if saved.facts["rule"] != self._rule():
            raise ValueError(f"{saved.facts['rule']} was saved, {self._rule()} is configured")
        self._runner.load(saved.part("runner"))
        positions = saved.part("positions").arrays
        self._trades = refilled(self._trades, positions["trades"])
        self._held = refilled(self._held, positions["held"])
        # Every series finds its symbol's place again at the next bar.
        self._series_seen = 0

    def _rule(self) -> list[object]:
        """What the positions depend on, beside the runner."""
        return [self.settings.overlapping, self.settings.label.stop_atr_mult]

    def _find_homes(self, book: BarBook) -> None:
        """Give every series of the book that is traded here a place of its own."""
        series = len(book)
        self._homes = grown(self._homes, series)
        for slot in range(self._series_seen, series):
            symbol, interval = book.name_of(slot)
            is_traded = self._runner.trades(symbol, interval) and self._owns(symbol)
            self._homes[slot] = self._runner.slot_of(symbol) if is_traded else _NOT_TRADED
        self._series_seen = series
        self._trades = grown(self._trades, len(self._runner.states))
        self._held = grown(self._held, len(self._runner.states))

    def _one(self, bars: NewBars, book: BarBook) -> list[Answer]:
        row = int(self._rows[0])
        decision = self._decisions[0].tolist()
        symbol = book.name_of(int(bars.slots[row]))[0]
        ts = int(bars.ts[row])
        stop = decision[STOP_PRICE]
        signal = Signal(
            signal_id=signal_id_of(self.settings.name, symbol, ts),
            strategy=self.settings.name,
            symbol=symbol,
            interval=self.settings.interval,
            ts=ts,
            side=int(decision[ENTRY_SIDE]),
            score=decision[SCORE],
            price=float(bars.values[row, _CLOSE]),
            stop=None if math.isnan(stop) else stop,
        )
        return [Answer(subjects.raw(signal.strategy, symbol), signal)]

    def _several(self, bars: NewBars, book: BarBook, made: int) -> list[Answer]:
        rows = self._rows[:made]
        decisions = self._decisions[:made]
        name = self.settings.name
        ts = bars.ts[rows]
        symbols = tuple(book.name_of(slot)[0] for slot in bars.slots[rows].tolist())
        ids = (
            signal_id_of(name, symbol, at) for symbol, at in zip(symbols, ts.tolist(), strict=True)
        )
        columns = SignalColumns(
            strategy=name,
            interval=self.settings.interval,
            signal_ids=tuple(ids),
            symbols=symbols,
            ts=ts,
            side=decisions[:, ENTRY_SIDE],
            score=decisions[:, SCORE],
            price=bars.values[rows, _CLOSE],
            stop=decisions[:, STOP_PRICE],
        )
        return [Answer(self._frame_subject, frame) for frame in signal_frames(columns)]


def signal_id_of(strategy: str, symbol: str, ts: int) -> str:
    """Return the id of a strategy's signal at a close: the same in every run.

    >>> signal_id_of("breakout", "AAPL", 7)
    'breakout-AAPL-7'
    """
    plain = f"{strategy}-{symbol}-{ts}"
    if len(plain) <= TEXT_MAX:
        return plain
    return f"{blake2b(plain.encode(), digest_size=16).hexdigest()}-{ts}"
