"""KSWIN on the rank residual: do the last outcomes look like those before them?

A Kolmogorov–Smirnov test of the newest STAT_SIZE values against as many drawn from the rest of a
window. It sees every change of distribution; here only one with a higher mean alarms. One test
costs as much as a hundred updates of the others: it is made every LOOK_EVERY values. The threshold
is −log₁₀ of its level. Source: Raab, Heusinger, Schleif (2020), "Reactive Soft Prototype Computing
for Concept Drift Streams"; river.drift.KSWIN.
"""

import math
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

from engine.drift.detector import Reference
from engine.drift.outcome_stream import RANGES
from engine.drift.rising_mean import RisingMean

CHANNEL = "ranking"
STREAMS = ("rank_residual",)
CLUSTERED = False
HAS_BUDGET = False
DEFAULT_THRESHOLDS = {"rank_residual": 2.3}
WINDOW_SIZE = 1_000
STAT_SIZE = 300
LOOK_EVERY = 16
SEED = 1
TOLERANCE = 0.01

MakeKswin = Callable[[Sequence[float]], Any]


class Windowed:
    """KSWIN over a window of its own: it starts anew on the update after an alarm.

    `make_river` gives one that has a window. `statistic` is −log₁₀ of the last test's p-value where
    the mean rose, else 0.
    """

    def __init__(self, threshold: float, stream: str, make_river: MakeKswin) -> None:
        self._make_river = make_river
        self._lowest, self._highest = RANGES[stream]
        self.threshold = threshold
        self._restart()

    def update(self, x: float) -> None:
        """Take the next value, held within the stream's range; NaN is passed over."""
        if math.isnan(x):
            return
        if self.drift_detected:
            self._restart()
        value = min(max(x, self._lowest), self._highest)
        self._count += 1
        self._rise.update(value)
        self.outcomes_since_change = self._rise.age
        self._window.append(value)
        if self._count % LOOK_EVERY == 0 and len(self._window) == WINDOW_SIZE:
            self._look(list(self._window))

    def save(self) -> dict[str, Any]:
        """Return the window and where it stands."""
        return {
            "window": list(self._window),
            "count": self._count,
            "statistic": self.statistic,
            "detected": self.drift_detected,
            "rise": self._rise.save(),
        }

    def load(self, saved: dict[str, Any]) -> None:
        """Go on from there."""
        self._restart()
        self._window.extend(map(float, saved["window"]))
        self._count = int(saved["count"])
        self._rise.load(saved["rise"])
        self.statistic = float(saved["statistic"])
        self.drift_detected = bool(saved["detected"])
        self.outcomes_since_change = self._rise.age

    def _restart(self) -> None:
        self._window: deque[float] = deque(maxlen=WINDOW_SIZE)
        self._count = 0
        self._rise = RisingMean(TOLERANCE)
        self.statistic = 0.0
        self.drift_detected = False
        self.warning_detected = False
        self.outcomes_since_change = 0

    def _look(self, values: list[float]) -> None:
        # Made anew for each test: river's own draws from a generator that cannot be saved.
        river = self._make_river(values[:-1])
        river.update(values[-1])
        older, newer = values[:-STAT_SIZE], values[-STAT_SIZE:]
        has_risen = sum(newer) / len(newer) > sum(older) / len(older)
        self.drift_detected = bool(river.drift_detected) and has_risen
        level = max(float(river.p_value), 10.0 ** -(2.0 * self.threshold))
        self.statistic = -math.log10(level) if has_risen else 0.0


def make(threshold: float, reference: Reference, stream: str) -> Windowed:
    """Return a detector of `stream`."""
    from river.drift import KSWIN

    def make_river(window: Sequence[float]) -> Any:
        return KSWIN(
            alpha=10.0**-threshold,
            window_size=WINDOW_SIZE,
            stat_size=STAT_SIZE,
            seed=SEED,
            window=window,
        )

    return Windowed(threshold, stream, make_river)
