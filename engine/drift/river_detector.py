"""A river detector with what ours have beside river's interface: a date of the change, a memory.

river's detectors cannot be written down: some keep their state where Python does not reach. One is
made again from the values since it last started anew, which say it all. When VALUES_KEPT_MAX of
them are kept, it starts anew from the newer half, saved or not: so that both say the same.
"""

import math
from array import array
from collections.abc import Callable
from typing import Any

from engine.drift.outcome_stream import RANGES
from engine.drift.rising_mean import RisingMean

VALUES_KEPT_MAX = 8_192


class RiverDetector:
    """A river detector over a stream of numbers that rises when the model worsens.

    `make_river` gives a new one. A value outside the range of `stream` is held within it: river's
    would fail on some. It resets itself on the update after an alarm; the changepoint is
    then looked for anew, from `tolerance` above the running mean. river shows a verdict, no
    statistic: `statistic` is 1 on an alarm, else 0, and `threshold` 1.
    """

    def __init__(self, make_river: Callable[[], Any], *, stream: str, tolerance: float) -> None:
        self._make_river = make_river
        self._lowest, self._highest = RANGES[stream]
        self._tolerance = tolerance
        self.threshold = 1.0
        self._start(array("d"))

    def update(self, x: float) -> None:
        """Take the next value; NaN is passed over."""
        if math.isnan(x):
            return
        if self.drift_detected:
            self._start(array("d"))
        elif len(self._values) >= VALUES_KEPT_MAX:
            self._start(self._values[-VALUES_KEPT_MAX // 2 :])
        value = min(max(x, self._lowest), self._highest)
        self._values.append(value)
        self._take(value)

    def save(self) -> dict[str, Any]:
        """Return the values since it started anew, little-endian doubles."""
        return {"values": self._values.tobytes()}

    def load(self, saved: dict[str, Any]) -> None:
        """Take those values again."""
        values = array("d")
        values.frombytes(saved["values"])
        self._start(values)

    def _start(self, values: "array[float]") -> None:
        self._values = values
        self._river = self._make_river()
        self._rise = RisingMean(self._tolerance)
        self.statistic = 0.0
        self.drift_detected = False
        self.warning_detected = False
        self.outcomes_since_change = 0
        for value in values:
            self._take(value)

    def _take(self, value: float) -> None:
        self._rise.update(value)
        self._river.update(value)
        self.drift_detected = bool(self._river.drift_detected)
        self.warning_detected = bool(getattr(self._river, "warning_detected", False))
        self.outcomes_since_change = self._rise.age
        self.statistic = float(self.drift_detected)
