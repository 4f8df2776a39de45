"""Scorers' answers in the one order in which they are watched, however they arrived.

They are released an instant at a time, by (ts, strategy, signal_id), up to what the scorers vouch
for.
"""

import heapq
from collections.abc import Iterator
from itertools import groupby
from typing import Any, NamedTuple

from streams.events import Scored

ANSWERS_WAITING_MAX = 50_000


class Heard(NamedTuple):
    """What is watched of an answer; `probability` NaN and `model` empty where no model spoke."""

    ts: int
    strategy: str
    signal_id: str
    symbol: str
    model: str
    probability: float
    digest: str
    inputs: bytes


Instant = tuple[int, list[Heard]]


class AnswersInOrder:
    """A bounded buffer between the arrival of answers and the watch over them.

    `late` counts answers that came behind their own watermark; they are left out, as is a
    repeat, so that what is released is always the same.
    """

    def __init__(self) -> None:
        self._heap: list[Heard] = []
        self._keys: set[tuple[int, str, str]] = set()
        self._released_ts = 0
        self.late = 0

    def __len__(self) -> int:
        return len(self._heap)

    def add(self, scored: Scored) -> list[Instant]:
        """Take an answer; return the oldest instant when more than ANSWERS_WAITING_MAX wait."""
        key = (scored.ts, scored.strategy, scored.signal_id)
        if key in self._keys:
            return []
        if scored.ts <= self._released_ts:
            self.late += 1
            return []
        self._keys.add(key)
        heapq.heappush(
            self._heap,
            Heard(
                *key,
                scored.symbol,
                scored.model or "",
                float("nan") if scored.probability is None else scored.probability,
                scored.features_digest,
                scored.inputs,
            ),
        )
        return self.release(self._heap[0].ts) if len(self._heap) > ANSWERS_WAITING_MAX else []

    def release(self, watermark_ts: int) -> list[Instant]:
        """Return (ts, answers) of every instant up to `watermark_ts`, in order."""
        released = list(self._pop_until(watermark_ts))
        self._released_ts = max(self._released_ts, watermark_ts)
        return [(ts, list(heard)) for ts, heard in groupby(released, key=lambda one: one.ts)]

    def save(self) -> dict[str, Any]:
        """Return all that waits, as plain values, for `load`."""
        return {
            "waiting": [list(one) for one in sorted(self._heap)],
            "released_ts": self._released_ts,
            "late": self.late,
        }

    def load(self, saved: dict[str, Any]) -> None:
        """Go on from what `save` returned."""
        self._heap = [Heard(*one) for one in saved["waiting"]]
        self._keys = {one[:3] for one in self._heap}
        self._released_ts, self.late = saved["released_ts"], saved["late"]

    def _pop_until(self, watermark_ts: int) -> Iterator[Heard]:
        while self._heap and self._heap[0].ts <= watermark_ts:
            heard = heapq.heappop(self._heap)
            self._keys.discard(heard[:3])
            yield heard
