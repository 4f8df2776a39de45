"""Signals that wait, in input order per (strategy, symbol).

A signal waits for its bar, or behind an earlier signal of its strategy and symbol that does:
answers leave in input order.
"""

from collections import deque

from streams.codec import decode, encode
from streams.events import Signal

PENDING_SIGNALS_MAX = 10_000

Lane = tuple[str, str]


class WaitingRoom:
    """One lane of waiting signals per (strategy, symbol)."""

    def __init__(self) -> None:
        self._lanes: dict[Lane, deque[Signal]] = {}
        self._by_symbol: dict[str, list[Lane]] = {}
        self.count = 0

    def save(self) -> list[bytes]:
        """Return every waiting signal, for `load`."""
        return [encode(signal, "msgpack") for signal in self.waiting()]

    def load(self, saved: list[bytes]) -> None:
        """Go on from what `save` returned."""
        self._lanes.clear()
        self._by_symbol.clear()
        self.count = 0
        for payload in saved:
            self.add(decode(payload))

    def is_waiting(self, lane: Lane) -> bool:
        """Return whether somebody already waits in `lane`."""
        return lane in self._lanes

    def add(self, signal: Signal) -> None:
        """Let a signal wait behind the others of its lane."""
        lane = (signal.strategy, signal.symbol)
        if lane not in self._lanes:
            self._lanes[lane] = deque()
            self._by_symbol.setdefault(signal.symbol, []).append(lane)
        self._lanes[lane].append(signal)
        self.count += 1

    def lanes_of(self, symbol: str) -> tuple[Lane, ...]:
        """Return the lanes that wait for bars of `symbol`, in the order they began to."""
        return tuple(self._by_symbol.get(symbol, ()))

    def oldest_lane(self) -> Lane:
        """Return the lane that has waited longest; the room must not be empty."""
        return next(iter(self._lanes))

    def head(self, lane: Lane) -> Signal | None:
        """Return the first signal of a lane, or None."""
        waiting = self._lanes.get(lane)
        return waiting[0] if waiting else None

    def leave(self, lane: Lane) -> Signal:
        """Take the first signal out of a lane."""
        waiting = self._lanes[lane]
        signal = waiting.popleft()
        self.count -= 1
        if not waiting:
            del self._lanes[lane]
            lanes = self._by_symbol[signal.symbol]
            lanes.remove(lane)
            if not lanes:
                del self._by_symbol[signal.symbol]
        return signal

    def waiting(self) -> list[Signal]:
        """Return every waiting signal."""
        return [signal for lane in self._lanes.values() for signal in lane]
