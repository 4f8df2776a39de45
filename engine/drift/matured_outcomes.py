"""Outcomes in the one order in which they are judged, however they arrived.

An outcome is judged at its exit, or `maturity_ns` after its signal if that is later: losers that
stop out fast arrive first, so a young cohort looks worse than it is. Released are those that are
judged at or before a watermark, by (that instant, strategy, signal_id).
"""

import heapq
from typing import Any

import msgspec

from streams.events import Outcome

OUTCOMES_WAITING_MAX = 200_000

Judged = tuple[int, Outcome]


class MaturedOutcomes:
    """A bounded buffer between the arrival of outcomes and their judgement.

    `late` counts outcomes that came behind their own watermark; they are left out, as is a
    repeat, so that the order of what is released is always the same.
    """

    def __init__(self, maturity_ns: int) -> None:
        self._maturity_ns = maturity_ns
        self._heap: list[tuple[int, str, str, Outcome]] = []
        self._keys: set[tuple[int, str, str]] = set()
        self._released_ts = 0
        self.late = 0

    def __len__(self) -> int:
        return len(self._heap)

    def add(self, outcome: Outcome) -> list[Judged]:
        """Take an outcome; return the oldest instant when more than OUTCOMES_WAITING_MAX wait."""
        at = max(outcome.exit_ts, outcome.ts + self._maturity_ns)
        key = (at, outcome.strategy, outcome.signal_id)
        if key in self._keys:
            return []
        if at <= self._released_ts:
            self.late += 1
            return []
        self._keys.add(key)
        heapq.heappush(self._heap, (*key, outcome))
        return self.release(self._heap[0][0]) if len(self._heap) > OUTCOMES_WAITING_MAX else []

    def release(self, watermark_ts: int) -> list[Judged]:
        """Return (instant, outcome) for every outcome that is judged by `watermark_ts`."""
        released = []
        while self._heap and self._heap[0][0] <= watermark_ts:
            released.append(self._pop())
        self._released_ts = max(self._released_ts, watermark_ts)
        return released

    def save(self) -> dict[str, Any]:
        """Return what waits, as plain values."""
        waiting = [[entry[0], msgspec.msgpack.encode(entry[-1])] for entry in self._heap]
        return {"waiting": waiting, "released_ts": self._released_ts, "late": self.late}

    def load(self, saved: dict[str, Any]) -> None:
        """Go on from what `save` returned."""
        outcomes = [(at, msgspec.msgpack.decode(raw, type=Outcome)) for at, raw in saved["waiting"]]
        self._heap = [(at, one.strategy, one.signal_id, one) for at, one in outcomes]
        self._keys = {entry[:3] for entry in self._heap}
        self._released_ts = saved["released_ts"]
        self.late = saved["late"]

    def _pop(self) -> Judged:
        at, strategy, signal_id, outcome = heapq.heappop(self._heap)
        self._keys.discard((at, strategy, signal_id))
        return at, outcome
