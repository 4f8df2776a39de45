"""Answered signals whose bar the labeller does not know yet, by series."""

from collections.abc import KeysView
from heapq import heapify, heappop, heappush
from typing import Any

from engine.labels.label_rule import LabelRule
from engine.labels.labelled_signal import LabelledSignal, loaded

Name = tuple[str, str]


class LabelWaiting:
    """One lane of waiting signals for each series, by (symbol, interval); `count` in all.

    Each leaves in order of ts, those of one ts in order of arrival.
    """

    def __init__(self) -> None:
        self._lanes: dict[Name, list[tuple[int, int, LabelledSignal]]] = {}
        self._arrivals = 0
        self.count = 0

    def add(self, signal: LabelledSignal) -> None:
        """Let a signal wait for its bar."""
        lane = self._lanes.setdefault((signal.symbol, signal.interval), [])
        self._arrivals += 1
        heappush(lane, (signal.ts, self._arrivals, signal))
        self.count += 1

    @property
    def names(self) -> KeysView[Name]:
        """The series for whose bars signals wait."""
        return self._lanes.keys()

    def leave(self, name: Name, ts: int) -> list[LabelledSignal]:
        """Let go of the signals of a series up to `ts`, in order; at least one must wait for it."""
        lane = self._lanes[name]
        gone: list[LabelledSignal] = []
        while lane and lane[0][0] <= ts:
            gone.append(heappop(lane)[2])
        if not lane:
            del self._lanes[name]
        self.count -= len(gone)
        return gone

    def save(self) -> dict[str, Any]:
        """Return all that waits, as plain values."""
        lanes = [
            (arrival, *signal.save())
            for lane in self._lanes.values()
            for _, arrival, signal in lane
        ]
        return {"arrivals": self._arrivals, "waiting": lanes}

    def load(self, saved: dict[str, Any], rules: dict[str, LabelRule]) -> None:
        """Go on from what `save` returned."""
        self._lanes = {}
        for arrival, *kept in saved["waiting"]:
            signal = loaded(kept, rules)
            lane = self._lanes.setdefault((signal.symbol, signal.interval), [])
            lane.append((signal.ts, arrival, signal))
        for lane in self._lanes.values():
            heapify(lane)
        self._arrivals = saved["arrivals"]
        self.count = len(saved["waiting"])
