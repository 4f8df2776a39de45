"""Concurrent trades as one: their outcomes may move together and say one thing many times.

In the order of judgement, outcomes belong together while their signals were made before the first
exit of the cluster: those trades were all open at one moment.
"""

from typing import Any

CLUSTER_OUTCOMES_MAX = 10_000


class OutcomeCluster:
    """Gathers the values of one stream, at most CLUSTER_OUTCOMES_MAX at a time."""

    def __init__(self) -> None:
        self._values: list[float] = []
        self._first_exit_ts = 0

    def __len__(self) -> int:
        return len(self._values)

    def add(self, value: float, ts: int, exit_ts: int) -> list[float]:
        """Take the value of a trade open from `ts` to `exit_ts`.

        Returns the cluster that it does not belong to, complete now; empty where it does.
        """
        is_other = ts >= self._first_exit_ts or len(self._values) >= CLUSTER_OUTCOMES_MAX
        if self._values and not is_other:
            self._values.append(value)
            self._first_exit_ts = min(self._first_exit_ts, exit_ts)
            return []
        complete, self._values = self._values, [value]
        self._first_exit_ts = exit_ts
        return complete

    def save(self) -> dict[str, Any]:
        """Return what is gathered."""
        return {"values": list(self._values), "first_exit_ts": self._first_exit_ts}

    def load(self, saved: dict[str, Any]) -> None:
        """Go on from there."""
        self._values = [float(value) for value in saved["values"]]
        self._first_exit_ts = saved["first_exit_ts"]
